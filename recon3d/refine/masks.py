"""Masks: which depths can't be trusted because of where they lie: at edges, at grazing angles, out of range."""

import math

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array
from recon3d.refine.normals import normals_of
from recon3d.settings import RefineSettings


def edge_mask(depth: Array, camera: Camera, settings: RefineSettings) -> Array:
    """Finds depths to drop: both sides of depth edges, flying pixels, grazing views and depths out of range.

    Args:
        depth: (H, W) float32 [m] along z, 0 = none.
        camera: of the depth map.
        settings: `edge_jump`, `edge_angle_deg`, `min_depth_m` and `max_depth_m` are used.

    Returns:
        (H, W) bool, True = drop. Pixels without depth are False.

    Raises:
        InputError: the depth map is not of the camera's size.
    """
    if depth.shape != (camera.height, camera.width):
        raise InputError(f"depth: got shape {depth.shape}, wanted ({camera.height}, {camera.width}) as the camera")
    right, down = broken_pairs(depth, settings.edge_jump)
    drop = grazing(depth, camera, math.radians(settings.edge_angle_deg))
    drop[:, :-1] |= right
    drop[:, 1:] |= right
    drop[:-1] |= down
    drop[1:] |= down
    drop |= depth < settings.min_depth_m
    if settings.max_depth_m is not None:
        drop |= depth > settings.max_depth_m
    drop &= depth > 0
    return drop


def broken_pairs(depth: Array, edge_jump: float) -> tuple[Array, Array]:
    """Finds neighbouring pixels that lie on different surfaces.

    Inverse depth is linear in pixel coordinates on any plane, so a jump is an edge only where extending
    the surface on *neither* side, over its two last pixels, predicts the other: slanted floors stay whole.

    Args:
        depth: (H, W) float32 [m], 0 = none.
        edge_jump: relative jump that makes an edge.

    Returns:
        (H, W-1) bool: between [v, u] and [v, u+1]; and (H-1, W) bool: between [v, u] and [v+1, u].
        Pairs where either has no depth are False.
    """
    inverse = np.zeros_like(depth, np.float32)
    np.divide(1, depth, out=inverse, where=depth > 0)
    return _broken_rows(inverse, edge_jump), _broken_rows(inverse.T, edge_jump).T


def grazing(depth: Array, camera: Camera, max_angle: float) -> Array:
    """Finds pixels whose surface is seen at a steeper angle than `max_angle` [rad] off its normal.

    Returns:
        (H, W) bool; False where a pixel has no depth or no neighbour to measure by.
    """
    rays = camera.rays()
    towards = -np.einsum("vuc,vuc->vu", normals_of(depth, camera), rays)
    steep: Array = towards < np.float32(math.cos(max_angle)) * np.linalg.norm(rays, axis=2)
    return steep & (depth > 0)


def _broken_rows(inverse: Array, edge_jump: float) -> Array:
    """(H, W-1) bool: `broken_pairs` along rows of inverse depth (H, W), 0 = none."""
    a, b = inverse[:, :-1], inverse[:, 1:]
    farther, nearer = np.minimum(a, b), np.maximum(a, b)
    # z_far / z_near - 1 > jump, in inverse depth
    broken = (farther > 0) & (nearer > (1 + edge_jump) * farther)
    tolerance = edge_jump * farther
    explained = np.zeros_like(broken)
    # From the left: pixels u-1, u predict u+1; from the right: pixels u+2, u+1 predict u.
    left, here, there = inverse[:, :-2], inverse[:, 1:-1], inverse[:, 2:]
    second = np.abs(left - 2 * here + there)
    whole = (left > 0) & (there > 0)
    explained[:, 1:] |= whole & (second < tolerance[:, 1:])
    explained[:, :-1] |= whole & (second < tolerance[:, :-1])
    return broken & ~explained
