"""One depth map against the sparse model: by what to multiply it to be in the model's unit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.scale.ties import Ties
from recon3d.settings import ScaleSettings

EDGE_JUMP = 0.04
"""Relative spread of depth in a 3x3 window above which a tie may belong to either side of an edge."""
PATCHES = 8
"""The photo is cut into this many patches along each side. A network errs alike all over a patch, so that the ties of
one patch together are worth one."""
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
GATE = 3.0
"""Ties farther than this many standard deviations from the median are outliers."""
HUBER = 1.345
"""Residuals above this many standard deviations pull linearly (95 % efficiency; Huber 1981)."""
LENDERS = 4
"""Neighbours that a view without ties takes its scale from."""


@dataclass(frozen=True)
class ViewScale:
    """Scale of one view's depth against the sparse model.

    Attributes:
        log_scale: r = log z_tie - log depth; depth times exp(r) is in the model's unit.
        relative_sigma: spread of r over the ties, as one standard deviation; 0 where inherited from none.
        ties: inliers that it rests on.
        inherited: the view had too few ties; its scale is, or is to be, that of its neighbours.
        field: coefficients of the smooth correction on top, empty where one scale does as well.
    """

    log_scale: float
    relative_sigma: float
    ties: int
    inherited: bool
    field: tuple[float, ...] = ()


def fit_view(ties: Ties, depth: Array, settings: ScaleSettings) -> ViewScale:
    """Fits one scale: weighted median, MAD gate, then Huber's mean by reweighting.

    Args:
        ties: of this view.
        depth: (H, W) float32 [m] of the undistorted photo, 0 = none.
        settings: of the scale stage.

    Returns:
        The scale; with fewer than `settings.min_ties` inliers it is marked inherited, for `inherit` to fill.
    """
    r, weight, _ = log_ratios(ties, depth)
    if len(r) < max(1, settings.min_ties):
        return ViewScale(0.0, 0.0, len(r), inherited=True)
    middle = weighted_median(r, weight)
    sigma = max(MAD_TO_SIGMA * weighted_median(np.abs(r - middle), weight), 1e-6)
    inlier = np.abs(r - middle) <= GATE * sigma
    count = int(inlier.sum())
    if count < settings.min_ties:
        return ViewScale(0.0, 0.0, count, inherited=True)
    r, weight = r[inlier], weight[inlier]
    for _ in range(20):
        pull = weight * np.minimum(1.0, HUBER * sigma / np.maximum(np.abs(r - middle), 1e-12))
        before, middle = middle, float((pull * r).sum() / pull.sum())
        if abs(middle - before) < 1e-9:
            break
    return ViewScale(middle, float(sigma), count, inherited=False)


def log_ratios(ties: Ties, depth: Array) -> tuple[Array, Array, Array]:
    """Compares the ties on depth, and not on one of its edges, with the depth there.

    Returns:
        (N,) log z_tie - log depth; (N,) weights, at most 1 in all for the ties of one patch of the photo; (N, 2)
        pixels.
    """
    height, width = depth.shape
    u, v = np.rint(ties.uv).astype(int).T
    u, v = np.clip(u, 0, width - 1), np.clip(v, 0, height - 1)
    window = np.stack(
        [depth[np.clip(v + dv, 0, height - 1), np.clip(u + du, 0, width - 1)] for dv in (-1, 0, 1) for du in (-1, 0, 1)]
    ).astype(np.float64)
    low, high = window.min(axis=0), window.max(axis=0)
    usable = (low > 0) & (high - low <= EDGE_JUMP * window[4])
    u, v, weight = u[usable], v[usable], ties.weight[usable]
    patch = u * PATCHES // width + PATCHES * (v * PATCHES // height)
    weight = weight / np.maximum(np.bincount(patch, weight, minlength=PATCHES**2)[patch], 1)
    return np.log(ties.z[usable]) - np.log(window[4][usable]), weight, np.stack([u, v], axis=1)


def weighted_median(values: Array, weights: Array) -> float:
    """The value at which half of the weight is reached; between two values where it is reached exactly."""
    order = np.argsort(values, kind="stable")
    values, reached = values[order], np.cumsum(weights[order])
    half = reached[-1] / 2
    low = min(int(np.searchsorted(reached, half * (1 - 1e-12))), len(values) - 1)
    high = min(int(np.searchsorted(reached, half * (1 + 1e-12), side="right")), len(values) - 1)
    return float((values[low] + values[high]) / 2)


def inherit(views: dict[str, ViewScale], order: Sequence[str]) -> dict[str, ViewScale]:
    """Gives the views without a scale the median of their nearest neighbours' in capture order.

    Args:
        views: scale of each view.
        order: all names in capture order; names without a view are skipped.

    Returns:
        `views` in that order; where no view has a scale of its own, all keep log_scale 0.
    """
    names = [name for name in order if name in views]
    own = np.array([i for i, name in enumerate(names) if not views[name].inherited], int)
    filled = {}
    for i, name in enumerate(names):
        view = views[name]
        if view.inherited and len(own):
            lenders = [views[names[j]] for j in own[np.argsort(np.abs(own - i), kind="stable")[:LENDERS]]]
            view = replace(
                view,
                log_scale=float(np.median([lender.log_scale for lender in lenders])),
                relative_sigma=float(np.median([lender.relative_sigma for lender in lenders])),
            )
        filled[name] = view
    return filled
