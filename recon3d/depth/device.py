"""The device that networks run on: what was asked for, or the best there is."""

import re

import torch

from recon3d.errors import InputError


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
