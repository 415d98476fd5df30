"""Colours for distances: bright is near, dark is far, in steps that read without colour vision."""

import numpy as np

from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array

STOPS = (
    (0xFD, 0xE7, 0x25),
    (0xB5, 0xDE, 0x2B),
    (0x6E, 0xCE, 0x58),
    (0x35, 0xB7, 0x79),
    (0x1F, 0x9E, 0x89),
    (0x26, 0x82, 0x8E),
    (0x31, 0x68, 0x8E),
    (0x3E, 0x49, 0x89),
    (0x48, 0x28, 0x78),
    (0x44, 0x01, 0x54),
)
"""Viridis from its bright end, at equal steps, sRGB."""
RANGE = (2.0, 98.0)
"""Percentiles of the distances in view that get the first and the last colour."""


def depth_range(depth: Array) -> tuple[float, float]:
    """The distances that get the first and the last colour; those behind the eye (≤ 0) don't count.

    Args:
        depth: (N,) along the view [m].
    """
    ahead = depth[depth > 0]
    if not len(ahead):
        return 0.0, 1.0
    near, far = np.percentile(ahead, RANGE)
    return float(near), float(max(far, near + 1e-6))


def in_view(points_cam: Array, camera: Camera) -> Array:
    """(M,) the depth [m] of those of points (N, 3) in the camera frame [m] that fall into the camera's picture."""
    uv = camera.project(points_cam)
    with np.errstate(invalid="ignore"):  # NaN behind the camera
        seen = ((uv >= -0.5) & (uv <= np.array([camera.width, camera.height]) - 0.5)).all(axis=1)
    inside: Array = points_cam[seen, 2]
    return inside


def depth_colors(depth: Array, near: float, far: float) -> Array:
    """(N, 3) uint8 sRGB of distances (N,) [m]: the first colour at `near` and before, the last at `far` and beyond."""
    place = np.clip((depth - near) / (far - near), 0, 1) * (len(STOPS) - 1)
    columns = [np.interp(place, np.arange(len(STOPS)), band) for band in zip(*STOPS, strict=True)]
    colors: Array = np.rint(np.stack(columns, axis=-1)).astype(np.uint8)
    return colors
