"""Errors of a trajectory: how far estimated camera centres are from the reference."""

from collections.abc import Mapping

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array


def umeyama(source: Array, target: Array, *, with_scale: bool) -> tuple[SE3, float]:
    """The similarity that brings points onto their partners with the least sum of squares.

    Umeyama, Least-squares estimation of transformation parameters between two point patterns, PAMI 1991. Points on one
    line leave the turn around it open; one of the best turns is returned.

    Args:
        source: (N, 3).
        target: (N, 3), row by row the partners.
        with_scale: find the scale too; else it is 1.

    Returns:
        target_from_source and the scale: `target ≈ target_from_source @ (scale * source)`.

    Raises:
        InputError: fewer than 3 points, shapes that differ, numbers that are not finite, or all source points in one
            place where a scale is wanted.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3 or len(source) < 3:
        raise InputError(
            f"alignment: got points of shape {source.shape} and {target.shape}, wanted (N, 3) twice, N ≥ 3"
        )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("alignment: got NaN or infinite coordinates, wanted numbers")
    mean_source, mean_target = source.mean(axis=0), target.mean(axis=0)
    centred = source - mean_source
    covariance = (target - mean_target).T @ centred / len(source)
    u, stretch, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    R = (u * sign) @ vt
    scale = 1.0
    if with_scale:
        variance = float((centred**2).sum(axis=1).mean())
        if not variance > 1e-24 * float((source**2).sum(axis=1).mean()):
            raise InputError("alignment: all source points stand in one place, wanted them apart to find a scale")
        scale = float((stretch * sign).sum()) / variance
    return SE3(R, mean_target - scale * R @ mean_source), scale


def centre_rmse_m(estimate: Mapping[str, SE3], reference: Mapping[str, SE3], *, with_scale: bool) -> float:
    """Root mean square distance [m] of camera centres after the best alignment of the estimate to the reference.

    This is the absolute trajectory error of Sturm et al., A benchmark for the evaluation of RGB-D SLAM systems, IROS
    2012. Photos in one of the two only don't count.

    Args:
        estimate: world_from_cam by photo.
        reference: world_from_cam by photo [m].
        with_scale: align by a similarity; else by rotation and translation only.

    Raises:
        InputError: fewer than 3 photos in both.
    """
    names = [name for name in reference if name in estimate]
    if len(names) < 3:
        raise InputError(f"trajectories: got {len(names)} photos in both, wanted at least 3; are the names the same?")
    source = np.stack([estimate[name].t for name in names])
    target = np.stack([reference[name].t for name in names])
    target_from_source, scale = umeyama(source, target, with_scale=with_scale)
    apart: Array = target - target_from_source @ (scale * source)
    return float(np.sqrt((apart**2).sum(axis=1).mean()))
