"""Draws camera places in a room and develops the picture: what one training example is made of."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from train_demo.render import Renderer, View, look
from train_demo.rooms import Room, build
from train_demo.textures import Library, make_library

CANONICAL_FOCAL = 190.0  # of a picture 256 px along its longer side; as in recon3d.depth.demo
LONG, SHORT = 256, 192


def draw_view(rng: np.random.Generator, room: Room, portrait: bool) -> View:
    """A hand-held camera at eye height in free space, looking along or across the room."""
    w, d, _ = room.size
    fov = math.radians(rng.uniform(62, 74) if rng.random() < 0.5 else rng.uniform(48, 84))
    focal = LONG / 2 / math.tan(fov / 2)
    for _ in range(50):
        if rng.random() < 0.5:  # near a wall or in a corner, as one stands to get much into the picture
            a, b = rng.beta(0.5, 0.5, 2)
        else:
            a, b = rng.random(2)
        x, y, z = 0.25 + a * (w - 0.5), 0.25 + b * (d - 0.5), rng.uniform(1.0, 1.8)
        if all(
            x < t[0] - 0.2 or x > t[2] + 0.2 or y < t[1] - 0.2 or y > t[3] + 0.2 or t[4] < z - 0.4 for t in room.taken
        ):
            break
    target_x, target_y = w * rng.uniform(0.15, 0.85), d * rng.uniform(0.15, 0.85)
    heading = math.atan2(target_y - y, target_x - x) if rng.random() < 0.75 else rng.uniform(-math.pi, math.pi)
    pitch = math.radians(rng.normal(-8, 8))
    roll = math.radians(rng.normal(0, 2))
    width, height = (SHORT, LONG) if portrait else (LONG, SHORT)
    return look(np.array((x, y, z), np.float32), heading, pitch, roll, width, height, focal)


def develop(rng: np.random.Generator, radiance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Exposure, white balance and tone curve: linear RGB to uint8 sRGB."""
    grey = radiance.mean((0, 1))
    balance = (grey.mean() / np.maximum(grey, 1e-6)) ** rng.uniform(0.3, 0.9)
    x = radiance * balance
    luma = x.mean(-1)
    exposure = 2 ** rng.normal(0, 0.35) * 0.22 / max(float(np.percentile(luma, rng.uniform(45, 75))), 1e-6)
    x = x * exposure
    if rng.random() < 0.5:  # a soft shoulder, as cameras draw bright windows
        x = x * (1 + x / 9) / (1 + x)
        x = x * 1.5
    x = np.clip(x, 0, 1)
    srgb = np.where(x < 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return (srgb * 255 + 0.5).astype(np.uint8)


def examples(
    seed: int, count: int, views: int = 10, portrait: bool = False, library: Library | None = None
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], float]]:
    """Yields `count` examples, `views` a room: (H, W, 3) uint8 sRGB, (H, W) float32 depth [m], focal length [px].

    The same seed gives the same rooms; `library` saves drawing the textures again.
    """
    rng = np.random.default_rng(seed)
    library = library or make_library(rng)
    done = 0
    while done < count:
        room = build(rng, library)
        renderer = Renderer(room, library, rng)
        taken = 0
        for _ in range(3 * views):
            if taken == min(views, count - done):
                break
            view = draw_view(rng, room, portrait)
            radiance, depth = renderer.render(view)
            near, middle, far = np.percentile(depth, (5, 50, 95)).tolist()
            dull = far / max(near, 0.01) < 1.6 or middle < 1.3  # one wall seen from close by says little about size
            if near < 0.3 or middle < 0.8 or (dull and rng.random() < 0.8):
                continue
            taken += 1
            yield develop(rng, radiance), depth, view.focal
        done += taken
