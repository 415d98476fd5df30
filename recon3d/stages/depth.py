"""Stage depth: the depth of each registered photo, predicted or read."""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import cast

import numpy as np

from recon3d.ahead import ahead
from recon3d.depth.batches import Photo, about, predictions
from recon3d.depth.device import check_precision, pick_device
from recon3d.depth.focal import applies, focal_factor, scaled
from recon3d.depth.metric_from import MetricFrom
from recon3d.depth.model import DepthModel, DepthPrediction
from recon3d.depth.models import MODELS, Precision, licence_notice, load_model
from recon3d.depth.recorded import fitted
from recon3d.errors import InputError, StageError
from recon3d.files import load_array, read_json, save_array, write_json
from recon3d.formats.depth_map import read_depth
from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array
from recon3d.progress import each
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.depth_said import said_facts, said_of, said_signals
from recon3d.stages.depth_source import AbsentModel, maps_of, metres_lacking, reads_maps, source_of, uses_ties
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key
from recon3d.stages.poses import lenses
from recon3d.stages.ties_depth import TIES, ties_reader, ties_signals

VERSION = 3
THREADS = min(8, os.cpu_count() or 1)
"""Threads that decode photos and write depth while the network is busy; one where it computes on the CPU itself."""
AHEAD_BYTES = 2**30
"""Decoded photos that wait for the network, and depth that waits to be written, take about this at most [bytes]."""
AHEAD_MAX = 64
"""And they are never more than this: two large batches. So the network need not wait for them, nor they for it."""
AHEAD_CPU = 4
"""On the CPU, where the network is slow and sees one photo at a time: what fails is told soon."""

Spoken = tuple[str, DepthPrediction]


def depth(scene: Scene, job: Job) -> Outcome:
    """Writes one depth map [m] per registered photo, or one disparity map where a relative model has no metric one.

    Raises:
        InputError: the model is not at hand, or maps are missing or don't fit.
        StageError: no photo has any valid depth.
    """
    name, version = source_of(job)
    key = stage_key("depth", VERSION, job.settings, [name, version], scene)
    return run_stage(scene, "depth", key, job, lambda: _work(scene, name, version, job))


def _work(scene: Scene, source: str, version: str, job: Job) -> Found:
    cameras = scene.cameras()
    todo = {name: camera for name, camera in cameras.items() if _stored(scene, name) is None}
    signals = _licences(job)
    made = _make(scene, todo, job, signals) if todo else {}
    paths = {name: path for name in cameras if (path := _stored(scene, name)) is not None}
    kinds = {path.parent.name for path in paths.values()}
    if len(kinds) > 1:
        raise InputError(f"{source}: gave depth for some photos and disparity for others, wanted one kind for all")
    kind = "disparity" if kinds == {"disparity"} else "metric"
    valid = {name: made[name] if name in made else _share(load_array(path)) for name, path in paths.items()}
    said = {name: read_json(path) for name in cameras if (path := scene.head_path(name)).exists()}
    silent = {name for name, words in said.items() if not words["finite"]}
    empty = tuple(name for name, share in valid.items() if share == 0 and name not in silent)
    if len(silent) + len(empty) == len(cameras):
        raise StageError(_nothing(source, kind, all_silent=not empty, limit_m=job.settings.depth.max_depth_m))
    if uses_ties(job):
        kind = TIES
        signals += ties_signals(valid)
    elif empty:
        signals.append(Signal("OUT_OF_RANGE", f"{len(empty)} of {len(cameras)} photos have no valid depth", empty))
    share = float(np.mean(list(valid.values())))
    facts = {
        "photos": len(cameras),
        "model": source,
        "version": version,
        "kind": kind,
        "handed_in": job.model is not None,
        "valid_share": round(share, 4),
        **said_facts(said),
    }
    plural = "s" if len(cameras) > 1 else ""
    line = f"{len(cameras)} {_WORD[kind]} map{plural} from {source}, {100 * share:.0f} % of the pixels valid"
    return line, facts, signals + said_signals(said, source, len(cameras))


_WORD = {"metric": "depth", "disparity": "disparity", TIES: "depth"}


def _nothing(source: str, kind: str, *, all_silent: bool, limit_m: float) -> str:
    """Why there is no depth at all."""
    if all_silent:
        return f"{source}: gave no finite {_WORD[kind]} for any photo; fetch or copy the model again, or choose another"
    return (
        f"{source}: no photo has any {_WORD[kind]} between 0 and {limit_m:g} m; check the unit of the maps "
        "(--set depth.maps_unit_m=…), depth.max_depth_m, or choose another model"
    )


def _stored(scene: Scene, name: str) -> Path | None:
    """The photo's map, if it is made."""
    return next((path for path in (scene.depth_path(name), scene.disparity_path(name)) if path.exists()), None)


