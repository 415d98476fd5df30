"""Small pictures of photos and of maps over them, as data URLs of JPEG; maps are read by brightness alone."""

import base64
import io

import cv2
import numpy as np
from PIL import Image

from recon3d.geometry.arrays import Array

QUALITY = 82
STRIPE_PX = 6
"""Period of the diagonal stripes that mean "nothing here" [px]."""
STRIPES = np.array([[250, 250, 250], [150, 150, 150]], np.uint8)
"""Their colours, sRGB."""
KEPT, DROPPED = 255, 70
"""Greys of the map of what was kept."""


def size_of(values: Array, side: int) -> tuple[int, int]:
    """Width and height [px] of a picture of `values` (H, W, …) whose longer side is at most `side`."""
    height, width = values.shape[:2]
    share = min(1.0, side / max(height, width))
    return max(1, round(width * share)), max(1, round(height * share))


def photo(image: Array, side: int) -> str:
    """A photo (H, W, 3) uint8, made small enough for its longer side."""
    return _url(cv2.resize(image, size_of(image, side), interpolation=cv2.INTER_AREA))


def value_map(values: Array, low: float, high: float, side: int) -> str:
    """A map (H, W): dark at `low` and below, bright at `high` and above; stripes where it is 0 or NaN."""
    small = _nearest(values, side)
    known = np.isfinite(small) & (small > 0)
    share = np.clip((np.where(known, small, low) - low) / max(high - low, 1e-12), 0, 1)
    picture = cv2.applyColorMap((255 * share).round().astype(np.uint8), cv2.COLORMAP_CIVIDIS)[..., ::-1]
    return _url(np.where(known[..., None], picture, _stripes(small.shape)))


def kept_map(predicted: Array, kept: Array, side: int) -> str:
    """White where a depth was kept, dark grey where it was dropped, stripes where there was none; (H, W) bool each."""
    had, has = _nearest(predicted.astype(np.uint8), side) > 0, _nearest(kept.astype(np.uint8), side) > 0
    picture = np.where(has[..., None], np.uint8(KEPT), np.uint8(DROPPED)).repeat(3, axis=2)
    return _url(np.where((had | has)[..., None], picture, _stripes(had.shape)))


def ramp(width: int = 256, height: int = 16) -> str:
    """The colours of `value_map` from low to high."""
    shades = np.tile(np.linspace(0, 255, width).round().astype(np.uint8), (height, 1))
    return _url(cv2.applyColorMap(shades, cv2.COLORMAP_CIVIDIS)[..., ::-1])


def _nearest(values: Array, side: int) -> Array:
    small: Array = cv2.resize(values, size_of(values, side), interpolation=cv2.INTER_NEAREST)
    return small


def _stripes(shape: tuple[int, ...]) -> Array:
    v, u = np.indices(shape)
    stripes: Array = STRIPES[((u + v) % STRIPE_PX < STRIPE_PX // 2).astype(np.intp)]
    return stripes


def _url(pixels: Array) -> str:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
