"""How a photo becomes ZoeDepth's input: reflected at its border, resized, normalised, as its folder says."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon3d.depth.folder import read_json
from recon3d.depth.network_input import PIXELS_MAX, bounded
from recon3d.errors import InputError
from recon3d.geometry.arrays import Array

STRIDE = 32
"""Sides that the network sees are multiples of this [px]: patches of 16, and a neck that halves them once."""

_FIXED = {"do_resize": True, "do_rescale": True, "do_pad": True, "do_normalize": True, "keep_aspect_ratio": True}
_BILINEAR = 2


@dataclass(frozen=True)
class Preprocessing:
    """How a folder's preprocessor_config.json says that photos reach the network.

    Attributes:
        height: side that photos are resized toward [px].
        width: side that photos are resized toward [px].
        multiple: sides are rounded to multiples of this [px].
        mean: per channel, of values in 0…1.
        std: per channel, of values in 0…1.
    """

    height: int
    width: int
    multiple: int = STRIDE
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)


def network_pixels(image: Array, how: Preprocessing, device: torch.device) -> Tensor:
    """The photo as the network sees it.

    Bilinear with align_corners and without antialiasing looks at four pixels of the photo for each that the network
    sees: these are looked up, padding and all, instead of padding and converting the whole photo.

    Args:
        image: (H, W, 3) uint8 sRGB.
        how: the preprocessing.
        device: where to.

    Returns:
        (3, h, w) float32, normalised.
    """
    height, width = image.shape[:2]
    h, w = network_size(height + 2 * padding(height), width + 2 * padding(width), how)
    photo = torch.tensor(image, device=device)
    top, bottom, down = _taps(height, h, device)
    left, right, across = _taps(width, w, device)
    rows = [photo[at] for at in (top, bottom)]
    upper, lower = (torch.lerp(row[:, left].float(), row[:, right].float(), across[:, None]) for row in rows)
    values = torch.lerp(upper, lower, down[:, None, None]).permute(2, 0, 1) / 255
    mean, std = (values.new_tensor(numbers).view(3, 1, 1) for numbers in (how.mean, how.std))
    return (values - mean) / std


def _taps(length: int, count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `count` pixels that the network sees: two pixels of the photo's side, and the weight of the second.

    Places beyond the photo reflect about its first and last pixel.
    """
    pad = padding(length)
    places = np.linspace(0, length + 2 * pad - 1, count)
    first = places.astype(np.int64)
    reflected = np.pad(np.arange(length), pad, mode="reflect")
    taps = reflected[first], reflected[np.minimum(first + 1, len(reflected) - 1)], (places - first).astype(np.float32)
    near, far, weight = (torch.from_numpy(values).to(device) for values in taps)
    return near, far, weight


def padding(side: int) -> int:
    """Pixels that are reflected before and after a side of the photo [px]."""
    return int(math.sqrt(side / 2) * 3)


def network_size(height: int, width: int, how: Preprocessing) -> tuple[int, int]:
    """The size at which the network sees a padded photo.

    The side that needs the smaller change sets the scale for both; each is rounded to a multiple. Where that would
    exceed `PIXELS_MAX` the scale is lowered to fit; a side never falls below one multiple.

    Args:
        height: of the padded photo [px].
        width: of the padded photo [px].
        how: the preprocessing.

    Returns:
        (h, w) [px].
    """
    scale = how.height / height
    if abs(1 - how.width / width) < abs(1 - scale):
        scale = how.width / width
    h, w = (max(1, round(scale * side / how.multiple)) for side in (height, width))
    h, w = bounded(h, w, PIXELS_MAX // how.multiple**2)
    return h * how.multiple, w * how.multiple


def preprocessing_of(path: Path, config: Any) -> Preprocessing:
    """How photos reach the network.

    Args:
        path: preprocessor_config.json; where it is absent the published values hold, 384 x 768 px for the KITTI
            network (the one with "normed" bins), else 384 x 512 px.
        config: the content of config.json.

    Raises:
        InputError: it says what the published inference does not do.
    """
    if not path.is_file():
        return Preprocessing(384, 768 if config.get("bin_centers_type") == "normed" else 512)
    data = read_json(path)
    for key, wanted in _FIXED.items():
        if data.get(key, wanted) is not wanted:
            raise InputError(f"{path}: got {key} = {data[key]!r}, wanted {wanted!r} as published")
    if data.get("resample", _BILINEAR) != _BILINEAR:
        raise InputError(f"{path}: got resample = {data['resample']!r}, wanted {_BILINEAR} (bilinear) as published")
    height, width = (_side(path, data.get("size"), key, side) for key, side in (("height", 384), ("width", 512)))
    multiple = data.get("ensure_multiple_of", STRIDE)
    if type(multiple) is not int or multiple < STRIDE or multiple % STRIDE or multiple > max(height, width):
        raise InputError(f"{path}: got ensure_multiple_of = {multiple!r}, wanted {STRIDE} or a multiple of it")
    statistics = []
    for key in ("image_mean", "image_std"):
        values = data.get(key, [0.5, 0.5, 0.5])
        if not isinstance(values, list) or len(values) != 3 or not all(isinstance(v, int | float) for v in values):
            raise InputError(f"{path}: got {key} = {values!r}, wanted three numbers")
        statistics.append(tuple(float(value) for value in values))
    if not all(value > 0 for value in statistics[1]):
        raise InputError(f"{path}: got image_std = {list(statistics[1])}, wanted numbers above 0")
    return Preprocessing(height, width, multiple, statistics[0], statistics[1])


def _side(path: Path, size: Any, key: str, default: int) -> int:
    """One side of the size in a preprocessor_config.json [px]."""
    side = default if size is None else size.get(key) if isinstance(size, dict) else size
    if type(side) is not int or not STRIDE <= side <= PIXELS_MAX // STRIDE:
        raise InputError(f"{path}: got size.{key} = {side!r}, wanted a whole number of pixels ≥ {STRIDE}")
    return side
