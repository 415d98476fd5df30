"""Pace: how fast this machine is at the work of a run, from a few seconds of it."""

import contextlib
import io
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import torch
from PIL import Image

from recon3d.depth.device import pick_device
from recon3d.errors import InputError
from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array
from recon3d.photos.read import Photo, read_photo
from recon3d.photos.watchdog import answered
from recon3d.photos.working import JPEG_QUALITY
from recon3d.refine.agreement import Opinion
from recon3d.refine.photometric import Pass, refined
from recon3d.refine.warp import Look
from recon3d.settings import Settings
from recon3d.stages.depth_maps import network
from recon3d.stages.depth_source import AbsentModel, reads_maps, uses_ties
from recon3d.stages.job import Job

MATCHED = Pass(1.0, 0.2, 33, asks=True, anew=True, small=0.1)
"""The matching that is timed, on a small photo against `OTHERS` others."""
OTHERS, MATCHED_SIDE = 4, 192
LEAST_SIDE = 256
"""Of the picture whose writing is timed [px]."""
QUICK_S = 0.5
"""What took less is done once more: the first time something is set up, too [s]."""


@dataclass(frozen=True)
class Pace:
    """What pieces of the work take on this machine.

    Attributes:
        unit_s: a fixed piece of array work of one thread: what the times of other work are told in [core s].
        decode_s: reading one photo and making it small [core s].
        encode_s: writing it, a million pixels [core s].
        jpeg_bytes: of a working copy, by pixel.
        png_bytes: the same where it is lossless.
        features: of a photo.
        features_s: finding them [core s].
        match_s: a million samples of photometric matching [core s; by the clock on a GPU].
        load_s: loading the depth network [s]; 0 where there is none, or it is not at hand.
        predict_s: depth of one photo [core s; by the clock on a GPU].
        has_sigma: the network says how sure it is.
        network_bytes: what this process came to hold by loading the network.
        photo_bytes: what it came to hold by asking it.
        on_gpu: the network and matching run on a GPU.
        took_s: all this measuring [s].
    """

    unit_s: float
    decode_s: float
    encode_s: float
    jpeg_bytes: float
    png_bytes: float
    features: float
    features_s: float
    match_s: float
    load_s: float
    predict_s: float
    has_sigma: bool
    network_bytes: int
    photo_bytes: int
    on_gpu: bool
    took_s: float


def measured(samples: Sequence[Path], working: tuple[int, int], job: Job) -> Pace:
    """Does a little of each kind of work.

    Args:
        samples: photos that can be read; none where there is only a video.
        working: the usual size of the photos [px].
        job: what is to be done.
    """
    begun, settings = time.perf_counter(), job.settings
    photos, decode_s = _decoded(samples, settings)
    images = [photo.image for photo in photos] or [_speckled(working)]
    encoded = [_encoded(image, photo) for image in images[:1] for photo in (False, True)]
    (jpeg_bytes, encode_s), (png_bytes, _) = encoded
    features, features_s = _features(images[0], settings.poses.features)
    device = pick_device(job.device)
    with _one_thread():  # of a core alone: threads that wait for each other would count, too
        asked = _asked(images[-1], job, device)
        match_s = _match_s(images[0], device) if settings.refine.photometric else 0.0
    return Pace(
        unit_s=min(_core_s(_unit) for _ in range(3)),
        decode_s=decode_s or encode_s * images[0].size / 3e6,
        encode_s=encode_s,
        jpeg_bytes=jpeg_bytes,
        png_bytes=png_bytes,
        features=features,
        features_s=features_s,
        match_s=match_s,
        load_s=asked.load_s,
        predict_s=asked.predict_s,
        has_sigma=asked.has_sigma,
        network_bytes=asked.network_bytes,
        photo_bytes=asked.photo_bytes,
        on_gpu=device != "cpu",
        took_s=time.perf_counter() - begun,
    )


def _decoded(samples: Sequence[Path], settings: Settings) -> tuple[list[Photo], float]:
    """Those photos that can be decoded, and what one takes."""
    limits, photos, spent = settings.photos, [], []

    def read(path: Path) -> Photo:
        return read_photo(path, max_megapixels=limits.max_megapixels, max_side=limits.max_side)

    for path in samples:
        before = time.process_time()
        with contextlib.suppress(InputError):  # a run will skip it, and say why
            photos.append(answered(partial(read, path), path, limits.timeout_s))
            spent.append(time.process_time() - before)
    return photos, float(np.mean(spent)) if spent else 0.0


