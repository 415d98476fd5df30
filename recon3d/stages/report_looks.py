"""Views of a scene as the report measures them: photo and depth of each step, thinned."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from recon3d.files import load_array
from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array
from recon3d.metrics.between_views import Look
from recon3d.scale.affine import Affine
from recon3d.scale.field import field_factor
from recon3d.scene import Scene
from recon3d.stages.aligned import is_relative, predicted, view_scales
from recon3d.stages.ties_depth import is_of_ties

LONGER_SIDE = 200
"""Size at which views are compared [px]: a depth off by a hundredth moves points by about a pixel of it."""
CACHED_VIEWS = 200
"""Thinned views held in memory at a time, about half a megabyte each."""


@dataclass(frozen=True)
class Steps:
    """What depth goes through in this scene.

    Attributes:
        kind: "network", "sensor" (recorded, taken at its word), "relative" (disparity) or "ties" (no network).
        matched: whether the last step moved depths to where other photos show the same, or only checked them.
        titles: by the step's name, what the depths are then; in their order, the refined ones last.
        common: factor that all views' predictions share, where each has its own later; [metres per metre predicted].
    """

    kind: str
    matched: bool
    titles: dict[str, str]
    common: float

    @classmethod
    def of(cls, scene: Scene) -> "Steps":
        """The steps of a scene with `scale` done; with `refine` done too that is the last."""
        views = view_scales(scene)
        matched = not _is_sensor(scene) and bool(scene.settings_of("refine").get("photometric", True))
        title = "refined by the photos" if matched else "checked by other photos"
        refined = {"refined": title} if scene.state("refine") == "done" else {}
        measured = [math.log(view["measured"]) for view in views.values() if not view["inherited"] and view["factor"]]
        common = math.exp(float(np.median(measured))) if measured else 1.0
        if is_of_ties(scene):
            return cls("ties", matched, {"aligned": "spread between the known points", **refined}, common)
        if is_relative(scene):
            return cls("relative", matched, {"aligned": "each photo fitted to the known points", **refined}, common)
        if _is_sensor(scene):
            return cls("sensor", matched, {"aligned": "as recorded", **refined}, common)
        titles = {"predicted": "as predicted, one scale for all"}
        if len(views) > 1 and measured:
            titles["scaled"] = "each photo at its own scale"
        if any(view["field"] for view in views.values()):
            titles["aligned"] = "and smoothly corrected"
        return cls("network", matched, titles | refined, common)


def _is_sensor(scene: Scene) -> bool:
    """Whether depth was recorded, and so never rescaled."""
    settings = scene.settings_of("depth")
    trusted = settings["trust"] if settings["maps"] else settings["model"] == "recorded"
    return bool(trusted and not scene.facts("depth").get("handed_in"))


def looks_of(scene: Scene, steps: Steps) -> Callable[[str], Look]:
    """What gives the thinned view of a photo; those asked for last are kept in memory."""
    cameras, views, world_from_cam = scene.cameras(), view_scales(scene), scene.world_from_cam()

    @lru_cache(maxsize=CACHED_VIEWS)
    def look(name: str) -> Look:
        camera = thinned_camera(cameras[name])
        size = camera.width, camera.height
        grey = cv2.cvtColor(scene.image(name), cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        depths = {step: one for step, one in _depths(scene, name, views[name], steps, size).items()}
        return Look(grey, depths, camera, world_from_cam[name])

    return look


def thinned_camera(camera: Camera) -> Camera:
    """The camera of a thinned view."""
    share = min(1.0, LONGER_SIDE / max(camera.width, camera.height))
    return camera.resized(max(1, round(camera.width * share)), max(1, round(camera.height * share)))


def thinned(values: Array, size: tuple[int, int]) -> Array:
    """The pixels of a map (H, W) nearest to those of a smaller one, `size` = width, height; never a mixture of two."""
    height, width = values.shape[:2]
    u = ((np.arange(size[0]) + 0.5) * width / size[0]).astype(np.intp)
    v = ((np.arange(size[1]) + 0.5) * height / size[1]).astype(np.intp)
    found: Array = values[v[:, None], u]
    return found


def _depths(scene: Scene, name: str, view: Mapping[str, Any], steps: Steps, size: tuple[int, int]) -> dict[str, Array]:
    """Depth [m] of a photo after each step, thinned."""
    line = view.get("line")
    raw = thinned(predicted(scene, name, Affine(*line) if line else None), size)
    factor, field = np.float32(view["factor"]), tuple(view["field"])
    made: dict[str, Callable[[], Array]] = {
        "predicted": lambda: raw * np.float32(steps.common),
        "scaled": lambda: raw * factor,
        "aligned": lambda: raw * field_factor(raw, field) * factor,
        "refined": lambda: thinned(load_array(scene.refined_path(name)), size),
    }
    return {step: np.asarray(made[step](), np.float32) for step in steps.titles}
