"""How many metres one unit of the sparse model is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array
from recon3d.scale.per_view import ViewScale, weighted_median

RESAMPLES = 200
"""Bootstrap resamples of the views."""
VIEW_FLOOR = 0.1
"""Relative scale error that a view's depth has however well its ties agree; it keeps one view from deciding."""


@dataclass(frozen=True)
class MetricScale:
    """The metric factor, where it came from and how sure it is.

    Attributes:
        factor: metres per unit of the sparse model, > 0.
        relative_sigma: one standard deviation over the factor; 0 where it was given, 1 where nothing is known.
        source: "given factor", "known distance", "known board", "GPS", "given poses", "depth median" or "none".
    """

    factor: float
    relative_sigma: float
    source: str


def metric_scale(
    views: Mapping[str, ViewScale],
    *,
    given_metric: bool,
    factor: float | None,
    known: MetricScale | None = None,
    seed: int = 0,
) -> MetricScale:
    """The metric factor: a given one, else a measured one, else that of metric poses, else what depth says.

    Depth says exp(-r), r the weighted median of the views' log scales; the ± is the standard deviation of that median
    over resampled views, so it tells how the views agree, not what error they share.

    Args:
        views: scale of each view; those that inherited theirs don't count.
        given_metric: the poses were given in metres.
        factor: metres per unit, where the user knows it.
        known: by what was measured in the scene, where something was.
        seed: of the bootstrap.

    Raises:
        InputError: the factor is not a positive number, or there is a measured one too.
    """
    if factor is not None and known is not None:
        raise InputError(f"got scale.factor and a {known.source}, wanted one of them: both say how large the world is")
    if factor is not None:
        if not (np.isfinite(factor) and factor > 0):
            raise InputError(f"scale.factor: got {factor}, wanted metres per unit, > 0")
        return MetricScale(float(factor), 0.0, "given factor")
    if known is not None:
        return known
    if given_metric:
        return MetricScale(1.0, 0.0, "given poses")
    own = [view for view in views.values() if not view.inherited]
    if not own:
        return MetricScale(1.0, 1.0, "none")
    r = np.array([view.log_scale for view in own])
    weight = np.array([1 / (VIEW_FLOOR**2 + view.relative_sigma**2) for view in own])
    middle = weighted_median(r, weight)
    return MetricScale(float(np.exp(-middle)), _spread(r, weight, seed), "depth median")


def _spread(r: Array, weight: Array, seed: int) -> float:
    """Standard deviation of the weighted median over resampled views; that of a single view is unknown."""
    if len(r) < 2:
        return 1.0
    picks = np.random.default_rng(seed).integers(len(r), size=(RESAMPLES, len(r)))
    return float(np.std([weighted_median(r[pick], weight[pick]) for pick in picks], ddof=1))