def _make(scene: Scene, cameras: Mapping[str, Camera], job: Job, signals: list[Signal]) -> dict[str, float]:
    """Writes the maps of some photos; returns the share of their pixels that are valid.

    Photos are decoded and maps are written in threads beside the network. What has been predicted when something
    fails, or when the user interrupts, is still written: the next run begins after it.
    """
    write, device = _writer(scene, cameras, job), pick_device(job.device)
    on_cpu = (device == "cpu" and not reads_maps(job)) or uses_ties(job)
    largest = max(camera.width * camera.height for camera in cameras.values()) * (3 + 4 + 4)  # image, depth, sigma
    threads, most = (1, AHEAD_CPU) if on_cpu else (THREADS, max(2, min(AHEAD_MAX, AHEAD_BYTES // largest)))
    with ThreadPoolExecutor(threads) as pool:
        if reads_maps(job):
            spoken = ahead(pool, _map_reader(scene, cameras, job), cameras, most)
        elif uses_ties(job):
            spoken = map(ties_reader(scene, cameras, job.settings.scale), cameras)
        else:
            spoken = _predicted(scene, cameras, job, device, pool, most, signals)
        counted = each(spoken, "depth", job.report, total=len(cameras), photo=itemgetter(0))
        return dict(ahead(pool, write, counted, most))


def _predicted(
    scene: Scene,
    cameras: Mapping[str, Camera],
    job: Job,
    device: str,
    pool: Executor,
    most: int,
    signals: list[Signal],
) -> Iterator[Spoken]:
    """Depth from a network, or from whatever was handed in."""

    def read(name: str) -> Photo:
        with about(name):
            return name, scene.image(name), cameras[name]

    def smaller(tried: int, batch: int) -> None:
        text = f"{device} had too little memory for {tried} photos at a time; went on with {batch}"
        signals.append(Signal("SMALLER_BATCH", text))

    photos = ahead(pool, read, cameras, most)
    return predictions(_model(job, device), photos, batch=job.settings.depth.batch, device=device, smaller=smaller)


def _model(job: Job, device: str) -> DepthModel:
    """The model on its device, with the one that gives it metres where there is one."""
    settings = job.settings.depth
    precision = cast(Precision, settings.precision)
    if settings.precision == "auto":
        precision = "float16" if device.startswith("cuda") else "float32"
    check_precision(device, precision)

    def load(name: str) -> DepthModel:
        return load_model(name, device=device, flip=settings.flip, precision=precision)

    model = job.model or load(settings.model)
    if settings.metric_from and not isinstance(model, AbsentModel):
        return MetricFrom(model, load(settings.metric_from))
    return model


def _licences(job: Job) -> list[Signal]:
    """What is to be known of the licences of the networks that give depth."""
    settings = job.settings.depth
    names = [] if reads_maps(job) or uses_ties(job) else [None if job.model else settings.model, settings.metric_from]
    notices = [licence_notice(MODELS[name]) for name in names if name in MODELS]
    return [Signal("LICENCE", notice) for notice in notices if notice]


def _map_reader(scene: Scene, cameras: Mapping[str, Camera], job: Job) -> Callable[[str], Spoken]:
    """Depth from files: of the capture itself, or of a folder."""
    maps, unit_m = maps_of(scene, list(cameras), job)
    missing = [name for name in cameras if name not in maps]
    if missing:
        listed = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise InputError(
            f"no depth map for {len(missing)} of {len(cameras)} photos ({listed}); "
            "leave these photos out, or choose a network with --model"
        )
    calibrations = lenses(scene)

    def read(name: str) -> Spoken:
        with about(name):
            values = read_depth(maps[name], unit_m=unit_m)
            return name, fitted(values, calibrations[name], cameras[name], str(maps[name]))

    return read


def _writer(scene: Scene, cameras: Mapping[str, Camera], job: Job) -> Callable[[Spoken], tuple[str, float]]:
    """Writes what was said about a photo: its map last, so that a map that is there has all that goes with it."""
    settings, calibrations = job.settings.depth, lenses(scene)
    metric_poses = bool(read_json(scene.file("sparse") / "poses.json")["metric"])
    lacking = metres_lacking(scene, job, metric_poses=metric_poses)
    limit_m = math.inf if uses_ties(job) else settings.max_depth_m  # ties are in the unit of the poses

    def write(spoken: Spoken) -> tuple[str, float]:
        name, prediction = spoken
        with about(name):
            if prediction.kind == "disparity" and lacking:
                raise InputError(lacking)
            mask, factor = scene.mask(name), focal_factor(cameras[name], prediction.head)
            corrected = factor is not None and applies(settings.focal_correction, calibrations[name])
            said = said_of(prediction, mask, factor, corrected=corrected)
            if said is not None:
                write_json(scene.head_path(name), said)
            if factor is not None and corrected:
                prediction = scaled(prediction, factor)
            values, sigma = _valid(prediction, mask, limit_m)
            if sigma is not None:
                save_array(scene.sigma_path(name), sigma)
            save_array(scene.disparity_path(name) if prediction.kind == "disparity" else scene.depth_path(name), values)
            return name, _share(values)

    return write


def _valid(prediction: DepthPrediction, mask: Array | None, limit_m: float) -> tuple[Array, Array | None]:
    """Depth and sigma, or disparity, that may be stored: finite, 0 where there is none."""
    values = prediction.values
    good = np.isfinite(values) & (values > 0)
    if prediction.kind == "metric":
        good &= values <= limit_m
    if mask is not None:
        good &= mask
    if prediction.sigma is not None:
        good &= np.isfinite(prediction.sigma) & (prediction.sigma >= 0)
    values = np.where(good, values, 0).astype(np.float32)
    return values, None if prediction.sigma is None else np.where(good, prediction.sigma, 0).astype(np.float32)


def _share(values: Array) -> float:
    """Of the pixels that have depth."""
    return float((values > 0).mean())
