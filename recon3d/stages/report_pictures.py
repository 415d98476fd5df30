"""Pictures of each photo beside its depth, for reports."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from recon3d.files import load_array
from recon3d.geometry.arrays import Array
from recon3d.metrics.between_views import compared
from recon3d.progress import Report, each
from recon3d.scale.affine import Affine
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.show.report import thumbnails
from recon3d.show.report.wording import length, percent
from recon3d.stages.aligned import aligned_depth, aligned_sigma, predicted, view_scales
from recon3d.stages.report_figures import Figures
from recon3d.stages.report_looks import Steps

SAMPLED = 40
"""Photos that the ranges of the pictures are taken from."""
THIN = 8
"""And every so manieth pixel of them."""


def maps_of(scene: Scene, steps: Steps, name: str) -> tuple[Array, Array]:
    """(H, W) depth and sigma [m] of a photo, as far as the scene is done."""
    if "refined" in steps.titles:
        return load_array(scene.refined_path(name)), load_array(scene.refined_sigma_path(name))
    view = view_scales(scene)[name]
    depth = aligned_depth(scene, name, view)
    return depth, aligned_sigma(scene, name, depth, view, sensor=steps.kind == "sensor")


def ranges_of(scene: Scene, steps: Steps, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """By the title of a kind of map what its darkest and brightest colour stand for [m], over all photos."""
    depths, sigmas = [np.empty(0)], [np.empty(0)]
    for name in names[:: -(-len(names) // SAMPLED)]:
        depth, sigma = (one[::THIN, ::THIN] for one in maps_of(scene, steps, name))
        depths.append(depth[depth > 0])
        sigmas.append(sigma[depth > 0])
    depth, sigma = np.concatenate(depths), np.concatenate(sigmas)
    if not len(depth):
        return {"Depth": (0.0, 1.0), "Uncertainty": (0.0, 1.0), "Difference to other photos": (0.0, 1.0)}
    refine = Settings().replaced("refine", **scene.settings_of("refine")).refine
    low, high = np.percentile(depth, [2, 98])
    gap = refine.agree_m + refine.agree_relative * float(np.median(depth))  # brightest where they don't agree
    return {
        "Depth": (float(low), float(high)),
        "Uncertainty": (0.0, float(np.percentile(sigma, 95)) or 1.0),
        "Difference to other photos": (0.0, gap),
    }


def shots_of(
    scene: Scene, figures: Figures, ranges: dict[str, tuple[float, float]], side: int, report: Report
) -> Iterator[dict[str, Any]]:
    """Each photo with its maps, one at a time."""
    assert figures.look_of and figures.measured and figures.steps  # photos were measured
    views, last = view_scales(scene), next(reversed(figures.steps.titles))
    refine = Settings().replaced("refine", **scene.settings_of("refine")).refine
    for name in each(list(figures.metrics["photos"]), "report: pictures", report):
        image = scene.image(name)
        depth, sigma = maps_of(scene, figures.steps, name)
        line = views[name].get("line")
        raw = predicted(scene, name, Affine(*line) if line else None)
        others = [figures.look_of(other) for other in figures.measured.neighbours[name]]
        tolerance = {"agree_relative": refine.agree_relative, "agree_m": refine.agree_m}
        gap = compared(figures.look_of(name), last, others, **tolerance).gap
        seen = np.where(np.isnan(gap), np.float32(0), np.maximum(gap, np.float32(1e-9)))
        one = figures.metrics["photos"][name]
        width, height = thumbnails.size_of(image, side)
        pictures = (
            (thumbnails.photo(image, side), "photo", f"The photo {name}"),
            (
                thumbnails.value_map(depth, *ranges["Depth"], side),
                "depth",
                f"Depth, typically {length(one['median_depth_m'])}",
            ),
            (thumbnails.value_map(sigma, *ranges["Uncertainty"], side), "uncertainty", "How uncertain each depth is"),
            (thumbnails.kept_map(raw > 0, depth > 0, side), "kept", f"Depths kept: {percent(one['depth_share'])}"),
            (
                thumbnails.value_map(seen, *ranges["Difference to other photos"], side),
                "difference to others",
                f"Difference to other photos, typically {length(one['gap_median_m'])}",
            ),
        )
        yield {
            "name": name,
            "pictures": [
                {"url": url, "caption": caption, "alt": alt, "width": width, "height": height}
                for url, caption, alt in pictures
            ],
            "line": _line(one, figures.steps.kind),
        }


def _line(one: dict[str, Any], kind: str) -> str:
    """A photo's figures in one line."""
    parts = [f"depth on {percent(one['depth_share'])} of the photo"]
    if one["confirmed_share"] is not None:
        parts.append(f"{percent(one['confirmed_share'])} of it confirmed by other photos")
    if one["gap_median_m"] is not None:
        parts.append(f"typically {length(one['gap_median_m'])} from what they say")
    if one["tie_error_relative"] is not None:
        parts.append(f"error at known points {percent(one['tie_error_relative'])}")
    if kind == "network" and one["scale_factor"]:
        parts.append(f"its depth was multiplied by {one['scale_factor']:.3f}")
    if not one["scale_factor"]:
        parts.append("left out: other photos contradict it")
    return "; ".join(parts)
