"""How a photo becomes the input of a network: size, filter and normalisation, as its folder says."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from recon3d.depth.folder import read_json
from recon3d.errors import InputError
from recon3d.geometry.arrays import Array

PIXELS_MAX = 1280 * 720
"""Largest image that a network sees whose input keeps the photo's shape [px²].

Attention takes memory with its square: 3 600 patches of ZoeDepth cost about 4 GB, a photo of 20000 x 300 px would cost
65 GB. Photos up to 3:1 are as published, by ZoeDepth up to 6:1.
"""

_FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}
_FIXED = {"do_resize": True, "do_rescale": True}


@dataclass(frozen=True)
class NetworkInput:
    """How photos reach a network.

    Attributes:
        side: (height, width) toward which photos are resized [px]; None = their own, rounded down.
        keep_aspect_ratio: one scale for both sides, the one that changes the photo less.
        multiple: sides are rounded to multiples of this [px].
        resample: the filter of the resizing.
        as_pil: as Pillow resizes: the filter widens where the photo shrinks, and grey values are rounded; else as
            torch does, without antialiasing.
        mean: per channel, of values in 0…1.
        std: per channel, of values in 0…1.
    """

    side: tuple[int, int] | None
    keep_aspect_ratio: bool = False
    multiple: int = 1
    resample: Literal["bilinear", "bicubic"] = "bicubic"
    as_pil: bool = True
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The (h, w) at which the network sees a photo [px].

        Source: `get_resize_output_image_size` of transformers' DPTImageProcessor, GLPNImageProcessor.resize. What
        these don't have: a side is at least one multiple, and a photo whose shape is kept is made smaller than
        published where it would exceed `PIXELS_MAX`.
        """
        if self.side is None:
            h, w = height // self.multiple, width // self.multiple
        else:
            scale_h, scale_w = self.side[0] / height, self.side[1] / width
            if self.keep_aspect_ratio:
                scale_h = scale_w = scale_w if abs(1 - scale_w) < abs(1 - scale_h) else scale_h
            h, w = round(scale_h * height / self.multiple), round(scale_w * width / self.multiple)
        h, w = max(1, h), max(1, w)
        if self.side is None or self.keep_aspect_ratio:
            h, w = bounded(h, w, PIXELS_MAX // self.multiple**2)
        return h * self.multiple, w * self.multiple

    def pixels(self, image: Array, device: torch.device) -> Tensor:
        """An (H, W, 3) uint8 sRGB image as the (3, h, w) float32 that the network takes, on the device."""
        values = torch.tensor(image, device=device).permute(2, 0, 1)[None].float()
        size = self.size(image.shape[0], image.shape[1])
        if self.as_pil:  # one side, then the other, each to whole grey values
            for to in ((image.shape[0], size[1]), size):
                values = F.interpolate(values, to, mode=self.resample, align_corners=False, antialias=True)
                values = (values + 0.5).floor().clamp(0, 255)
        else:
            values = F.interpolate(values, size, mode=self.resample, align_corners=False)
        mean, std = (values.new_tensor(numbers).view(1, 3, 1, 1) for numbers in (self.mean, self.std))
        return ((values / 255 - mean) / std)[0]


def bounded(h: int, w: int, most: int) -> tuple[int, int]:
    """A size of at most so much area, and as it is where it fits: its shape kept, its sides at least 1."""
    if h * w <= most:
        return h, w
    shrink = math.sqrt(most / (h * w))
    h, w = max(1, int(h * shrink)), max(1, int(w * shrink))
    return min(h, max(1, most // w)), min(w, max(1, most // h))


def read_network_input(path: Path, published: NetworkInput, stride: int) -> NetworkInput:
    """What a preprocessor_config.json says.

    Args:
        path: the file; where it is absent, `published` holds.
        published: of the family, and what holds for what the file doesn't say.
        stride: the network takes sides that are multiples of this [px].

    Raises:
        InputError: it says what no published inference of depth does, or nonsense; names the file.
    """
    if not path.is_file():
        return published
    read = _read(path, published)
    step = read.multiple if read.side is None or read.keep_aspect_ratio else math.gcd(*read.size(*read.side))
    if step % stride:
        raise InputError(
            f"{path}: got sides that are multiples of {step} px, wanted multiples of {stride} as the network"
        )
    return read


def _read(path: Path, published: NetworkInput) -> NetworkInput:
    """What the file says, each value checked by itself."""
    data = read_json(path)
    for key, wanted in _FIXED.items():
        if data.get(key, wanted) is not wanted:
            raise InputError(f"{path}: got {key} = {data[key]!r}, wanted {wanted!r} as published")
    if data.get("do_pad") and data.get("size_divisor"):
        raise InputError(
            f"{path}: got do_pad with size_divisor = {data['size_divisor']!r}, wanted photos that are resized"
        )
    resample = data.get("resample", {"bilinear": 2, "bicubic": 3}[published.resample])
    if resample not in _FILTERS:
        raise InputError(f"{path}: got resample = {resample!r}, wanted 2 (bilinear) or 3 (bicubic)")
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if data.get("do_normalize") is not False:
        mean = _numbers(path, data, "image_mean", published.mean)
        std = _numbers(path, data, "image_std", published.std)
    read = replace(published, resample=_FILTERS[resample], mean=mean, std=std)
    if published.side is None:
        return replace(read, multiple=_multiple(path, data, "size_divisor", published.multiple))
    keep = data.get("keep_aspect_ratio", published.keep_aspect_ratio)
    if not isinstance(keep, bool):
        raise InputError(f"{path}: got keep_aspect_ratio = {keep!r}, wanted true or false")
    multiple = _multiple(path, data, "ensure_multiple_of", published.multiple)
    return replace(read, side=_side(path, data.get("size"), published.side), keep_aspect_ratio=keep, multiple=multiple)


def _side(path: Path, size: Any, default: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a preprocessor_config.json [px]."""
    if size is None:
        return default
    height: Any
    width: Any
    height, width = (size.get("height"), size.get("width")) if isinstance(size, dict) else (size, size)
    if not all(type(side) is int and 1 <= side <= 4096 for side in (height, width)):
        raise InputError(f"{path}: got size = {size!r}, wanted a height and a width of 1 to 4096 px")
    return height, width


def _multiple(path: Path, data: Any, key: str, default: int) -> int:
    """The number of pixels that sides are multiples of."""
    multiple = data.get(key, default)
    if type(multiple) is not int or not 1 <= multiple <= 512:
        raise InputError(f"{path}: got {key} = {multiple!r}, wanted a whole number of pixels, {default} as published")
    return multiple


def _numbers(path: Path, data: Any, key: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
    """Three numbers, one a channel."""
    values = data.get(key, list(default))
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(v, int | float) for v in values):
        raise InputError(f"{path}: got {key} = {values!r}, wanted three numbers")
    if key == "image_std" and not all(value > 0 for value in values):
        raise InputError(f"{path}: got {key} = {values!r}, wanted numbers above 0")
    return float(values[0]), float(values[1]), float(values[2])
