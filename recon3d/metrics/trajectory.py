"""Errors of a trajectory: how far estimated cameras are from the reference, in place and from one to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array

ALIGNMENTS = ("se3", "sim3", "none")
"""How an estimate is brought to the reference: rigidly, by a similarity, or not at all."""


@dataclass(frozen=True)
class Spread:
    """What there is to say of many distances or angles at once, in their unit."""

    rmse: float
    mean: float
    median: float
    max: float


@dataclass(frozen=True, eq=False)
class TrajectoryErrors:
    """Errors of an estimate against a reference, after the alignment asked for.

    Sturm et al., A benchmark for the evaluation of RGB-D SLAM systems, IROS 2012; evo (Grupp) says the same.

    Attributes:
        ate_m: absolute trajectory error: distances of the camera centres [m].
        rpe_m: relative pose error, translation: of how far the camera moves in `step` frames [m].
        rpe_deg: relative pose error, rotation: the angle of the same [degrees].
        step: frames from one end of a movement to the other.
        poses: poses compared.
        pairs: movements compared: all there are, overlapping ones too.
        reference_from_estimate: the rotation and translation of the alignment.
        scale: what the estimate was multiplied by before it; 1 unless aligned by sim3.
    """

    ate_m: Spread
    rpe_m: Spread
    rpe_deg: Spread
    step: int
    poses: int
    pairs: int
    reference_from_estimate: SE3
    scale: float


def trajectory_errors(
    estimate: Sequence[SE3], reference: Sequence[SE3], *, align: str = "se3", step: int = 1
) -> TrajectoryErrors:
    """Compares two trajectories pose by pose.

    ATE: |centre of the aligned estimate - centre of the reference|. RPE: with the reference's movement
    Q = Q_i⁻¹ Q_(i+step) and the estimate's P, E = Q⁻¹ P; the length of its translation and the angle of its rotation,
    for all i. Both are of the aligned, scaled estimate; a rigid alignment leaves the RPE as it is.

    Args:
        estimate: world_from_cam, in the order in which the photos were taken.
        reference: world_from_cam [m], entry by entry the partners.
        align: one of `ALIGNMENTS`.
        step: frames between the two ends of a movement.

    Raises:
        InputError: as many poses are not on both sides, fewer than 3 of them, no more than `step`, or no such
            alignment; or all centres in one place where a scale is wanted.
    """
    if align not in ALIGNMENTS:
        raise InputError(f"alignment: got {align!r}, wanted one of {', '.join(ALIGNMENTS)}")
    if len(estimate) != len(reference) or len(estimate) < 3:
        raise InputError(f"trajectories: got {len(estimate)} and {len(reference)} poses, wanted the same, at least 3")
    if not 1 <= step < len(reference):
        raise InputError(f"step: got {step} for {len(reference)} poses, wanted 1 to {len(reference) - 1}")
    reference_from_estimate, scale = SE3.identity(), 1.0
    source, target = _centres(estimate), _centres(reference)
    if align != "none":
        reference_from_estimate, scale = umeyama(source, target, with_scale=align == "sim3")
    aligned = [reference_from_estimate @ pose.scaled(scale) for pose in estimate]
    errors = [
        (q_from.inverse() @ q_to).inverse() @ (p_from.inverse() @ p_to)
        for q_from, q_to, p_from, p_to in zip(reference, reference[step:], aligned, aligned[step:], strict=False)
    ]
    return TrajectoryErrors(
        ate_m=_spread(np.linalg.norm(_centres(aligned) - target, axis=1)),
        rpe_m=_spread(np.linalg.norm(_centres(errors), axis=1)),
        rpe_deg=_spread(np.degrees(_angles(np.stack([error.R for error in errors])))),
        step=step,
        poses=len(reference),
        pairs=len(errors),
        reference_from_estimate=reference_from_estimate,
        scale=scale,
    )


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
    source, target = _centres([estimate[name] for name in names]), _centres([reference[name] for name in names])
    target_from_source, scale = umeyama(source, target, with_scale=with_scale)
    return _spread(np.linalg.norm(target - target_from_source @ (scale * source), axis=1)).rmse


def _centres(poses: Sequence[SE3]) -> Array:
    """(N, 3) the translations."""
    return np.stack([pose.t for pose in poses])


def _angles(R: Array) -> Array:
    """(N,) angle [rad] of rotations (N, 3, 3): exact for small ones too, where the arc cosine of the trace is not."""
    axis = R[:, [2, 0, 1], [1, 2, 0]] - R[:, [1, 2, 0], [2, 0, 1]]  # 2 sin(angle) times the axis
    angles: Array = np.arctan2(np.linalg.norm(axis, axis=1), np.trace(R, axis1=1, axis2=2) - 1)
    return angles


def _spread(values: Array) -> Spread:
    return Spread(
        float(np.sqrt((values**2).mean())), float(values.mean()), float(np.median(values)), float(values.max())
    )
