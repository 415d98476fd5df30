"""Depth errors: how far a depth map is from the truth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array

MIN_M = 1e-3
"""Depth below this is no depth: the lower cap of the published protocols [m]."""

CROPS: dict[str, tuple[float, float, float, float]] = {
    "none": (0.0, 1.0, 0.0, 1.0),
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "nyu": (45 / 480, 471 / 480, 41 / 640, 601 / 640),
}
"""Top, bottom, left, right of the pixels that count, as shares of the map's height and width.

eigen, garg: KITTI, Eigen et al., NIPS 2014, and Garg et al., ECCV 2016, in the numbers that Godard et al., CVPR 2017,
published as code. nyu: NYU Depth v2, Eigen et al., rows 45 to 470 and columns 41 to 600 of 480 x 640.
"""

SCALINGS = ("none", "median", "affine", "affine-disparity")
"""What a prediction may be fitted to the truth by, photo by photo, before it is compared; see `fitted_to`."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Depth and truth where there are both.

    Attributes:
        depth: (N,) float64 [m], > 0.
        truth: (N,) float64 [m], > 0.
        truth_count: pixels with truth, with or without a prediction.
    """

    depth: Array
    truth: Array
    truth_count: int


@dataclass(frozen=True)
class DepthErrors:
    """Errors of d against the truth d* over the pixels that have both.

    Formulas as in Eigen, Puhrsch and Fergus, NIPS 2014, section 4, and, log10, Saxena et al., PAMI 2009, unless said.

    Attributes:
        abs_rel: mean of |d - d*| / d*.
        sq_rel_m: mean of (d - d*)² / d* [m].
        rmse_m: root of the mean of (d - d*)² [m].
        rmse_log: root of the mean of g², g = ln d - ln d*.
        log10: mean of |log10 d - log10 d*|.
        silog: 100 · root of (mean of g² - (mean of g)²), as the KITTI benchmark prints it (Uhrig et al., 3DV 2017).
        delta1: share of pixels with max(d / d*, d* / d) < 1.25.
        delta2: the same below 1.25².
        delta3: the same below 1.25³.
        median_rel: median of |d - d*| / d*.
        log_bias: mean of g: the logarithm of how much too large the depth is.
        coverage: share of the pixels with truth where there is a prediction.
        scale: what the prediction was multiplied by before it was compared; 1 unless it was fitted.
        shift: what was added after that [m; 1/m for affine-disparity]; 0 unless it was fitted.
        pixel_count: pixels compared.
        truth_count: pixels with truth.
    """

    abs_rel: float
    sq_rel_m: float
    rmse_m: float
    rmse_log: float
    log10: float
    silog: float
    delta1: float
    delta2: float
    delta3: float
    median_rel: float
    log_bias: float
    coverage: float
    scale: float
    shift: float
    pixel_count: int
    truth_count: int


AVERAGED = ("abs_rel", "sq_rel_m", "log10", "delta1", "delta2", "delta3")
"""Errors that are a mean over pixels."""

MEASURES = (*AVERAGED[:2], "rmse_m", "rmse_log", "log10", "silog", *AVERAGED[3:])
"""Errors in the order in which tables print them."""


def depth_errors(
    predicted: Array,
    truth: Array,
    *,
    min_m: float = MIN_M,
    max_m: float = math.inf,
    crop: str = "none",
    scaling: str = "none",
) -> DepthErrors:
    """Compares depth maps pixel by pixel; see `pixels_of` and `errors_of`.

    Raises:
        InputError: as those two.
    """
    pixels = pixels_of(predicted, truth, min_m=min_m, max_m=max_m, crop=crop)
    return errors_of(pixels, min_m=min_m, max_m=max_m, scaling=scaling)


def pixels_of(
    predicted: Array, truth: Array, *, min_m: float = MIN_M, max_m: float = math.inf, crop: str = "none"
) -> Pixels:
    """The pixels that count: truth inside the crop and strictly between the caps, and a prediction there.

    Args:
        predicted: (H, W) [m], 0, NaN or infinite = none.
        truth: (H, W) [m], 0, NaN or infinite = none.
        min_m: lower cap [m].
        max_m: upper cap [m].
        crop: a key of `CROPS`.

    Raises:
        InputError: the sizes differ, or caps or crop can't be.
    """
    if predicted.shape != truth.shape or truth.ndim != 2:
        raise InputError(f"depth to be judged: got shape {predicted.shape}, wanted {truth.shape} as the truth")
    if not 0 < min_m < max_m:
        raise InputError(f"depth caps: got {min_m:g} to {max_m:g} m, wanted 0 < lower < upper")
    known = np.isfinite(truth) & (truth > min_m) & (truth < max_m) & _inside(crop, truth.shape)
    both = known & np.isfinite(predicted) & (predicted > 0)
    return Pixels(predicted[both].astype(np.float64), truth[both].astype(np.float64), int(known.sum()))


def errors_of(pixels: Pixels, *, min_m: float = MIN_M, max_m: float = math.inf, scaling: str = "none") -> DepthErrors:
    """Errors over the pixels of one photo.

    As the published protocols do, the prediction is fitted first and then clamped to the caps.

    Args:
        pixels: those that count.
        min_m: lower cap [m].
        max_m: upper cap [m].
        scaling: one of `SCALINGS`.

    Raises:
        InputError: no pixel has both, or the fit can't be.
    """
    if not len(pixels.truth):
        raise InputError(
            f"depth to be judged: got {pixels.truth_count} pixels with truth inside the caps and the crop and none of "
            "them with a depth, wanted at least one with both"
        )
    d, scale, shift = fitted_to(pixels.depth, pixels.truth, scaling, max_m=max_m)
    d, true = np.clip(d, min_m, max_m), pixels.truth
    log_ratio, apart = np.log(d) - np.log(true), np.abs(d - true)
    ratio, relative = np.maximum(d / true, true / d), apart / true
    log_bias, log_square = float(log_ratio.mean()), float((log_ratio**2).mean())
    delta1, delta2, delta3 = (float((ratio < 1.25**power).mean()) for power in (1, 2, 3))
    return DepthErrors(
        abs_rel=float(relative.mean()),
        sq_rel_m=float((apart * relative).mean()),
        rmse_m=float(np.sqrt((apart**2).mean())),
        rmse_log=math.sqrt(log_square),
        log10=float(np.abs(log_ratio).mean() / math.log(10)),
        silog=_silog(log_square, log_bias),
        delta1=delta1,
        delta2=delta2,
        delta3=delta3,
        median_rel=float(np.median(relative)),
        log_bias=log_bias,
        coverage=len(d) / pixels.truth_count,
        scale=scale,
        shift=shift,
        pixel_count=len(d),
        truth_count=pixels.truth_count,
    )


def fitted_to(depth: Array, truth: Array, scaling: str, *, max_m: float = math.inf) -> tuple[Array, float, float]:
    """Depth fitted to the truth of one photo.

    - none: as it is.
    - median: times median(d*) / median(d) (Zhou et al., CVPR 2017).
    - affine: a·d + b with the least squares of metres (Ke et al., Marigold, CVPR 2024).
    - affine-disparity: 1 / (a/d + b) with the least squares of 1/metres (Ranftl et al., MiDaS, PAMI 2022); what comes
      out beyond `max_m`, or behind the camera, is `max_m`.

    Args:
        depth: (N,) [m], > 0, N ≥ 1.
        truth: (N,) [m], > 0.
        scaling: one of `SCALINGS`.
        max_m: upper cap [m].

    Returns:
        (N,) fitted depth [m], scale a and shift b. An affine one may hold depths ≤ 0: clamp them.

    Raises:
        InputError: no such scaling, or a disparity that is no depth where there is no upper cap.
    """
    if scaling not in SCALINGS:
        raise InputError(f"depth scaling: got {scaling!r}, wanted one of {', '.join(SCALINGS)}")
    if scaling == "none":
        return depth, 1.0, 0.0
    if scaling == "median":
        factor = float(np.median(truth) / np.median(depth))
        return depth * factor, factor, 0.0
    if scaling == "affine":
        scale, shift = _line(depth, truth)
        return scale * depth + shift, scale, shift
    scale, shift = _line(1 / depth, 1 / truth)
    disparity = scale / depth + shift
    if math.isinf(max_m) and not (disparity > 0).all():
        raise InputError(
            f"depth scaling affine-disparity: {np.count_nonzero(disparity <= 0)} of {len(depth)} pixels come out "
            "beyond infinity; set the upper cap (--max-m) that they are to be taken for"
        )
    return 1 / np.maximum(disparity, 1 / max_m), scale, shift


def mean_over_photos(errors: Sequence[DepthErrors], empty: Sequence[int] = ()) -> dict[str, float]:
    """Each measure averaged over photos, all of equal weight: how KITTI and NYU tables are made.

    Args:
        errors: of the photos compared, at least one.
        empty: of each photo with truth but no depth there, the pixels with truth; it counts as a coverage of 0.
    """
    means = {name: float(np.mean([getattr(one, name) for one in errors])) for name in (*MEASURES, "median_rel")}
    return means | {"coverage": sum(one.coverage for one in errors) / (len(errors) + len(empty))}


def pooled(errors: Sequence[DepthErrors], empty: Sequence[int] = ()) -> dict[str, float]:
    """Each measure over all pixels of all photos together, all pixels of equal weight; without the median.

    Args:
        errors: of the photos compared, at least one.
        empty: of each photo with truth but no depth there, the pixels with truth.
    """
    weight = np.array([one.pixel_count for one in errors], np.float64)

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=weight))

    total = {name: mean([getattr(one, name) for one in errors]) for name in AVERAGED}
    log_square = mean([one.rmse_log**2 for one in errors])
    total["rmse_m"] = math.sqrt(mean([one.rmse_m**2 for one in errors]))
    total["rmse_log"] = math.sqrt(log_square)
    total["silog"] = _silog(log_square, mean([one.log_bias for one in errors]))
    total["coverage"] = float(weight.sum()) / (sum(one.truth_count for one in errors) + sum(empty))
    return {name: total[name] for name in (*MEASURES, "coverage")}


def _inside(crop: str, shape: tuple[int, ...]) -> Array:
    """(H, W) bool: the pixels of a crop; its edges are rounded down, as the published code does."""
    if crop not in CROPS:
        raise InputError(f"crop: got {crop!r}, wanted one of {', '.join(CROPS)}")
    top, bottom, left, right = CROPS[crop]
    height, width = shape
    # a hair more, so that 45 / 480 of 480 rows is row 45 and not 44
    rows, columns = (slice(int(low * n + 1e-6), int(high * n + 1e-6)) for low, high, n in
                     ((top, bottom, height), (left, right, width)))  # fmt: skip
    inside = np.zeros((height, width), bool)
    inside[rows, columns] = True
    return inside


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Slope and offset of the line through (x, y) with the least sum of squares; flat where all x are equal."""
    spread = x - x.mean()
    variance = float((spread**2).mean())
    slope = float((spread * y).mean()) / variance if variance > 1e-18 * float((x**2).mean()) else 0.0
    return slope, float(y.mean()) - slope * float(x.mean())


def _silog(log_square: float, log_bias: float) -> float:
    return 100 * math.sqrt(max(log_square - log_bias**2, 0.0))  # rounding may take it below 0
