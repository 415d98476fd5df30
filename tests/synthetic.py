"""Exact made-up scenes for tests: a furnished room, a ball and a plane, cast ray by ray with known depth and cameras.

The world is levelled as ours are: right-handed, metres, z up, the room's floor at z = 0. Depth is exact to float32;
colour is a function of the world point, so that views agree about it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recon3d.geometry import SE3, Camera, Frame

Array = npt.NDArray[Any]
Surface = Callable[[Array, Array], Array]
"""Takes an origin (3,) and directions (..., 3); gives how many directions away the surface is, inf = nowhere."""

ROOM = (np.array([-2.5, -2.0, 0.0]), np.array([2.5, 2.0, 2.6]))
"""Corners of the room, seen from inside [m]."""
FURNITURE = (
    (np.array([-2.0, -2.0, 0.0]), np.array([-1.0, -1.4, 1.8])),  # a cupboard at the far wall
    (np.array([-0.6, -1.2, 0.0]), np.array([0.7, -0.5, 0.75])),  # a table block in the middle
    (np.array([-0.3, -1.0, 0.75]), np.array([0.1, -0.7, 1.05])),  # a box on the table
    (np.array([1.5, -2.0, 0.0]), np.array([2.5, -1.2, 0.9])),  # a chest in the corner
)
"""Corners of the boxes that stand in the room [m]."""


@dataclass(frozen=True)
class Box:
    """An axis-aligned box; seen from inside where the eye is inside."""

    low: Array
    high: Array

    def __call__(self, origin: Array, directions: Array) -> Array:
        """Slab method."""
        with np.errstate(divide="ignore", invalid="ignore"):
            a = (self.low - origin) / directions
            b = (self.high - origin) / directions
        enter = np.minimum(a, b).max(axis=-1)
        leave = np.maximum(a, b).min(axis=-1)
        hit = (leave >= enter) & (leave > 0)
        return np.where(hit, np.where(enter > 0, enter, leave), np.inf)


@dataclass(frozen=True)
class Ball:
    """A ball seen from outside."""

    centre: Array
    radius: float

    def __call__(self, origin: Array, directions: Array) -> Array:
        """Nearer root of the quadratic."""
        to_centre = self.centre - origin
        along = directions @ to_centre
        squared = (directions**2).sum(axis=-1)
        root = along**2 - squared * (to_centre @ to_centre - self.radius**2)
        near = (along - np.sqrt(np.maximum(root, 0))) / squared
        return np.where((root >= 0) & (near > 0), near, np.inf)


@dataclass(frozen=True)
class Plane:
    """The points p with normal · p = offset."""

    normal: Array
    offset: float

    def __call__(self, origin: Array, directions: Array) -> Array:
        """Where the ray meets the plane."""
        with np.errstate(divide="ignore"):
            t = (self.offset - origin @ self.normal) / (directions @ self.normal)
        return np.where(t > 0, t, np.inf)


def room(origin: Array, directions: Array) -> Array:
    """The furnished room as a `Surface`."""
    return np.minimum.reduce([Box(*corners)(origin, directions) for corners in (ROOM, *FURNITURE)])


def distance_to_room(points: Array) -> Array:
    """Unsigned distance of points (N, 3) to the room's surfaces, walls and furniture [m]."""
    distances = []
    for low, high in (ROOM, *FURNITURE):
        beyond = np.maximum(low - points, points - high)
        outside = np.linalg.norm(np.maximum(beyond, 0), axis=-1)
        distances.append(np.where(outside > 0, outside, -beyond.max(axis=-1)))
    return np.minimum.reduce(distances)


def look_at(eye: npt.ArrayLike, target: npt.ArrayLike, up: npt.ArrayLike = (0, 0, 1)) -> SE3:
    """`world_from_cam` of a camera at `eye` that looks at `target`, `up` upwards in its image."""
    eye, target = np.asarray(eye, float), np.asarray(target, float)
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, np.asarray(up, float))
    x /= np.linalg.norm(x)
    return SE3(np.stack([x, np.cross(z, x), z], axis=1), eye)


def color_at(points: Array, footprint: Array, seed: int = 0) -> Array:
    """Texture of the world: value noise in four octaves, those finer than the pixels faded out.

    Args:
        points: (..., 3) [m].
        footprint: (...) width of a pixel at the point [m].
        seed: another seed is another texture.

    Returns:
        (..., 3) uint8 sRGB.
    """
    total = np.full(points.shape, 0.5)
    for octave, (wavelength, amplitude) in enumerate([(0.9, 0.5), (0.25, 0.55), (0.09, 0.5), (0.035, 0.4)]):
        fade = np.clip(wavelength / (1.5 * footprint) - 1, 0, 1)[..., None]
        noise = _noise(points / wavelength + 0.37 * octave, seed * 31 + octave)
        total += amplitude * fade * (noise - 0.5)
    return (np.clip(total, 0, 1) * 255).round().astype(np.uint8)


