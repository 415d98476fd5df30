"""Normals of the surface that a depth map shows."""

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array

SLOPE_BASELINE = 1 / 160
"""Distance over which slopes are measured, as a share of the image width: longer than a sensor's pixel noise."""


def normals_of(depth: Array, camera: Camera) -> Array:
    """Estimates each pixel's surface normal, in the camera frame, turned towards the camera.

    On a plane n · p = 1 inverse depth is n · ray, linear in pixel coordinates, so that its slopes give the normal. They
    are measured to both sides and the gentler one taken: the last pixels before an edge keep the slope of their own
    surface, while those that fly between two surfaces are steep to both sides.

    Args:
        depth: (H, W) float32 [m] along z, 0 = none.
        camera: of the depth map.

    Returns:
        (H, W, 3) float32 unit vectors; 0 where a pixel has no depth. Where no neighbour has depth, the slope is taken
        as 0: facing the camera.

    Raises:
        InputError: the depth map is not of the camera's size.
    """
    if depth.shape != (camera.height, camera.width):
        raise InputError(f"depth: got shape {depth.shape}, wanted ({camera.height}, {camera.width}) as the camera")
    step = max(1, round(camera.width * SLOPE_BASELINE))
    inverse = np.zeros_like(depth, np.float32)
    np.divide(1, depth, out=inverse, where=depth > 0)
    normals = np.empty((*depth.shape, 3), np.float32)
    normals[..., 0] = -np.float32(camera.fx) * _gentler_slope(inverse, step)
    normals[..., 1] = -np.float32(camera.fy) * _gentler_slope(inverse.T, step).T
    ray_x = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)
    ray_y = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)[:, None]
    normals[..., 2] = -inverse - normals[..., 0] * ray_x - normals[..., 1] * ray_y
    squared = np.einsum("vuc,vuc->vu", normals, normals)
    normals *= np.where(inverse > 0, 1 / np.sqrt(np.maximum(squared, np.float32(1e-30))), 0)[..., None]
    return normals


def _gentler_slope(inverse: Array, step: int) -> Array:
    """(H, W) slope of inverse depth [1/m/px] along rows, the smaller of both sides; 0 where neither side has depth."""
    slope = np.full(inverse.shape, np.inf, np.float32)
    difference = (inverse[:, step:] - inverse[:, :-step]) / np.float32(step)
    difference[(inverse[:, step:] == 0) | (inverse[:, :-step] == 0)] = np.inf
    if difference.size:
        slope[:, :-step] = difference
        before = slope[:, step:]
        np.copyto(before, difference, where=np.abs(difference) < np.abs(before))
    slope[np.isinf(slope)] = 0
    return slope
