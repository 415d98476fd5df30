"""Depth errors: how far a depth map is from the truth."""

from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array


@dataclass(frozen=True)
class DepthErrors:
    """Errors over the pixels where both maps have depth.

    Attributes:
        abs_rel: mean of |d - d*| / d*.
        rmse_m: root of the mean of (d - d*)² [m].
        delta1: share of pixels with max(d / d*, d* / d) < 1.25.
        median_rel: median of |d - d*| / d*.
        factor: what the prediction was multiplied by before it was compared; 1 unless median scaled.
        coverage: share of the pixels with truth where there is a prediction.
        pixel_count: pixels compared.
    """

    abs_rel: float
    rmse_m: float
    delta1: float
    median_rel: float
    factor: float
    coverage: float
    pixel_count: int


def depth_errors(predicted: Array, truth: Array, *, median_scaled: bool = False) -> DepthErrors:
    """Compares depth maps pixel by pixel.

    Args:
        predicted: (H, W) [m], 0 = none.
        truth: (H, W) [m], 0 = none.
        median_scaled: first multiply the prediction by the median of truth / prediction.

    Raises:
        InputError: the sizes differ, or no pixel has both.
    """
    if predicted.shape != truth.shape:
        raise InputError(f"depth to be judged: got shape {predicted.shape}, wanted {truth.shape} as the truth")
    known = np.isfinite(truth) & (truth > 0)
    both = known & np.isfinite(predicted) & (predicted > 0)
    if not both.any():
        raise InputError("depth to be judged: got no pixel with both depth and truth, wanted at least one")
    d, true = predicted[both].astype(np.float64), truth[both].astype(np.float64)
    factor = float(np.median(true / d)) if median_scaled else 1.0
    d = d * factor
    relative = np.abs(d - true) / true
    return DepthErrors(
        abs_rel=float(relative.mean()),
        rmse_m=float(np.sqrt(np.mean((d - true) ** 2))),
        delta1=float((np.maximum(d / true, true / d) < 1.25).mean()),
        median_rel=float(np.median(relative)),
        factor=factor,
        coverage=float(both.sum() / known.sum()),
        pixel_count=int(both.sum()),
    )
