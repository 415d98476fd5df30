"""The report's figures of views: what each photo and its neighbours say about each other's depth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recon3d.files import load_array
from recon3d.metrics.between_views import Look, compared, photo_errors
from recon3d.progress import Report, each
from recon3d.refine.consistency import neighbours_of, vote
from recon3d.scene import Scene
from recon3d.settings import RefineSettings, Settings
from recon3d.stages.aligned import aligned_depth, view_scales
from recon3d.stages.report_looks import Steps

UNUSED = 2
"""Photos that each photo is painted from; chosen from those that its matching did not use, where there are any."""
THIN = 8
"""Every so manieth pixel tells a photo's median depth."""


@dataclass(frozen=True)
class Measured:
    """What the photos and their neighbours say.

    Attributes:
        steps: by the step's name, figures over all photos measured.
        photos: by the photo's name, figures of its last depth.
        neighbours: of each photo measured.
        painted: photos that were painted from others, and of these those painted only from photos that matching had
            not used.
    """

    steps: dict[str, dict[str, float | None]]
    photos: dict[str, dict[str, Any]]
    neighbours: dict[str, tuple[str, ...]]
    painted: tuple[int, int]


def measure_views(
    scene: Scene, names: Sequence[str], steps: Steps, look_of: Callable[[str], Look], report: Report
) -> Measured:
    """Measures the depths of each step between views.

    Args:
        scene: with `scale` done.
        names: of the photos to measure.
        steps: of the scene.
        look_of: gives a photo's thinned view.
        report: told of progress.
    """
    settings = Settings().replaced("refine", **scene.settings_of("refine")).refine
    last = next(reversed(steps.titles))
    neighbours, unused, fair = _partners(scene, names, settings, last)
    totals = {step: _Total() for step in steps.titles}
    photos: dict[str, dict[str, Any]] = {}
    for name in each(list(names), "report: views", report):
        look = look_of(name)
        others = [look_of(other) for other in neighbours[name]]
        mine = {}
        for step, total in totals.items():
            mine[step] = _look_at(look, step, others, settings)
            total.add(mine[step])
        painted = photo_errors(
            look, list(steps.titles), [look_of(other) for other in unused[name]], **_tolerance(settings)
        )
        for step, total in totals.items():
            total.painted += [errors[step] for errors in painted]
        depth = look.depths[last]
        photos[name] = {
            "depth_share": mine[last].depth / depth.size,
            "confirmed_share": mine[last].confirmed / mine[last].depth if mine[last].depth and others else None,
            "median_depth_m": float(np.median(depth[depth > 0])) if depth.any() else None,
            "gap_median_m": mine[last].gap,
            "repainted_levels": float(np.mean([errors[last] for errors in painted])) if painted else None,
        }
    painted_names = [name for name in names if photos[name]["repainted_levels"] is not None]
    return Measured(
        {step: total.figures() for step, total in totals.items()},
        photos,
        neighbours,
        (len(painted_names), sum(name in fair for name in painted_names)),
    )


@dataclass(frozen=True)
class _Counts:
    """Of one photo at one step, pixels of the thinned view."""

    pixels: int
    depth: int
    asked: int
    confirmed: int
    agree: int
    double: int
    gap: float | None


class _Total:
    """Sums over the photos."""

    def __init__(self) -> None:
        self.counts: list[_Counts] = []
        self.painted: list[float] = []

    def add(self, counts: _Counts) -> None:
        self.counts.append(counts)

    def figures(self) -> dict[str, float | None]:
        pixels, depth, asked, confirmed, agree, double = (
            sum(getattr(one, what) for one in self.counts)
            for what in ("pixels", "depth", "asked", "confirmed", "agree", "double")
        )
        return {
            "depth_share": depth / pixels if pixels else None,
            "confirmed_share": confirmed / asked if asked else None,
            "repainted_levels": float(np.mean(self.painted)) if self.painted else None,
            "double_wall_index": double / (agree + double) if agree + double else None,
        }


def _look_at(look: Look, step: str, others: Sequence[Look], settings: RefineSettings) -> _Counts:
    depth = look.depths[step]
    count = int(np.count_nonzero(depth))
    if not others or not count:
        return _Counts(depth.size, count, 0, 0, 0, 0, None)
    views = [(other.depths[step], other.camera, other.world_from_cam) for other in others]
    votes = vote(depth, look.camera, look.world_from_cam, views, settings)
    confirmed = int(np.count_nonzero((votes.agree >= settings.min_agree) & (depth > 0)))
    found = compared(look, step, others, **_tolerance(settings))
    middle = float(np.nanmedian(found.gap)) if np.isfinite(found.gap).any() else None
    return _Counts(depth.size, count, count, confirmed, found.agree, found.double, middle)


def _tolerance(settings: RefineSettings) -> dict[str, float]:
    return {"agree_relative": settings.agree_relative, "agree_m": settings.agree_m}


def _partners(
    scene: Scene, names: Sequence[str], settings: RefineSettings, last: str
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]], set[str]]:
    """Of each photo those that see the same; those that it is painted from; and the photos where these are unused."""
    medians, views = {}, view_scales(scene)
    for name in scene.names():
        depth = load_array(scene.refined_path(name)) if last == "refined" else aligned_depth(scene, name, views[name])
        few = depth[::THIN, ::THIN]
        medians[name] = float(np.median(few[few > 0])) if few.any() else 0.0
    matches = settings.matches if settings.photometric else 0
    ranked = neighbours_of(scene.world_from_cam(), scene.cameras(), medians, matches + UNUSED)
    wanted = set(names)
    neighbours = {name: others[: settings.neighbours] for name, others in ranked.items() if name in wanted}
    unused = {name: ranked[name][matches:] or ranked[name][-UNUSED:] for name in neighbours}
    return neighbours, unused, {name for name in neighbours if len(ranked[name]) > matches}


def chosen(names: Sequence[str], named: Mapping[str, Any] | set[str], limit: int) -> list[str]:
    """At most `limit` of the photos, in their order: those that are named first, and evenly chosen others."""
    if len(names) <= limit:
        return list(names)
    first = [name for name in names if name in named][:limit]
    others = [name for name in names if name not in set(first)]
    picks = np.linspace(0, len(others) - 1, limit - len(first)).round().astype(int).tolist()
    kept = {*first, *(others[pick] for pick in picks)}
    return [name for name in names if name in kept]
