"""Stage depth: the depth of each registered photo, predicted or read."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon3d.depth.device import pick_device
from recon3d.depth.model import DepthPrediction
from recon3d.depth.models import load_model, model_version
from recon3d.depth.recorded import fitted
from recon3d.errors import InputError, StageError
from recon3d.files import digest, load_array, read_json, save_array
from recon3d.formats.depth_map import find_depth_maps, read_depth
from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array
from recon3d.progress import each
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.job import Found, Job, Outcome, run_stage, section_of, stage_key
from recon3d.stages.poses import lenses

VERSION = 1

Predict = Callable[[str], DepthPrediction]


def is_trusted(job: Job) -> bool:
    """Whether depth is a sensor's, taken at its word and never rescaled."""
    settings = job.settings.depth
    if job.model is not None:
        return False
    return settings.trust if settings.maps else settings.model == "recorded"


def depth(scene: Scene, job: Job) -> Outcome:
    """Writes one depth map per registered photo [m].

    Raises:
        InputError: the model is not at hand, or maps are missing or don't fit.
        StageError: no photo has any valid depth.
    """
    name, version = source_of(job)
    key = stage_key("depth", VERSION, job.settings, [name, version], scene)
    return run_stage(scene, "depth", key, job, lambda: _work(scene, name, version, job))


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
        InputError: the model is not at hand, and the scene has no depth by it.
    """
    made = scene.facts("depth") if scene else {}
    same = bool(made) and scene is not None and scene.settings_of("depth") == section_of("depth", job.settings)
    if job.model is None and same and goes_on and made.get("handed_in"):
        return dataclasses.replace(job, model=AbsentModel(made["model"], made["version"]))
    pick_device(job.device)
    try:
        source_of(job)
    except InputError:
        if job.force or not same:
            raise
        # Weights that are no longer at hand aren't needed where their depth is: the scene may have moved here.
        return dataclasses.replace(job, model=AbsentModel(made["model"], made["version"]))
    return job


def check_maps(scene: Scene, job: Job) -> None:
    """Finds out right after init whether there are depth maps of the photos, where maps are asked for.

    Raises:
        InputError: there is none.
    """
    if _reads_maps(job):
        _maps(scene, list(scene.calibrations()), job)


def _work(scene: Scene, source: str, version: str, job: Job) -> Found:
    cameras, limit_m = scene.cameras(), job.settings.depth.max_depth_m
    todo = [name for name in cameras if not scene.depth_path(name).exists()]
    if todo:
        predict = _from_maps(scene, cameras, job) if _reads_maps(job) else _from_model(scene, cameras, job)
        for name in each(todo, "depth", job.report):
            prediction = predict(name)
            if prediction.kind != "metric":
                raise InputError(f"{source}: gives disparity, wanted metres; choose a metric model: recon3d models")
            values, sigma = _valid(prediction, scene.mask(name), limit_m)
            if sigma is not None:
                save_array(scene.sigma_path(name), sigma)
            save_array(scene.depth_path(name), values)
    valid = {name: float((load_array(scene.depth_path(name)) > 0).mean()) for name in cameras}
    empty = tuple(name for name, share in valid.items() if share == 0)
    if len(empty) == len(cameras):
        raise StageError(
            f"{source}: no photo has any depth between 0 and {limit_m:g} m; check the unit of the maps "
            "(--set depth.maps_unit_m=…), depth.max_depth_m, or choose another model"
        )
    signals = (
        [Signal("OUT_OF_RANGE", f"{len(empty)} of {len(cameras)} photos have no valid depth", empty)] if empty else []
    )
    share = float(np.mean(list(valid.values())))
    facts = {
        "photos": len(cameras),
        "model": source,
        "version": version,
        "handed_in": job.model is not None,
        "valid_share": round(share, 4),
    }
    plural = "s" if len(cameras) > 1 else ""
    return f"{len(cameras)} depth map{plural} from {source}, {100 * share:.0f} % of the pixels valid", facts, signals


def source_of(job: Job) -> tuple[str, str]:
    """Name and version of what gives depth; nothing is loaded."""
    settings, model = job.settings.depth, job.model
    if model is not None:
        for wanted in ("name", "version"):
            if not isinstance(getattr(model, wanted, None), str):
                raise InputError(
                    f"depth model {model!r}: got no {wanted}, wanted a text that changes when its depth does; "
                    "wrap it: recon3d.FunctionModel(function, name=…, version=…)"
                )
        return model.name, model.version
    if settings.maps:
        folder = Path(settings.maps)
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; --depth takes a folder of depth maps")
        return f"maps in {folder.name}", digest(*sorted(path for path in folder.iterdir() if path.is_file()))
    if settings.model == "recorded":
        return "recorded maps", ""
    return settings.model, model_version(settings.model)


def _reads_maps(job: Job) -> bool:
    return job.model is None and bool(job.settings.depth.maps or job.settings.depth.model == "recorded")


def _from_maps(scene: Scene, cameras: Mapping[str, Camera], job: Job) -> Predict:
    """Depth from files: of the capture itself, or of a folder."""
    maps, unit_m = _maps(scene, list(cameras), job)
    missing = [name for name in cameras if name not in maps]
    if missing:
        listed = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise InputError(
            f"no depth map for {len(missing)} of {len(cameras)} photos ({listed}); "
            "leave these photos out, or choose a network with --model"
        )
    calibrations = lenses(scene)

    def predict(name: str) -> DepthPrediction:
        values = read_depth(maps[name], unit_m=unit_m)
        return fitted(values, calibrations[name], cameras[name], str(maps[name]))

    return predict


def _maps(scene: Scene, names: Sequence[str], job: Job) -> tuple[dict[str, Path], float]:
    """Depth maps by photo, and metres per step of theirs.

    Raises:
        InputError: there is none.
    """
    settings = job.settings.depth
    if settings.maps:
        return find_depth_maps(Path(settings.maps), list(names)), settings.maps_unit_m
    capture = read_json(scene.file("capture.json"))
    if not capture["depth"]:
        raise InputError(
            f"no depth map was recorded with these {len(names)} photos (format {capture['format']}); choose a network "
            "with --model, or give maps with --depth DIR"
        )
    return {name: Path(path) for name, path in capture["depth"].items()}, float(capture["depth_unit_m"])


def _from_model(scene: Scene, cameras: Mapping[str, Camera], job: Job) -> Predict:
    """Depth from a network, or from whatever was handed in."""
    settings = job.settings.depth
    model = job.model or load_model(settings.model, device=pick_device(job.device), flip=settings.flip)

    def predict(name: str) -> DepthPrediction:
        image = scene.image(name)
        prediction = model(image, cameras[name])
        if not isinstance(prediction, DepthPrediction):
            raise InputError(f"{model.name}: returned {type(prediction).__name__}, wanted a recon3d.DepthPrediction")
        if prediction.values.shape != image.shape[:2]:
            raise InputError(f"{model.name}: got depth {prediction.values.shape} for {name}, wanted {image.shape[:2]}")
        return prediction

    return predict


def _valid(prediction: DepthPrediction, mask: Array | None, limit_m: float) -> tuple[Array, Array | None]:
    """Depth and sigma that may be stored: finite, 0 where there is none."""
    values = prediction.values
    good = np.isfinite(values) & (values > 0) & (values <= limit_m)
    if mask is not None:
        good &= mask
    if prediction.sigma is not None:
        good &= np.isfinite(prediction.sigma) & (prediction.sigma >= 0)
    values = np.where(good, values, 0).astype(np.float32)
    return values, None if prediction.sigma is None else np.where(good, prediction.sigma, 0).astype(np.float32)
