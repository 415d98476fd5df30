"""Stage scale: each view's depth scale against the ties, the metric scale, and the levelled metric world."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from recon3d.depth.sigma import NETWORK_RELATIVE
from recon3d.errors import InputError, StageError
from recon3d.files import load_array, read_json, write_json
from recon3d.formats.scene_poses import poses_as_json, poses_from_json
from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array
from recon3d.photos.gps import Position
from recon3d.poses.pose_check import check_unit
from recon3d.poses.sparse import read_sparse
from recon3d.progress import each
from recon3d.refine.consistency import neighbours_of
from recon3d.scale.affine import Affine, fit_affine
from recon3d.scale.field import field_factor
from recon3d.scale.gps import scale_of_gps
from recon3d.scale.joint import Evidence, contradicted, evidence, fit_jointly
from recon3d.scale.known_distance import parse_known_distances
from recon3d.scale.level import level
from recon3d.scale.metric import MetricScale, metric_scale
from recon3d.scale.per_view import ViewScale, fit_view, inherit, log_ratios
from recon3d.scale.sketch import sketch
from recon3d.scale.ties import Ties, ties_of
from recon3d.scene import SCHEMA, Scene
from recon3d.settings import ScaleSettings
from recon3d.stages.aligned import is_relative, predicted
from recon3d.stages.board import board_scale, parse_board
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key
from recon3d.stages.marks import known_scale
from recon3d.stages.odometry import follow
from recon3d.stages.scale_said import left_out, told
from recon3d.stages.ties_depth import is_of_ties, made_up_scale, ties_scale

VERSION = 5
PARTNERS = 6
"""Other views that each view is compared with."""
THIN = 4
"""Every so manieth of a view's samples is looked at for what is level."""


def scale(scene: Scene, job: Job, *, trusted_depth: bool) -> Outcome:
    """Fits a scale per view, states the metric scale with its ±, and writes the final poses."""
    key = stage_key("scale", VERSION, job.settings, [str(trusted_depth)], scene)
    return run_stage(scene, "scale", key, job, lambda: _work(scene, job, trusted_depth))


def _work(scene: Scene, job: Job, trusted: bool) -> Found:
    settings, cameras = job.settings.scale, scene.cameras()
    stored = read_json(scene.file("sparse") / "poses.json")
    sparse_poses, given, metric_poses = poses_from_json(stored), bool(stored["given"]), bool(stored["metric"])
    followed = follow(scene, job, stored["odometry"], trusted_depth=trusted) if "odometry" in stored else None
    sparse_poses = followed.world_from_cam if followed else sparse_poses
    sparse = read_sparse(scene.file("sparse")) if (scene.file("sparse") / "points3D.bin").exists() else None
    ties = ties_of(sparse, cameras, settings) if sparse else {}
    lines = _lines(scene, ties, job) if is_relative(scene) else {}
    of_ties, fits, gathered = is_of_ties(scene), {}, {}
    for name in each(list(cameras), "scale", job.report):
        mine, depth = ties.get(name, Ties.none()), predicted(scene, name, lines.get(name))
        fits[name] = ties_scale(scene, name, mine) if of_ties else fit_view(mine, depth, settings)
        fits[name] = followed.views[name] if followed else fits[name]
        gathered[name] = evidence(mine, depth, sketch(depth, cameras[name]), sparse_poses[name], fits[name])
    apart = trusted or of_ties or followed is not None  # what fits these is found otherwise
    views, outliers = _together(inherit(fits, list(cameras)), {} if apart else gathered, cameras, settings)
    without = tuple(name for name in lines if lines[name] is None)
    tied = {name: view for name, view in views.items() if not view.inherited and name not in (*outliers, *without)}
    used = {name: view for name, view in views.items() if name not in (*outliers, *without)}

    def depth_of(name: str) -> Array:
        return _scaled(scene, name, lines.get(name), views[name])

    known = _known(scene, job, sparse_poses, ties, used, depth_of)
    if settings.gps and known is None and settings.factor is None and not metric_poses and not followed:
        known = scale_of_gps(_positions(scene), sparse_poses)
    speaking = {} if of_ties else tied
    metric = metric_scale(speaking, given_metric=metric_poses, factor=settings.factor, known=known)
    if metric.source == "given poses" and speaking:
        check_unit(metric_scale(speaking, given_metric=False, factor=None).factor)
    metric = _anyhow(scene, metric, ties, trusted=trusted, has_points=sparse is not None)
    if not tied:  # nothing says otherwise: depth keeps its own metres
        views = {name: dataclasses.replace(view, log_scale=-math.log(metric.factor)) for name, view in views.items()}
    world_from_cam = {name: pose.scaled(metric.factor) for name, pose in sparse_poses.items()}
    levelled_from_world = SE3.identity()
    if settings.level or (settings.level is None and not given):
        own = ViewScale(-math.log(metric.factor), 0.0, 0, inherited=False)  # a sensor's depth is in metres already
        chunks = [gathered[name].surface(own if trusted else views[name])[::THIN] for name in used]
        seen = np.concatenate([*chunks, np.empty((0, 3))])
        points = sparse.points if sparse else seen
        levelled_from_world = level(world_from_cam, points * metric.factor, seen * metric.factor)
    entries = {name: _entry(view, metric, trusted) for name, view in views.items()}
    for name, fitted in lines.items():
        entries[name]["line"] = [fitted.scale, fitted.shift] if fitted else None
    for name in (*outliers, *without):
        entries[name]["factor"] = 0.0
    write_json(scene.file("scales.json"), _as_json(entries, metric, levelled_from_world))
    poses = {name: levelled_from_world @ pose for name, pose in world_from_cam.items()}
    write_json(scene.file("poses.json"), poses_as_json(poses))
    line, facts, signals = told(
        {name: views[name] for name in views if name not in without}, tied, metric, sparse, settings, trusted
    )
    if followed:
        facts, signals = facts | followed.facts, [*followed.signals, *signals]
    return line, facts, [*signals, *left_out(outliers, without, settings)]


