"""Where the depth of a scene comes from, and whether it can be had, found out before any work is done."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from recon3d.depth.device import pick_device
from recon3d.depth.focal import CHOICES
from recon3d.depth.folder import CONFIG
from recon3d.depth.folder import read_json as read_config
from recon3d.depth.metric_from import joined_name, joined_version
from recon3d.depth.model import DepthPrediction
from recon3d.depth.models import MODELS, Precision, model_version
from recon3d.errors import InputError
from recon3d.files import digest, read_json
from recon3d.formats.depth_map import find_depth_maps
from recon3d.formats.pose_file import read_poses
from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array
from recon3d.scene import Scene
from recon3d.settings import DepthSettings
from recon3d.stages.job import Job, section_of
from recon3d.stages.ties_depth import ADVICE, TIES, ties_version

PRECISIONS = ("auto", *get_args(Precision))


def is_trusted(job: Job) -> bool:
    """Whether depth is a sensor's, taken at its word and never rescaled."""
    settings = job.settings.depth
    if job.model is not None:
        return False
    return settings.trust if settings.maps else settings.model == "recorded"


def uses_ties(job: Job) -> bool:
    """Whether depth is made from the points that photos share, without any network."""
    return job.model is None and not job.settings.depth.maps and job.settings.depth.model == TIES


def reads_maps(job: Job) -> bool:
    """Whether depth is read from files and not predicted."""
    return job.model is None and bool(job.settings.depth.maps or job.settings.depth.model == "recorded")


@dataclass(frozen=True)
class AbsentModel:
    """Stands for a model that made a scene's depth and is not at hand: what it made is current, nothing new is made."""

    name: str
    version: str

    def __call__(self, image: Array, camera: Camera) -> DepthPrediction:
        """Has nothing to say."""
        raise InputError(
            f"depth model {self.name!r} made this scene's depth and is not at hand here; run where it is, hand it in "
            "from Python, or choose another with --model"
        )


def with_model(job: Job, scene: Scene | None, *, goes_on: bool) -> Job:
    """The job with a model that is known to be at hand, found out before any work is done.

    Args:
        job: as asked for.
        scene: where there is one already.
        goes_on: a single stage of the scene was asked for: a model that was handed in from Python stays its model.

    Raises:
        InputError: the model is not at hand, and the scene has no depth by it; or it can't do with these photos.
    """
    made = scene.facts("depth") if scene else {}
    same = bool(made) and scene is not None and scene.settings_of("depth") == section_of("depth", job.settings)
    if job.model is None and same and goes_on and made.get("handed_in"):
        return dataclasses.replace(job, model=AbsentModel(made["model"], made["version"]))
    pick_device(job.device)
    try:
        source_of(job)
        if scene is not None and goes_on and scene.is_done("init"):
            check_maps(scene, job)
    except InputError:
        if job.force or not same:
            raise
        # Weights that are no longer at hand aren't needed where their depth is: the scene may have moved here.
        return dataclasses.replace(job, model=AbsentModel(made["model"], made["version"]))
    return job


def source_of(job: Job) -> tuple[str, str]:
    """Name and version of what gives depth; nothing is loaded.

    Raises:
        InputError: the model is not at hand, or the settings don't go together.
    """
    settings, model = job.settings.depth, job.model
    _check_choices(settings)
    if isinstance(model, AbsentModel):
        return model.name, model.version
    if model is not None:
        for wanted in ("name", "version"):
            if not isinstance(getattr(model, wanted, None), str):
                raise InputError(
                    f"depth model {model!r}: got no {wanted}, wanted a text that changes when its depth does; "
                    "wrap it: recon3d.FunctionModel(function, name=…, version=…)"
                )
        return _joined(model.name, model.version, settings)
    if settings.maps:
        folder = Path(settings.maps)
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; --depth takes a folder of depth maps")
        return f"maps in {folder.name}", digest(*sorted(path for path in folder.iterdir() if path.is_file()))
    if settings.model == "recorded":
        return "recorded maps", ""
    if uses_ties(job):
        if settings.metric_from:
            raise InputError(f"--metric-from {settings.metric_from}: goes with a network, and --model ties has none")
        return TIES, ties_version(job.settings.scale)
    version = model_version(settings.model)
    if settings.metric_from and kind_of(settings.model) == "metric":
        raise InputError(f"{settings.model}: gives metres by itself; leave --metric-from {settings.metric_from} out")
    return _joined(settings.model, version, settings)


