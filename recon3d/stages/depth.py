"""Stage depth: the depth of each registered photo, predicted or read."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from recon3d.depth.device import pick_device
from recon3d.depth.model import DepthPrediction
from recon3d.depth.models import load_model, model_version
from recon3d.depth.recorded import fitted
from recon3d.errors import InputError, StageError
from recon3d.formats.depth_map import find_depth_maps, read_depth
from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array
from recon3d.progress import each
from recon3d.scene import Scene, digest, load_array, read_json, save_array
from recon3d.signals import Signal
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key
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
    try:
        name, version = _source(job)
    except InputError:
        # Weights that are no longer at hand aren't needed where their depth is: the scene may have moved here.
        made_by = scene.facts("depth")
        name, version = str(made_by.get("model")), str(made_by.get("version"))
        if job.force or not scene.is_done("depth", _key(scene, name, version, job)):
            raise
    key = _key(scene, name, version, job)
    return run_stage(scene, "depth", key, job, lambda: _work(scene, name, version, job))


def _key(scene: Scene, name: str, version: str, job: Job) -> str:
    return stage_key("depth", VERSION, job.settings, [name, version], scene)


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
    facts = {"photos": len(cameras), "model": source, "version": version, "valid_share": round(share, 4)}
    return f"{len(cameras)} depth maps from {source}, {100 * share:.0f} % of the pixels valid", facts, signals


def _source(job: Job) -> tuple[str, str]:
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
    settings = job.settings.depth
    if settings.maps:
        maps, unit_m = find_depth_maps(Path(settings.maps), list(cameras)), settings.maps_unit_m
    else:
        capture = read_json(scene.file("capture.json"))
        maps, unit_m = {name: Path(path) for name, path in capture["depth"].items()}, float(capture["depth_unit_m"])
    missing = [name for name in cameras if name not in maps]
    if missing:
        raise InputError(
            f"no depth map for {len(missing)} of {len(cameras)} photos ({', '.join(missing[:3])}, …); "
            "leave these photos out, or choose a network with --model"
        )
    calibrations = lenses(scene)

    def predict(name: str) -> DepthPrediction:
        values = read_depth(maps[name], unit_m=unit_m)
        return fitted(values, calibrations[name], cameras[name], str(maps[name]))

    return predict


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
