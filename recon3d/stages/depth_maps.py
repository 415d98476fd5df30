"""Depth maps as work: photos that are decoded, predicted or read, and written, each on its own."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np

from recon3d.ahead import ahead
from recon3d.depth.batches import Photo, about, predictions
from recon3d.depth.device import check_precision, pick_device
from recon3d.depth.focal import applies, focal_factor, scaled
from recon3d.depth.lanes import lanes
from recon3d.depth.metric_from import MetricFrom
from recon3d.depth.model import DepthModel, DepthPrediction
from recon3d.depth.models import Precision, load_model
from recon3d.depth.recorded import fitted
from recon3d.engine.work import Doer
from recon3d.errors import InputError
from recon3d.files import read_json
from recon3d.formats.depth_map import read_depth
from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array
from recon3d.photos.watchdog import answered
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.depth_said import said_of
from recon3d.stages.depth_source import AbsentModel, kind_of, maps_of, metres_lacking, reads_maps, uses_ties
from recon3d.stages.job import Job
from recon3d.stages.poses import lenses
from recon3d.stages.ties_depth import ties_reader

THREADS = min(8, os.cpu_count() or 1)
"""Threads that decode photos and write depth while a GPU is busy."""
AHEAD_BYTES = 2**30
"""Decoded photos that wait for the network, and depth that waits to be written, take about this at most [bytes]."""
AHEAD_MAX = 64
"""And they are never more than this: two large batches. So the network need not wait for them, nor they for it."""
AHEAD_CPU = 4
"""On the CPU, where the network is slow and sees one photo at a time: what fails is told soon."""

Spoken = tuple[str, DepthPrediction]
Made = tuple[float, tuple[Signal, ...]]
"""Share of a photo's pixels that are valid, and what is to be told since the photo before."""


@dataclasses.dataclass(frozen=True)
class DepthMaps:
    """The maps of a scene's photos, or their disparity where a relative model has no metric one.

    Attributes:
        scene: with `poses` done.
        job: the stage's.
    """

    scene: Scene
    job: Job
    title: str = "depth"

    @property
    def block(self) -> int:
        """A few photos, or what fills a GPU."""
        return AHEAD_CPU if pick_device(self.job.device) == "cpu" else AHEAD_MAX

    def begin(self) -> Doer[str, Made]:
        """Loads the network."""
        cameras, device = self.scene.cameras(), pick_device(self.job.device)
        write = _writer(self.scene, cameras, self.job)
        if reads_maps(self.job):
            return _through_threads(_map_reader(self.scene, cameras, self.job), write)
        if uses_ties(self.job):
            return _one_by_one(ties_reader(self.scene, cameras, self.job.settings.scale), write)
        predict = _Predictor(self.scene, cameras, network(self.job, device), device, self.job.settings.depth.batch)
        if device != "cpu":
            return _through_batches(predict, write, THREADS, AHEAD_MAX)
        # a model that was handed in may not bear two threads
        return _through_batches(predict, write, 1, AHEAD_CPU) if self.job.model else _through_lanes(predict, write)

    def is_done(self, item: str) -> bool:
        """Whether the photo has its map, which is written last."""
        return stored(self.scene, item) is not None

    def reads(self, item: str) -> tuple[Path, ...]:
        """Photos need nothing of each other."""
        return ()

    def give_up(self, item: str, reason: str) -> Made:
        """The photo goes on without depth."""
        scene, settings = self.scene, self.job.settings.depth
        relative = scene.has(scene.bare.file("disparity")) or (
            self.job.model is None and not settings.metric_from and kind_of(settings.model) == "disparity"
        )
        camera = scene.cameras()[item]
        scene.save_json(scene.bare.head_path(item), {"finite": False, "why": reason})
        path = scene.bare.disparity_path(item) if relative else scene.bare.depth_path(item)
        scene.save(path, np.zeros((camera.height, camera.width), np.float32))
        return 0.0, ()


def stored(scene: Scene, name: str) -> Path | None:
    """Where the photo's map stands, if it is made; it isn't fetched for that."""
    return next(filter(scene.has, (scene.bare.depth_path(name), scene.bare.disparity_path(name))), None)