def _encoded(image: Array, lossless: bool) -> tuple[float, float]:
    """Bytes a pixel of a working copy, and what a million pixels take to be written [core s]."""
    picture, buffer = Image.fromarray(image), io.BytesIO()
    if min(picture.size) < LEAST_SIDE:  # of a tiny one, nearly all is its header
        picture = picture.resize((LEAST_SIDE, LEAST_SIDE))
    how: dict[str, Any] = {"format": "PNG"}
    if not lossless:
        how = {"format": "JPEG", "quality": JPEG_QUALITY, "subsampling": "4:4:4"}
    spent, pixels = _core_s(lambda: picture.save(buffer, **how)), picture.width * picture.height
    return buffer.tell() / pixels, spent * 1e6 / pixels


def _features(image: Array, most: int) -> tuple[float, float]:
    """How many features a photo has, and what finding them takes."""
    options = pycolmap.FeatureExtractionOptions()
    options.sift.max_num_features, options.num_threads, options.use_gpu = most, 1, False
    grey = np.ascontiguousarray(np.asarray(Image.fromarray(image).convert("L")))
    with _silent_colmap():
        extractor = pycolmap.FeatureExtractor.create(options)
        before = time.process_time()
        _, descriptors = extractor.extract_from_uint8_array(grey)
    return float(len(descriptors.data)), time.process_time() - before


@dataclass(frozen=True)
class _Asked:
    """What a network took; see `Pace`."""

    load_s: float = 0.0
    predict_s: float = 0.0
    has_sigma: bool = False
    network_bytes: int = 0
    photo_bytes: int = 0


def _asked(image: Array, job: Job, device: str) -> _Asked:
    """Loads the depth network, where there is one, and asks it about a photo."""
    if reads_maps(job) or uses_ties(job) or isinstance(job.model, AbsentModel):
        return _Asked()
    begun, before = time.perf_counter(), _held_bytes()
    model = network(job, device)
    load_s, loaded = time.perf_counter() - begun, _held_bytes()
    camera = Camera.from_fov(image.shape[1], image.shape[0], np.deg2rad(60))
    has_sigma, clock = False, _core_s if device == "cpu" else _wall_s

    def once() -> None:
        nonlocal has_sigma
        has_sigma = model(image, camera).sigma is not None

    spent = clock(once)
    predict_s = clock(once) if spent < QUICK_S else spent
    return _Asked(load_s, predict_s, has_sigma, loaded - before, _held_bytes() - loaded)


@torch.inference_mode()
def _match_s(image: Array, device: str) -> float:
    """What a million samples take to be matched, with all that comes along."""
    share = MATCHED_SIDE / max(image.shape[:2])
    small = np.asarray(Image.fromarray(image).resize([max(16, round(side * share)) for side in image.shape[1::-1]]))
    camera = Camera.from_fov(small.shape[1], small.shape[0], np.deg2rad(60))
    looks = [Look.of(small, camera, SE3(np.eye(3), np.array([0.1 * k, 0.0, 0.0])), device) for k in range(OTHERS + 1)]
    start = torch.zeros((2, *small.shape[:2]), device=device) + torch.tensor([1.0, 0.1], device=device)[:, None, None]
    opinions = [Opinion(start, camera, look.world_from_cam) for look in looks[1:]]
    clock = _core_s if device == "cpu" else _wall_s

    def once() -> None:
        refined(looks[0], looks[1:], opinions, start, MATCHED).sum().item()

    once()
    samples = small.shape[0] * small.shape[1] * samples_each(MATCHED, OTHERS)
    return float(1e6 / samples * min(clock(once), clock(once)))


def samples_each(how: Pass, others: int) -> float:
    """Samples of a pixel in a photometric pass: of the photos, and of what is known of their depth; aggregation."""
    return how.count * (others * (3 if how.asks else 1) + 2)


def _unit() -> None:
    rng = np.random.default_rng(0)
    values = rng.random(1_000_000, np.float32)
    order = np.argsort(values)
    np.exp(values[order]).cumsum()


def _speckled(size: tuple[int, int]) -> Array:
    """(H, W, 3) uint8 that stands for a frame of a video."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (max(1, size[1] // 8), max(1, size[0] // 8), 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def _held_bytes() -> int:
    """The most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _core_s(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def _wall_s(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _silent_colmap() -> Iterator[None]:
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before
