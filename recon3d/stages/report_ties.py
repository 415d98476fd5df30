"""The report's errors at ties: how far depths are from the points that photos share, before and after each step."""

from dataclasses import dataclass

import numpy as np

from recon3d.files import load_array, read_json
from recon3d.formats.scene_poses import poses_from_json
from recon3d.geometry.arrays import Array
from recon3d.poses.sparse import read_sparse
from recon3d.progress import Report, each
from recon3d.refine.consistency import neighbours_of
from recon3d.scale.held_out import TieErrors, held_out, tie_errors
from recon3d.scale.joint import Evidence, evidence
from recon3d.scale.per_view import ViewScale, log_ratios, weighted_median
from recon3d.scale.sketch import sketch
from recon3d.scale.ties import Ties, ties_of
from recon3d.scene import Scene
from recon3d.settings import ScaleSettings, Settings
from recon3d.stages.aligned import aligned_depth, predicted, view_scales
from recon3d.stages.report_looks import Steps
from recon3d.stages.scale import PARTNERS


@dataclass(frozen=True)
class TiesFound:
    """Errors at the ties of a scene.

    Attributes:
        steps: by the step's name; empty where no points tell anything.
        held_out: names of the steps that were not fitted to the ties that judge them.
        photos: typical relative error of each photo's last depth.
    """

    steps: dict[str, TieErrors]
    held_out: tuple[str, ...]
    photos: dict[str, float]


def errors_at_ties(scene: Scene, steps: Steps, report: Report) -> TiesFound:
    """Measures the depths of each step at the ties, as far as these are independent of them."""
    if steps.kind == "ties" or not (scene.file("sparse") / "points3D.bin").exists():
        return TiesFound({}, (), {})
    cameras, views = scene.cameras(), view_scales(scene)
    settings = Settings().replaced("scale", **scene.settings_of("scale")).scale
    metric = float(read_json(scene.file("scales.json"))["metric"]["factor"])
    poses = poses_from_json(read_json(scene.file("sparse") / "poses.json"))
    ties = ties_of(read_sparse(scene.file("sparse")), cameras, settings)
    known: dict[str, Evidence] = {}
    by_step: dict[str, dict[str, tuple[Array, Array]]] = {"aligned": {}, "refined": {}}
    for name in each([name for name in cameras if name in ties and name in poses], "report: ties", report):
        in_metres = Ties(ties[name].uv, ties[name].z * metric, ties[name].weight)
        if steps.kind == "network":
            depth, scale = predicted(scene, name, None), ViewScale(0.0, 0.0, 0, views[name]["inherited"])
            known[name] = evidence(ties[name], depth, sketch(depth, cameras[name]), poses[name], scale)
        else:
            by_step["aligned"][name] = log_ratios(in_metres, aligned_depth(scene, name, views[name]))[:2]
        if "refined" in steps.titles:
            by_step["refined"][name] = log_ratios(in_metres, load_array(scene.refined_path(name)))[:2]
    found = {step: errors for step, ratios in by_step.items() if (errors := tie_errors(ratios))}
    asked = _held_out(known, settings, steps)
    last = by_step["refined"] or by_step["aligned"]
    photos = {name: weighted_median(np.abs(ratio), weight) for name, (ratio, weight) in last.items() if len(ratio)}
    fair = (*asked, "aligned") if steps.kind == "sensor" else tuple(asked)
    ordered = {step: (asked | found)[step] for step in steps.titles if step in asked | found}
    return TiesFound(ordered, tuple(step for step in ordered if step in fair), photos)


def _held_out(known: dict[str, Evidence], settings: ScaleSettings, steps: Steps) -> dict[str, TieErrors]:
    """Errors of a network's depth at ties that were held out, by the step."""
    pairs: list[tuple[str, str]] = []
    if settings.joint and known:
        started = {name: one.world_from_cam for name, one in known.items()}
        cameras = {name: one.sketch.camera for name, one in known.items()}
        partners = neighbours_of(started, cameras, {name: one.typical_depth for name, one in known.items()}, PARTNERS)
        pairs = [(name, other) for name, others in partners.items() for other in others]
    errors = held_out(known, pairs, field=settings.field)
    if errors is None:
        return {}
    after = {"scaled": errors.per_view, "aligned": errors.jointly}
    if "aligned" not in steps.titles:  # no field: the scales fitted together are the scales
        after["scaled"] = errors.jointly
    return {"predicted": errors.one_scale} | {step: one for step, one in after.items() if step in steps.titles}