@dataclasses.dataclass(frozen=True)
class _Predictor:
    """Depth from a network, or from whatever was handed in."""

    scene: Scene
    cameras: Mapping[str, Camera]
    model: DepthModel
    device: str
    batch: int | None
    signals: list[Signal] = dataclasses.field(default_factory=list)

    def read(self, name: str) -> Photo:
        """The photo."""
        with about(name):
            return name, self.scene.image(name), self.cameras[name]

    def many(self, photos: Iterable[Photo]) -> Iterator[Spoken]:
        """What the model says of photos."""
        return predictions(self.model, photos, batch=self.batch, device=self.device, smaller=self._smaller)

    def told(self) -> tuple[Signal, ...]:
        """Signals since the last time."""
        told = tuple(self.signals)
        del self.signals[: len(told)]
        return told

    def _smaller(self, tried: int, batch: int) -> None:
        text = f"{self.device} had too little memory for {tried} photos at a time; went on with {batch}"
        self.signals.append(Signal("SMALLER_BATCH", text))


# What has been predicted when something fails, or when the user interrupts, is still written: the next run begins
# after it.


def _one_by_one(speak: Callable[[str], Spoken], write: Callable[[Spoken], float]) -> Doer[str, Made]:
    """One photo after another."""

    def do(names: Sequence[str]) -> Iterator[tuple[str, Made]]:
        for name in names:
            yield name, (write(speak(name)), ())

    return do


def _through_threads(speak: Callable[[str], Spoken], write: Callable[[Spoken], float]) -> Doer[str, Made]:
    """Several photos at a time, each in a thread."""

    def do(names: Sequence[str]) -> Iterator[tuple[str, Made]]:
        with ThreadPoolExecutor(THREADS) as pool:
            shares = ahead(pool, lambda name: write(speak(name)), names, 2 * THREADS)
            yield from ((name, (share, ())) for name, share in zip(names, shares, strict=True))

    return do


def _through_lanes(predict: _Predictor, write: Callable[[Spoken], float]) -> Doer[str, Made]:
    """Several photos at a time, each computed by one thread; see `recon3d.depth.lanes`."""
    size = predict.batch or 1

    def some(names: Sequence[str]) -> list[tuple[str, float]]:
        return [(spoken[0], write(spoken)) for spoken in predict.many(map(predict.read, names))]

    def do(names: Sequence[str]) -> Iterator[tuple[str, Made]]:
        batches = [names[start : start + size] for start in range(0, len(names), size)]
        with lanes() as (pool, count):
            for done in ahead(pool, some, batches, count):
                yield from ((name, (share, predict.told())) for name, share in done)

    return do


def _through_batches(predict: _Predictor, write: Callable[[Spoken], float], threads: int, most: int) -> Doer[str, Made]:
    """One batch after another; photos are decoded and maps are written in threads beside it."""
    largest = max(camera.width * camera.height for camera in predict.cameras.values()) * (3 + 4 + 4)  # with sigma
    most = max(2, min(most, AHEAD_BYTES // largest))

    def do(names: Sequence[str]) -> Iterator[tuple[str, Made]]:
        with ThreadPoolExecutor(threads) as pool:
            spoken = predict.many(ahead(pool, predict.read, names, most))
            for name, share in ahead(pool, lambda one: (one[0], write(one)), spoken, most):
                yield name, (share, predict.told())

    return do


def network(job: Job, device: str) -> DepthModel:
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
            path = maps[name]
            values = answered(lambda: read_depth(path, unit_m=unit_m), path, job.settings.photos.timeout_s)
            return name, fitted(values, calibrations[name], cameras[name], str(maps[name]))

    return read


def _writer(scene: Scene, cameras: Mapping[str, Camera], job: Job) -> Callable[[Spoken], float]:
    """Writes what was said about a photo: its map last, so that a map that is there has all that goes with it."""
    settings, calibrations = job.settings.depth, lenses(scene)
    metric_poses = bool(read_json(scene.file("sparse") / "poses.json")["metric"])
    lacking = metres_lacking(scene, job, metric_poses=metric_poses)
    limit_m = math.inf if uses_ties(job) else settings.max_depth_m  # ties are in the unit of the poses

    def write(spoken: Spoken) -> float:
        name, prediction = spoken
        with about(name):
            if prediction.kind == "disparity" and lacking:
                raise InputError(lacking)
            mask, factor = scene.mask(name), focal_factor(cameras[name], prediction.head)
            corrected = factor is not None and applies(settings.focal_correction, calibrations[name])
            said = said_of(prediction, mask, factor, corrected=corrected)
            if said is not None:
                scene.save_json(scene.bare.head_path(name), said)
            if factor is not None and corrected:
                prediction = scaled(prediction, factor)
            values, sigma = _valid(prediction, mask, limit_m)
            if sigma is not None:
                scene.save(scene.bare.sigma_path(name), sigma)
            bare = scene.bare
            scene.save(bare.disparity_path(name) if prediction.kind == "disparity" else bare.depth_path(name), values)
            return share_of(values)

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


def share_of(values: Array) -> float:
    """Of the pixels that have depth."""
    return float((values > 0).mean())
