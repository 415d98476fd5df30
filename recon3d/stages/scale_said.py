"""What stage `scale` says of its result: a line, facts and signals."""

import math
from collections.abc import Mapping

import numpy as np

from recon3d.poses.sparse import Sparse
from recon3d.scale.metric import MetricScale
from recon3d.scale.per_view import ViewScale
from recon3d.scale.ties import ray_angles
from recon3d.settings import ScaleSettings
from recon3d.signals import Signal
from recon3d.stages.job import Found
from recon3d.stages.ties_depth import MADE_UP

SPREAD_LIMIT = 0.15
"""Spread of the per-view scales (1.4826 MAD of the logarithm) beyond which SCALE_SPREAD is raised."""


def told(
    views: Mapping[str, ViewScale],
    tied: Mapping[str, ViewScale],
    metric: MetricScale,
    sparse: Sparse | None,
    settings: ScaleSettings,
    trusted: bool,
) -> Found:
    """The line, the facts and the signals of the scales."""
    signals = []
    inherited = tuple(name for name in views if name not in tied)
    if inherited and sparse and not trusted:
        instead = "took their depth scale from the others" if tied else "keep the scale of the depth model"
        text = f"{len(inherited)} of {len(views)} views have too few ties to the photos' points and {instead}"
        signals.append(Signal("FEW_TIES", text, inherited))
    logs = np.array([view.log_scale for view in tied.values()])
    spread = float(1.4826 * np.median(np.abs(logs - np.median(logs)))) if len(logs) else 0.0
    if spread > SPREAD_LIMIT and not trusted:
        text = f"the depth scale varies by {100 * spread:.0f} % from view to view"
        signals.append(Signal("SCALE_SPREAD", text))
    if metric.source == MADE_UP:
        signals.append(Signal("UNKNOWN_SCALE", f"nothing says how large the world is: its scale is {MADE_UP}"))
    if metric.source == "none":
        signals.append(Signal("UNKNOWN_SCALE", "the poses have no known unit and no view is tied to its depth"))
    if sparse and len(sparse.points):
        angle_deg = float(np.degrees(np.median(ray_angles(sparse, sparse.obs_photo, sparse.obs_point))))
        if angle_deg < settings.min_angle_deg:
            text = f"the rays to a typical point differ by {angle_deg:.2f} degrees only: distances are unsure"
            signals.append(Signal("LOW_PARALLAX", text))
    elif sparse and len(views) > 1 and not trusted:
        text = (
            "the photos share no point whose distance could be measured: they stand at one place or see nothing alike"
        )
        signals.append(Signal("LOW_PARALLAX", text))
    facts = {
        "factor": metric.factor,
        "relative_sigma": metric.relative_sigma,
        "source": metric.source,
        "tied_views": len(tied),
        "view_spread": round(spread, 4),
        "fields": sum(bool(view.field) for view in views.values()),
    }
    if tied and trusted:
        facts["depth_against_ties"] = math.exp(-float(np.median(logs))) / metric.factor
    line = f"1 unit = {metric.factor:.4g} m ± {100 * metric.relative_sigma:.1f} % ({metric.source})"
    line += f", {len(tied)} of {len(views)} views tied, their scales spread {100 * spread:.1f} %"
    return line, facts, signals


def left_out(outliers: tuple[str, ...], without: tuple[str, ...], settings: ScaleSettings) -> list[Signal]:
    """The signals of views whose depth is not used."""
    signals = []
    if outliers:
        text = f"the depth of {len(outliers)} photos is left out: other photos of the same things contradict it"
        signals.append(Signal("OUTLIER_VIEW", f"{text}: {', '.join(outliers)}", outliers))
    if without:
        text = f"{len(without)} photos are left without depth: fewer than {settings.min_ties} ties fit their disparity"
        signals.append(Signal("FEW_TIES", f"{text}: {', '.join(without)}", without))
    return signals
