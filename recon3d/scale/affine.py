"""A relative model's disparity against known depths: the scale and shift that make it inverse depth."""

from dataclasses import dataclass

import numpy as np

from recon3d.errors import StageError
from recon3d.geometry.arrays import Array
from recon3d.scale.per_view import GATE, HUBER, MAD_TO_SIGMA, weighted_median

CANDIDATES = 300
"""Lines through two samples each that the start is chosen from: with half of the samples astray one of 20 is good."""
JUDGES = 1000
"""Samples that a candidate line is judged by."""


@dataclass(frozen=True)
class Affine:
    """Makes disparity inverse depth: 1 / z = scale · disparity + shift.

    Attributes:
        scale: > 0 [1 / unit of z, per step of disparity].
        shift: [1 / unit of z].
        relative_sigma: spread of z · (scale · disparity + shift) about 1, as one standard deviation.
        inliers: samples that it rests on.
    """

    scale: float
    shift: float
    relative_sigma: float = 0.0
    inliers: int = 0

    def depth(self, disparity: Array) -> Array:
        """(H, W) float32: depth in the unit of z; 0 where there is no disparity, and at or beyond infinity."""
        inverse = np.float32(self.scale) * disparity + np.float32(self.shift)
        good = (disparity > 0) & (inverse > 0)
        depth: Array = np.divide(1, inverse, out=np.zeros(disparity.shape, np.float32), where=good)
        return depth


def fit_affine(disparity: Array, inverse_depth: Array, weight: Array) -> Affine:
    """Fits inverse depth = scale · disparity + shift, whatever a minority of the samples say.

    The line through two samples that leaves the smallest weighted median residual (least median of squares, Rousseeuw
    1984), a MAD gate, then Huber's loss by reweighting. Residuals are in inverse depth, where such models are trained
    (Ranftl et al. 2020): in depth, the far samples would decide.

    Args:
        disparity: (N,) as the model gave it.
        inverse_depth: (N,) of the same pixels, > 0.
        weight: (N,) of each sample, > 0.

    Raises:
        StageError: fewer than two samples, all of one disparity, or disparity that falls where things come nearer.
    """
    disparity, inverse_depth, weight = (np.asarray(a, np.float64) for a in (disparity, inverse_depth, weight))
    count = len(disparity)
    if count < 2 or np.ptp(disparity) <= 1e-6 * np.abs(disparity).max():
        raise StageError(f"fitting disparity: got {count} samples of one disparity, wanted two different ones at least")
    line = _start(disparity, inverse_depth, weight)
    terms = np.stack([disparity, np.ones(count)], axis=1)
    residual = np.abs(inverse_depth - terms @ line)
    floor = 1e-7 * float(np.median(inverse_depth))
    sigma = max(MAD_TO_SIGMA * weighted_median(residual, weight), floor)
    inlier = residual <= GATE * sigma
    terms, target, weight = terms[inlier], inverse_depth[inlier], weight[inlier]
    for _ in range(20):
        residual = np.abs(target - terms @ line)
        pull = weight * np.minimum(1.0, HUBER * sigma / np.maximum(residual, floor))
        before, line = line, np.linalg.lstsq(terms * np.sqrt(pull)[:, None], target * np.sqrt(pull), rcond=None)[0]
        if np.abs(terms @ (line - before)).max() <= floor:
            break
    scale, shift = float(line[0]), float(line[1])
    if not scale > 0:
        raise StageError(
            f"fitting disparity: got scale {scale:.3g}, wanted > 0: it does not grow where things come nearer; "
            "check that the model gives disparity and not depth"
        )
    relative = np.abs(terms @ line / target - 1)
    return Affine(scale, shift, float(MAD_TO_SIGMA * weighted_median(relative, weight)), int(inlier.sum()))


def _start(disparity: Array, inverse_depth: Array, weight: Array) -> Array:
    """(2,) scale and shift of the line through two samples that most samples are near to."""
    rng = np.random.default_rng(0)
    share = weight / weight.sum()
    first, second = rng.choice(len(disparity), (2, CANDIDATES), p=share)
    apart = np.abs(disparity[first] - disparity[second]) > 1e-3 * np.ptp(disparity)
    if not apart.any():  # nearly all samples are of one disparity: the ends decide
        first, second, apart = np.array([disparity.argmin()]), np.array([disparity.argmax()]), np.array([True])
    first, second = first[apart], second[apart]
    scale = (inverse_depth[first] - inverse_depth[second]) / (disparity[first] - disparity[second])
    shift = inverse_depth[first] - scale * disparity[first]
    judge = rng.choice(len(disparity), min(JUDGES, len(disparity)), replace=False, p=share)
    residual = np.abs(inverse_depth[judge] - (scale[:, None] * disparity[judge] + shift[:, None]))
    best = int(np.argmin(np.median(residual, axis=1)))
    return np.array([scale[best], shift[best]])
