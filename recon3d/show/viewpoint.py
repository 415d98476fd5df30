"""Viewpoints: poses from which a scene shows well."""

import math

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array

FOV = math.radians(45)
"""Field of view of automatic views across the longer side [rad]."""
ELEVATION = math.radians(40)
"""Height of automatic viewpoints above the horizon [rad]."""
FIT = 1.06
"""Distance of automatic viewpoints, of the one from where the scene just fills the picture."""


def around(points: Array, up: Array, count: int) -> list[SE3]:
    """Views of points (N, 3) from `ELEVATION` above the horizon, all round, one metre from their middle."""
    low, high = np.percentile(points, [0.5, 99.5], axis=0)  # stray points must not move the middle
    middle = (low + high) / 2
    side = np.cross(up, [1.0, 0.0, 0.0] if abs(up[0]) < 0.9 else [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    forward = np.cross(side, up)
    views = []
    for angle in np.arange(count) * (2 * math.pi / count) + math.pi / count:
        level = math.cos(angle) * forward + math.sin(angle) * side
        away = math.cos(ELEVATION) * level + math.sin(ELEVATION) * up
        views.append(looking(middle + away, middle, up))
    return views


def fitting(points: Array, camera: Camera, world_from_cam: SE3) -> SE3:
    """The view `world_from_cam`, moved along its axis and sideways so that points (N, 3) just fill it, strays aside."""
    local = (world_from_cam.R.T @ points[:: max(1, len(points) // 20_000)].T).T
    low, high = np.percentile(local, [0.5, 99.5], axis=0)
    local = local - (low + high) / 2
    half = np.array([camera.width, camera.height]) / 2 / np.array([camera.fx, camera.fy])
    back = (np.abs(local[:, :2]) / half).max(axis=1) - local[:, 2]
    distance = FIT * max(float(np.percentile(back, 99.5)), float(np.ptp(local, axis=0).max()) / 2, 1e-6)
    eye = (low + high) / 2 - np.array([0.0, 0.0, distance])
    return SE3(world_from_cam.R, world_from_cam.R @ eye)


def looking(eye: Array, target: Array, up: Array) -> SE3:
    """`world_from_cam` at `eye`, looking at `target`, `up` upwards in the image."""
    forward = target - eye
    length = float(np.linalg.norm(forward))
    if length == 0:
        raise InputError(f"screenshot: got the eye at {eye.tolist()}, where it looks at; wanted another place")
    z = forward / length
    x = np.cross(z, up)
    if np.linalg.norm(x) < 1e-6:  # straight down: any direction will do for the top of the picture
        x = np.cross(z, up + np.array([0.0, 1e-3, 2e-3]) + 1e-3 * np.roll(up, 1))
    x /= np.linalg.norm(x)
    return SE3(np.stack([x, np.cross(z, x), z], axis=1), eye)
