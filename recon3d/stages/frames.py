"""The frames of a refined scene, one at a time."""

from collections.abc import Iterator

import numpy as np

from recon3d.geometry import Frame
from recon3d.progress import Report, each, silent
from recon3d.scene import Scene, load_array, read_json


def frames(scene: Scene, title: str = "", report: Report = silent) -> Iterator[Frame]:
    """Photos with the depth that is fused, in the metric world; read one by one."""
    cameras, world_from_cam = scene.cameras(), scene.world_from_cam()
    for name in each(list(cameras), title, report):
        depth = load_array(scene.refined_path(name))
        yield Frame(name, scene.image(name), depth, None, cameras[name], world_from_cam[name])


def residual_m(scene: Scene, *, trusted_depth: bool) -> float:
    """Median distance of the aligned depths from the ties [m]; 0 where depth is a sensor's or there are no ties."""
    if trusted_depth:
        return 0.0
    residuals = []
    for name, view in read_json(scene.file("scales.json"))["views"].items():
        depth = load_array(scene.refined_path(name))
        if not view["inherited"] and depth.any():
            residuals.append(view["relative_sigma"] * float(np.median(depth[depth > 0])))
    return float(np.median(residuals)) if residuals else 0.0
