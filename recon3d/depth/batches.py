"""Photos through a depth model, as many at a time as pays and fits."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch

from recon3d.depth.device import is_out_of_memory, loss_named, memory_named
from recon3d.depth.model import BatchDepthModel, DepthModel, DepthPrediction
from recon3d.errors import InputError, Recon3dError
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Camera

Photo = tuple[str, Array, Camera]
"""Name, (H, W, 3) uint8 sRGB image, camera."""

MEMORY_SHARE = 0.8
"""Of the memory that is free, at most this share is used by an automatic batch."""
BATCH_MAX = 32
"""Largest automatic batch: beyond it a data-centre GPU is full, and only waiting grows."""


def predictions(
    model: DepthModel,
    photos: Iterable[Photo],
    *,
    batch: int | None,
    device: str,
    smaller: Callable[[int, int], None],
) -> Iterator[tuple[str, DepthPrediction]]:
    """Predicts all photos; those of one batch come out in the order in which they came in.

    Photos whose buckets differ wait for company, but never more than two batches of them in all: memory does not
    grow with the number of photos. Models that take no batches see one photo at a time.

    Args:
        model: any depth model.
        photos: taken one by one.
        batch: photos at a time; None = one on the CPU, where more doesn't help, and on CUDA what fits, by what the
            first photo of each bucket took.
        device: that the model is on, as torch calls it.
        smaller: told once of how many photos at a time the device had too little memory for, and how many are tried
            instead.

    Yields:
        Each photo's name and prediction, as large as its image.

    Raises:
        InputError: the model's answer is no prediction of the photo; names it. The model's own errors come with the
            photo's name.
        StageError: too little memory for one photo.
    """
    if not isinstance(model, BatchDepthModel):
        for photo in photos:
            with about(photo[0]), memory_named(model.name, device, photo[2]), loss_named(model.name, device):
                answer = model(photo[1], photo[2])
            yield photo[0], _checked(model, answer, photo)
        return
    limits: dict[Hashable, int] = {}
    waiting: dict[Hashable, list[Photo]] = {}
    told = False

    def run(bucket: Hashable) -> Iterator[tuple[str, DepthPrediction]]:
        nonlocal told
        queue = waiting.pop(bucket)
        while queue:
            now = queue[: limits[bucket]]
            answers = _batch(model, now, device)
            if answers is None:
                limits[bucket] = len(now) // 2
                if not told:
                    smaller(len(now), limits[bucket])
                told = True
                continue
            queue = queue[len(now) :]
            for photo, answer in zip(now, answers, strict=True):
                yield photo[0], _checked(model, answer, photo)

    for photo in photos:
        bucket = model.bucket(photo[2])
        waiting.setdefault(bucket, []).append(photo)
        if bucket not in limits:
            limits[bucket] = batch or 1
            if batch is None and device.startswith("cuda"):
                before = _begin_measuring(device)
                yield from run(bucket)
                limits[bucket] = _affordable(device, before)
                continue
        if len(waiting[bucket]) >= limits[bucket]:
            yield from run(bucket)
        elif sum(map(len, waiting.values())) >= 2 * max(limits.values()):
            yield from run(max(waiting, key=lambda key: len(waiting[key])))
    for bucket in list(waiting):
        yield from run(bucket)


def batch_size(taken_bytes: int, free_bytes: int) -> int:
    """Photos at a time that stay within `MEMORY_SHARE` of what is free, where one photo took so much; at least 1."""
    return max(1, min(BATCH_MAX, int(MEMORY_SHARE * free_bytes / max(taken_bytes, 1))))


def _begin_measuring(device: str) -> int:
    """Bytes that are allocated on a CUDA device, whose peak counts from now on."""
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _affordable(device: str, before: int) -> int:
    """Photos at a time that fit, by what one photo took since `_begin_measuring`."""
    taken = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()  # what is kept for reuse counts as free
    return batch_size(taken, torch.cuda.mem_get_info(device)[0])


def _batch(model: BatchDepthModel, photos: Sequence[Photo], device: str) -> list[DepthPrediction] | None:
    """The answers about photos of one bucket; None where the device has too little memory for so many."""
    names, images, cameras = zip(*photos, strict=True)
    alone = memory_named(model.name, device, cameras[0]) if len(photos) == 1 else nullcontext()
    answers = None
    try:
        with about(*names), alone, loss_named(model.name, device):
            answers = model.batch(images, cameras)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    if answers is None:  # out of the handler: the error holds what the failed attempt allocated
        torch.cuda.empty_cache()
    elif len(answers) != len(photos):
        raise InputError(f"{model.name}: got {len(answers)} predictions for a batch of {len(photos)} photos")
    return answers


def _checked(model: DepthModel, answer: object, photo: Photo) -> DepthPrediction:
    """The model's answer, if it is a prediction of the photo."""
    name, image, _ = photo
    if not isinstance(answer, DepthPrediction):
        raise InputError(f"{model.name}: returned {type(answer).__name__} for {name}, wanted a recon3d.DepthPrediction")
    if answer.values.shape != image.shape[:2]:
        raise InputError(f"{model.name}: got depth {answer.values.shape} for {name}, wanted {image.shape[:2]}")
    return answer


@contextmanager
def about(*names: str) -> Iterator[None]:
    """Errors that come out name the photos that the work was about; bugs keep their type and traceback."""
    try:
        yield
    except Recon3dError as error:
        if any(name in str(error) for name in names):
            raise
        raise type(error)(f"{', '.join(names)}: {error}") from error
    except Exception as error:
        error.add_note(f"while working on {', '.join(names)}")
        raise