def _joined(name: str, version: str, settings: DepthSettings) -> tuple[str, str]:
    """Name and version of a model, and of the one that gives it its metres."""
    if not settings.metric_from:
        return name, version
    metric_version = model_version(settings.metric_from)
    if kind_of(settings.metric_from) == "disparity":
        raise InputError(
            f"--metric-from {settings.metric_from}: gives disparity, wanted a metric model; recon3d models lists them"
        )
    return joined_name(name, settings.metric_from), joined_version(version, metric_version)


def _check_choices(settings: DepthSettings) -> None:
    for key, choices in (("focal_correction", CHOICES), ("precision", PRECISIONS)):
        if getattr(settings, key) not in choices:
            raise InputError(f"depth.{key}: got {getattr(settings, key)!r}, wanted one of {', '.join(choices)}")
    if settings.batch == 0:
        raise InputError("depth.batch: got 0, wanted 1 or more photos at a time, or none for as many as fit")


def kind_of(name_or_folder: str) -> str | None:
    """What a model gives, "metric" or "disparity"; None where that is known only when it is loaded.

    Raises:
        InputError: the folder's config.json can't be read, or doesn't say so where it should.
    """
    spec = MODELS.get(name_or_folder)
    if spec:
        return spec.kind
    from recon3d.depth.families import FAMILIES  # transformers, which no other choice of depth needs here

    path = Path(name_or_folder).expanduser() / CONFIG
    config = read_config(path)
    if config.get("model_type") == "zoedepth":
        return "metric"
    family = FAMILIES.get(str(config.get("model_type")))
    return family.output(path, config, None).kind if family else None


def check_maps(scene: Scene, job: Job) -> None:
    """Finds out right after init whether depth can be had of these photos: maps, or metres for a relative model.

    Raises:
        InputError: there is no depth map, where maps are asked for, or nothing that says how large disparity is.
    """
    if reads_maps(job):
        maps_of(scene, list(scene.calibrations()), job)
    elif uses_ties(job):
        if len(scene.calibrations()) == 1:
            raise InputError(f"--model {TIES}: needs points that several photos share, and this is one photo; {ADVICE}")
    elif job.model is None and kind_of(job.settings.depth.model) == "disparity":
        lacking = metres_lacking(scene, job, metric_poses=_has_metric_poses(scene, job))
        if lacking:
            raise InputError(lacking)


def maps_of(scene: Scene, names: Sequence[str], job: Job) -> tuple[dict[str, Path], float]:
    """Depth maps by photo, and metres per step of theirs.

    Raises:
        InputError: there is none.
    """
    settings = job.settings.depth
    if settings.maps:
        return find_depth_maps(Path(settings.maps), list(names)), settings.maps_unit_m
    capture = read_json(scene.file("capture.json"))
    if not capture["depth"]:
        raise InputError(nothing_recorded(len(names), str(capture["format"])))
    return {name: Path(path) for name, path in capture["depth"].items()}, float(capture["depth_unit_m"])


def nothing_recorded(count: int, format: str) -> str:
    """Why photos without recorded depth can't do with it."""
    return (
        f"no depth map was recorded with these {count} photos (format {format}); choose a network with --model, or "
        "give maps with --depth DIR"
    )


def metres_lacking(scene: Scene, job: Job, *, metric_poses: bool) -> str | None:
    """Why disparity can't become metres, neither by a metric model nor in the scale stage; None where it can."""
    depth, scale = job.settings.depth, job.settings.scale
    if depth.metric_from:
        return None
    who, advice = job.model.name if job.model else depth.model, "add --metric-from MODEL, such as zoedepth-nk"
    if len(scene.calibrations()) == 1:
        return f"{who}: gives disparity, which needs several photos to become depth, and this is one; {advice}"
    if scale.factor is None and not scale.known_distance and not metric_poses:
        return (
            f"{who}: gives disparity, and nothing says how large things are; {advice}, or --known-distance, or metric "
            "poses (--poses FILE), or --set scale.factor=METRES_PER_UNIT"
        )
    return None


def _has_metric_poses(scene: Scene, job: Job) -> bool:
    """Whether poses were given in metres, found out before they are read into the scene."""
    if job.settings.poses.file:
        return read_poses(Path(job.settings.poses.file), list(scene.calibrations())).metric
    return bool(read_json(scene.file("capture.json"))["metric"])
