"""The device that networks run on: what was asked for, or the best there is, and when it has too little memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from recon3d.errors import InputError, StageError
from recon3d.geometry.camera import Camera

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "_ALLOC_FAILED")
"""What MPS, the CPU and the libraries of CUDA say in a plain RuntimeError."""

_LOSS_WORDS = ("CUDA error", "device-side assert", "MPS backend", "command buffer", "HIP error")
"""What torch says of a GPU that fell off the bus, was reset, or failed in a kernel."""


def pick_device(wanted: str) -> str:
    """Names the torch device to run on.

    Args:
        wanted: "auto" (CUDA, else MPS, else the CPU), "cuda", "cuda:N", "mps" or "cpu".

    Returns:
        A name that torch takes.

    Raises:
        InputError: the device is unknown, or asked for and absent.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", wanted):
        raise InputError(f"device: got {wanted!r}, wanted one of auto, cuda, cuda:N, mps, cpu")
    cuda_count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has_mps = torch.backends.mps.is_available()
    if wanted == "auto":
        return "cuda" if cuda_count else "mps" if has_mps else "cpu"
    if wanted == "mps" and not has_mps:
        raise InputError("device mps: this machine or its torch has no Apple GPU; use --device auto or cpu")
    if wanted.startswith("cuda") and not cuda_count:
        build = "" if torch.version.cuda else " (this torch is built without CUDA)"
        raise InputError(f"device {wanted}: torch sees no CUDA GPU{build}; use --device auto or cpu")
    if wanted.startswith("cuda:") and int(wanted[5:]) >= cuda_count:
        raise InputError(f"device {wanted}: this machine has {cuda_count} CUDA GPUs, counted from cuda:0")
    return wanted


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device has too little memory; only CUDA's own allocator has a type for it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _MEMORY_WORDS)


def check_precision(device: str, precision: str) -> None:
    """Refuses bfloat16 on a GPU that computes without it.

    Raises:
        InputError: says which precision to take.
    """
    if precision == "bfloat16" and device.startswith("cuda") and not torch.cuda.is_bf16_supported(False):
        raise InputError("depth.precision: this GPU has no bfloat16; set depth.precision to float16 or float32")


@contextmanager
def loss_named(model: str, device: str) -> Iterator[None]:
    """A device that fails in the middle of its work comes out as a StageError that says so; other errors as they are.

    Args:
        model: its name.
        device: that it is on.
    """
    try:
        yield
    except RuntimeError as error:
        if device == "cpu" or is_out_of_memory(error) or not any(word in str(error) for word in _LOSS_WORDS):
            raise
        reason = str(error).splitlines()[0]
        raise StageError(
            f"{model}: the device {device} failed ({reason}); what was predicted is kept: run the same command again, "
            "or with --device cpu"
        ) from error


@contextmanager
def memory_named(model: str, device: str, camera: Camera) -> Iterator[None]:
    """Too little memory for one photo comes out as a StageError that says so; other errors as they are.

    Args:
        model: its name.
        device: that it is on.
        camera: of the photo.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        elsewhere = "" if device == "cpu" else ", or use --device cpu"
        raise StageError(
            f"{model}: out of memory on {device} with a photo of {camera.width} x {camera.height} px; close other "
            f"programs that use it, lower photos.max_side or take a smaller model{elsewhere}"
        ) from error