def check_known(settings: ScaleSettings) -> None:
    """Looks at what says how large the world is, which can be known to be wrong before any work is done.

    Raises:
        InputError: a known distance or board can't be understood, or both are given.
    """
    if settings.known_distance and settings.board:
        raise InputError(
            "got scale.known_distance and scale.board, wanted one of them: both say how large the world is"
        )
    if settings.known_distance:
        parse_known_distances(settings.known_distance)
    if settings.board:
        parse_board(settings.board)


def _known(
    scene: Scene,
    job: Job,
    world_from_cam: Mapping[str, SE3],
    ties: Mapping[str, Ties],
    used: Mapping[str, ViewScale],
    depth_of: Callable[[str], Array],
) -> MetricScale | None:
    """What was measured in the scene, where something was."""
    settings = job.settings.scale
    check_known(settings)
    if settings.known_distance:
        return known_scale(scene, settings.known_distance, world_from_cam, ties, used, depth_of)
    if settings.board:
        return board_scale(scene, settings.board, world_from_cam, job.report)
    return None


def _positions(scene: Scene) -> dict[str, Position]:
    """Where photos were taken, as their EXIF says."""
    found = read_json(scene.file("calibration.json"))
    return {name: Position(**entry["gps"]) for name, entry in found.items() if "gps" in entry}


def _anyhow(
    scene: Scene, metric: MetricScale, ties: Mapping[str, Ties], *, trusted: bool, has_points: bool
) -> MetricScale:
    """The metric scale, and what takes its place where there is none."""
    if is_relative(scene) and metric.source == "depth median":
        raise InputError(
            f"{scene.facts('depth')['model']}: gives relative depth, and nothing says how large the world is; add "
            "--metric-from MODEL, --known-distance, metric poses (--poses FILE) or --set scale.factor=METRES_PER_UNIT"
        )
    if metric.source != "none":
        return metric
    if is_of_ties(scene):
        return made_up_scale(ties)
    if not has_points:  # one photo: its depth is the only word on size
        return MetricScale(1.0, NETWORK_RELATIVE if not trusted else 0.0, "the depth itself")
    return metric


def _lines(scene: Scene, ties: Mapping[str, Ties], job: Job) -> dict[str, Affine | None]:
    """What makes each photo's disparity depth in the unit of the poses; None where its ties are too few to say.

    Raises:
        InputError: no photo has enough ties.
    """
    settings = job.settings.scale
    lines: dict[str, Affine | None] = {}
    for name in each(scene.names(), "disparity", job.report):
        disparity = load_array(scene.disparity_path(name))
        ratio, weight, uv = log_ratios(ties.get(name, Ties.none()), disparity)
        here = disparity[uv[:, 1], uv[:, 0]].astype(np.float64)
        try:
            line = fit_affine(here, 1 / (here * np.exp(ratio)), weight)
        except StageError:
            lines[name] = None
        else:
            lines[name] = line if line.inliers >= max(2, settings.min_ties) else None
    if not any(lines.values()):
        raise InputError(
            f"{scene.facts('depth')['model']}: gives relative depth, and none of {len(lines)} photos has "
            f"{settings.min_ties} ties to known points, which would make it depth; add --metric-from MODEL, or choose "
            "a metric model: recon3d models"
        )
    return lines


def _scaled(scene: Scene, name: str, line: Affine | None, view: ViewScale) -> Array:
    """(H, W) float32: a view's depth in the unit of the poses."""
    depth = predicted(scene, name, line)
    scaled: Array = depth * field_factor(depth, view.field) * np.float32(math.exp(view.log_scale))
    return scaled


def _together(
    views: Mapping[str, ViewScale],
    gathered: Mapping[str, Evidence],
    cameras: Mapping[str, Camera],
    settings: ScaleSettings,
) -> tuple[dict[str, ViewScale], tuple[str, ...]]:
    """The scales of all views fitted together, and the views that the others contradict."""
    tied = any(not view.inherited for view in views.values())
    if not (gathered and tied and (settings.field or settings.joint)):
        return dict(views), ()
    known = {name: dataclasses.replace(one, scale=views[name]) for name, one in gathered.items()}
    pairs: list[tuple[str, str]] = []
    if settings.joint:
        poses = {name: one.world_from_cam for name, one in known.items()}
        depths = {name: one.typical_depth for name, one in known.items()}
        partners = neighbours_of(poses, cameras, depths, PARTNERS)
        pairs = [(name, other) for name, others in partners.items() for other in others]
    found = fit_jointly(known, pairs, field=settings.field)
    return found, contradicted(known, found, pairs)


def _entry(view: ViewScale, metric: MetricScale, trusted: bool) -> dict[str, Any]:
    """A view's line of scales.json."""
    return {
        "factor": 1.0 if trusted else math.exp(view.log_scale) * metric.factor,
        "measured": math.exp(view.log_scale) * metric.factor,
        "field": list(view.field),
        "relative_sigma": view.relative_sigma,
        "ties": view.ties,
        "inherited": view.inherited,
    }


def _as_json(entries: Mapping[str, Any], metric: MetricScale, levelled: SE3) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "metric": {"factor": metric.factor, "relative_sigma": metric.relative_sigma, "source": metric.source},
        "levelled_from_world": levelled.matrix.tolist(),
        "views": dict(entries),
    }
