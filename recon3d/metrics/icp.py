"""Iterative closest points: takes away what is left between two surfaces that lie nearly in place."""

import numpy as np
from scipy.spatial import cKDTree

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array
from recon3d.metrics.trajectory import umeyama

ROUNDS = 50
"""More rounds than a start within reach needs."""
SETTLED_M = 1e-6
"""A round that moves no point farther than this is the last [m]."""
MIN_SHARE = 0.1
"""Fewer pairs than this share of the points say nothing about the whole."""


def closest_points(points: Array, truth: Array, *, reach_m: float, with_scale: bool = False) -> tuple[SE3, float]:
    """The transform that brings points onto a surface beside them.

    Point to point (Besl and McKay, A method for registration of 3-D shapes, PAMI 1992); pairs farther apart than
    `reach_m` don't count, so that what only one surface has pulls at nothing.

    Args:
        points: (N, 3) [m].
        truth: (M, 3) of the other surface [m].
        reach_m: farthest partner of a point [m].
        with_scale: find the scale too; else it is 1.

    Returns:
        truth_from_points and the scale: `truth ≈ truth_from_points @ (scale * points)`.

    Raises:
        InputError: a reach that can't be, or too few points have a partner within reach.
    """
    if not 0 < reach_m < np.inf:
        raise InputError(f"closest points: got a reach of {reach_m:g} m, wanted metres > 0")
    tree = cKDTree(truth)
    pose, scale = SE3.identity(), 1.0
    moved = np.asarray(points, np.float64)
    for _ in range(ROUNDS):
        distance, index = tree.query(moved, distance_upper_bound=reach_m)
        paired = np.isfinite(distance)
        if np.count_nonzero(paired) < max(3, MIN_SHARE * len(points)):
            raise InputError(
                f"closest points: {np.count_nonzero(paired)} of {len(points)} points have a partner within "
                f"{reach_m:g} m, wanted a tenth at least; bring the surfaces nearer first, or raise the reach"
            )
        pose, scale = umeyama(points[paired], truth[index[paired]], with_scale=with_scale)
        before, moved = moved, pose @ (scale * points)
        if np.abs(moved - before).max() < SETTLED_M:
            break
    return pose, scale
