"""Where the photos are taken from: once round the middle of the room, looking across it, as a person would."""

import math

import numpy as np

WIDTH, HEIGHT = 1024, 768
FOCAL_35MM = 26
DIAGONAL_35MM = math.hypot(36, 24)
FOCAL_PX = FOCAL_35MM / DIAGONAL_35MM * math.hypot(WIDTH, HEIGHT)
COUNT = 28
STORED_TURNED = {3: 6, 10: 8, 17: 3, 24: 6}
"""Number of the photo in the walk → EXIF orientation it is stored with."""


def names() -> list[str]:
    """The photos' stems, in the order they were taken."""
    return [f"IMG_{2041 + k}" for k in range(COUNT)]


def look(eye: np.ndarray, target: np.ndarray, roll: float) -> np.ndarray:
    """world_from_cam (4, 4): camera x right, y down, z towards the target, then rolled [rad]."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([c * right + s * down, c * down - s * right, forward], 1)
    pose[:3, 3] = eye
    return pose


def walk(seed: int) -> dict[str, np.ndarray]:
    """world_from_cam by photo: an oval of 1.15 m × 0.83 m about the middle, eyes at 1.35…1.6 m, a hand that shakes."""
    rng = np.random.default_rng(seed)
    poses = {}
    for k, name in enumerate(names()):
        turn = 2 * math.pi * (k + rng.uniform(-0.15, 0.15)) / COUNT
        stretch = 1 + 0.1 * math.sin(3 * turn + 1) + rng.normal(0, 0.02)
        out = np.array([1.15 * math.cos(turn), 0.83 * math.sin(turn)]) * stretch
        eye = np.array([2.3 + out[0], 1.9 + out[1], 1.48 + 0.09 * math.sin(2 * turn + 0.5) + rng.normal(0, 0.03)])
        yaw = math.atan2(-out[1], -out[0]) + math.radians(9 * math.sin(2.3 * turn) + rng.normal(0, 3))
        pitch = math.radians(-14 + 5 * math.sin(5 * turn + 2) + rng.normal(0, 1.5))
        ahead = np.array([math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)])
        poses[name] = look(eye, eye + ahead, math.radians(rng.normal(0, 1.6)))
    return poses
