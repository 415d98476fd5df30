"""Held-out ties: how well the scales of the views foretell ties that they were not fitted to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.scale.field import LIMIT
from recon3d.scale.joint import Evidence, Pairs, fit_jointly, folds_of
from recon3d.scale.per_view import MAD_TO_SIGMA, ViewScale, weighted_median

FEW = 8
"""Ties that a view must have to say where it lies beside the others."""


@dataclass(frozen=True)
class TieErrors:
    """How far depths are from the ties.

    Attributes:
        typical: weighted median of |log z_tie - log depth|: the typical relative error.
        view_spread: 1.4826 MAD over the views of each view's weighted median log ratio; 0 where fewer than two views
            have `FEW` ties.
        ties: compared.
    """

    typical: float
    view_spread: float
    ties: int


def tie_errors(ratios: Mapping[str, tuple[Array, Array]]) -> TieErrors | None:
    """Errors of log ratios (N,) with weights (N,), by view; None where there are none.

    Args:
        ratios: log z_tie - log depth and its weight.
    """
    values, weights = (np.concatenate([pair[i] for pair in ratios.values()] or [np.empty(0)]) for i in (0, 1))
    if not len(values):
        return None
    middles = np.array([weighted_median(*pair) for pair in ratios.values() if len(pair[0]) >= FEW])
    spread = MAD_TO_SIGMA * float(np.median(np.abs(middles - np.median(middles)))) if len(middles) > 1 else 0.0
    return TieErrors(weighted_median(np.abs(values), weights), spread, len(values))


@dataclass(frozen=True)
class HeldOut:
    """Errors at ties that were held out, by what was fitted to the others.

    Attributes:
        one_scale: one scale for all views, their weighted median.
        per_view: each view's own, its weighted median.
        jointly: as stage `scale` fits them, with a field where that foretells better.
    """

    one_scale: TieErrors
    per_view: TieErrors
    jointly: TieErrors


def held_out(views: Mapping[str, Evidence], pairs: Pairs, *, field: bool) -> HeldOut | None:
    """Fits the scales to three quarters of the places where ties are, and asks the rest.

    Args:
        views: by name; their ties in one unit.
        pairs: names of views that may see the same surfaces, as stage `scale` pairs them.
        field: whether fields may be fitted.

    Returns:
        The errors; None where nothing is left to fit, or to ask.
    """
    if not any(len(view.ratio) for view in views.values()):
        return None
    asked = {name: fold == 0 for name, fold in folds_of(views).items()}
    known = {name: _part(view, ~asked[name]) for name, view in views.items()}
    ratio, weight = (np.concatenate([getattr(view, what) for view in known.values()]) for what in ("ratio", "weight"))
    if not len(ratio):
        return None
    common = weighted_median(ratio, weight)
    own = {
        name: weighted_median(view.ratio, view.weight) if len(view.ratio) else common for name, view in known.items()
    }
    started = {
        name: replace(view, scale=replace(view.scale, log_scale=own[name], field=())) for name, view in known.items()
    }
    scales = fit_jointly(started, pairs, field=field)
    rest = {name: _part(view, asked[name]) for name, view in views.items()}
    one_scale = tie_errors({name: (view.ratio - common, view.weight) for name, view in rest.items()})
    per_view = tie_errors({name: (view.ratio - own[name], view.weight) for name, view in rest.items()})
    jointly = tie_errors({name: (_left(view, scales[name]), view.weight) for name, view in rest.items()})
    return HeldOut(one_scale, per_view, jointly) if one_scale and per_view and jointly else None


def _part(view: Evidence, chosen: Array) -> Evidence:
    """The evidence of some of a view's ties."""
    return replace(
        view,
        ratio=view.ratio[chosen],
        weight=view.weight[chosen],
        terms=view.terms[chosen],
        points=view.points[chosen],
    )


def _left(view: Evidence, scale: ViewScale) -> Array:
    """(N,) what a scale leaves of the log ratios."""
    field: Array = np.clip(view.terms[:, : len(scale.field)] @ np.array(scale.field), -LIMIT, LIMIT)
    left: Array = view.ratio - scale.log_scale - field
    return left