def render(name: str, surface: Surface, camera: Camera, world_from_cam: SE3, seed: int = 0) -> Frame:
    """One exact frame of a surface: depth [m] along z, 0 where nothing is met."""
    rays = camera.rays().astype(np.float64)
    rays[..., 0] = (np.arange(camera.width) - camera.cx) / camera.fx
    rays[..., 1] = ((np.arange(camera.height) - camera.cy) / camera.fy)[:, None]
    directions = rays @ world_from_cam.R.T
    z = surface(world_from_cam.t, directions)
    met = np.isfinite(z)
    depth = np.where(met, z, 0)
    image = color_at(world_from_cam.t + directions * depth[..., None], np.maximum(depth, 1e-3) / camera.fx, seed)
    image[~met] = 0
    return Frame(name, image, depth.astype(np.float32), None, camera, world_from_cam)


def room_frames(count: int, width: int = 160, height: int = 120, seed: int = 0) -> list[Frame]:
    """Exact frames of the room from a handheld arc of 60 degrees; the seed moves the hand and paints the texture."""
    rng = np.random.default_rng(seed)
    camera = Camera.from_fov(width, height, np.radians(70))
    target = np.array([0.0, -0.5, 0.8])
    frames = []
    for index in range(count):
        angle = np.radians(60 + 60 * (index / (count - 1) if count > 1 else 0.5))
        eye = target + np.array([2.0 * np.cos(angle), 2.0 * np.sin(angle), 0.75])
        pose = look_at(eye + rng.normal(0, 0.04, 3), target + rng.normal(0, 0.05, 3))
        frames.append(render(f"frame-{index:06d}", room, camera, pose, seed))
    return frames


def ball_frames(count: int, radius: float = 0.5, width: int = 160, height: int = 120) -> list[Frame]:
    """Exact frames of a ball at the origin, from all round it and a little above, with nothing behind it."""
    camera = Camera.from_fov(width, height, np.radians(50))
    surface = Ball(np.zeros(3), radius)
    frames = []
    for index in range(count):
        angle = 2 * np.pi * index / count
        eye = 3.2 * radius * np.array([np.cos(angle), np.sin(angle), 0.4 if index % 2 else -0.4])
        frames.append(render(f"ball-{index:03d}", surface, camera, look_at(eye, np.zeros(3))))
    return frames


def plane_frames(count: int, distance: float = 2.0, width: int = 160, height: int = 120) -> list[Frame]:
    """Exact frames of the plane z = 0, seen from above at an angle, the cameras `distance` above it [m]."""
    camera = Camera.from_fov(width, height, np.radians(50))
    surface = Plane(np.array([0.0, 0.0, 1.0]), 0.0)
    frames = []
    for index in range(count):
        eye = np.array([0.3 * index, -0.5 * distance, distance])
        frames.append(render(f"plane-{index:03d}", surface, camera, look_at(eye, [0.3 * index, 0.1, 0.0])))
    return frames


def write_capture(folder: Path, frames: Sequence[Frame]) -> Path:
    """Writes a 7-Scenes style capture: N.color.png, N.depth.png (uint16 mm), N.pose.txt, camera-intrinsics.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        cv2.imwrite(str(folder / f"{frame.name}.color.png"), frame.image[..., ::-1])
        cv2.imwrite(str(folder / f"{frame.name}.depth.png"), np.rint(frame.depth * 1000).astype(np.uint16))
        np.savetxt(folder / f"{frame.name}.pose.txt", frame.world_from_cam.matrix, fmt="%.12e", delimiter="\t")
    np.savetxt(folder / "camera-intrinsics.txt", frames[0].camera.K, fmt="%.12e")
    return folder


def write_photos(folder: Path, frames: Sequence[Frame]) -> Path:
    """Writes the images alone, as NAME.png."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        cv2.imwrite(str(folder / f"{frame.name}.png"), frame.image[..., ::-1])
    return folder


def _noise(points: Array, seed: int) -> Array:
    """Value noise (..., 3) in 0 to 1: three numbers for each point (..., 3) of a unit lattice, smoothly mixed."""
    cell = np.floor(points)
    mix = points - cell
    mix = mix * mix * (3 - 2 * mix)
    cell = cell.astype(np.int64).astype(np.uint32)
    total = np.zeros(points.shape)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(np.array(corner), mix, 1 - mix), axis=-1)
        x, y, z = (cell[..., axis] + np.uint32(corner[axis]) for axis in range(3))
        h = x * np.uint32(73856093) ^ y * np.uint32(19349663) ^ z * np.uint32(83492791)
        h ^= np.uint32((seed + 1) * 2654435761 % 2**32)
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x45D9F3B)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
        h ^= h >> np.uint32(16)
        for channel in range(3):
            total[..., channel] += weight * ((h >> np.uint32(10 * channel)) & np.uint32(1023)) / 1023
    return total
