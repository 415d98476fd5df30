"""Photos that structure from motion can't place: how many were, and of the others each by name with the reason."""

import math

import cv2
import numpy as np
import pytest
from commands import command
from faulty import encoded, refused, said
from synthetic import look_at, render, room, room_frames

from recon3d.geometry import Camera
from recon3d.scene import Scene

GROUP = "9. What the photos show"
WIDTH, HEIGHT = 256, 192
WALK = {f"a{number}": frame.image for number, frame in enumerate(room_frames(4, WIDTH, HEIGHT))}
OTHER = {f"b{number}": frame.image for number, frame in enumerate(room_frames(3, WIDTH, HEIGHT, seed=7))}
EYE = np.array([0.3, 1.2, 1.4])


def walls(count=3):
    rng = np.random.default_rng(0)
    return {f"wall{k}": rng.integers(235, 240, (HEIGHT, WIDTH, 3)).astype(np.uint8) for k in range(count)}


def turned():
    """One eye that looks three ways."""
    camera, images = Camera.from_fov(WIDTH, HEIGHT, math.radians(65)), {}
    for number, angle in enumerate(np.radians([-10, 0, 10])):
        pose = look_at(EYE, EYE + np.array([math.sin(angle), -math.cos(angle), -0.2]))
        images[f"turn{number}"] = render("turn", room, camera, pose).image
    return images


def apart():
    """One eye after another that looks along a wall of its own."""
    camera, images = Camera.from_fov(WIDTH, HEIGHT, math.radians(50)), {}
    for number, angle in enumerate(np.radians([0, 120, 240])):
        eye = np.array([0.4 * number, 1.0, 1.4])
        pose = look_at(eye, eye + np.array([math.sin(angle), -math.cos(angle), 0.0]))
        images[f"apart{number}"] = render("apart", room, camera, pose).image
    return images


CASES = {
    "textureless": (walls, 0, "textured"),
    "blurred": (lambda: WALK | {"blurred": cv2.blur(WALK["a1"], (41, 1))}, 4, "fine detail: blurred"),
    "the camera only turned": (turned, 0, "only turned"),
    "two rooms": (lambda: WALK | OTHER, 4, "another scene"),
    "four photos and two strays": (lambda: WALK | {"b0": OTHER["b0"]} | walls(1), 4, "2 of 6 photos left out"),
    "a mirror": (lambda: WALK | {"mirrored": WALK["a2"][:, ::-1]}, 4, "looks like a mirrored copy of a2"),
    "low overlap": (apart, 0, "0 of 3 pairs"),
}
"""Photos, how many of them are placed, and words of the reason for the others."""


def test_the_group_is_whole():
    assert len(CASES) == 7


@pytest.mark.parametrize("case", [pytest.param(c, marks=[pytest.mark.slow] if "text" not in c else []) for c in CASES])
def test_what_is_not_placed_is_named_with_the_reason(case, tmp_path):
    make, placed, words = CASES[case]
    images = make()
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, image in images.items():
        (photos / f"{name}.png").write_bytes(encoded(np.ascontiguousarray(image), format="PNG"))
    said(command("init", photos, "-o", tmp_path / "s", "--set", "photos.fov_deg=65"), 0)
    done = command("poses", tmp_path / "s", "--set", "poses.features=800", "--set", "poses.odometry=off")
    if not placed:
        refused(done, f"none of {len(images)} photos", words)
        return
    assert words in said(done, 0)
    assert f"{placed} of {len(images)} photos have a pose" in done.stdout
    assert Scene.open(tmp_path / "s").names() == [name for name in sorted(images) if name.startswith("a")]
