"""What cameras do to pictures: blur, exposure, colour, vignetting, noise, JPEG; drawn anew each time."""

import cv2
import numpy as np
from numpy.typing import NDArray


def shrink(image: NDArray[np.uint8], depth: NDArray[np.float32], long: int) -> tuple[NDArray, NDArray]:
    """Averages the picture down to `long` px along its longer side, and picks depths: depth is never averaged."""
    h, w = depth.shape
    scale = long / max(h, w)
    if scale == 1:
        return image, depth
    rows, cols = round(h * scale), round(w * scale)
    small = cv2.resize(image, (cols, rows), interpolation=cv2.INTER_AREA)
    i, j = ((np.arange(rows) + 0.5) / scale).astype(int), ((np.arange(cols) + 0.5) / scale).astype(int)
    return small, depth[np.ix_(i, j)]


def photograph(rng: np.random.Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draws camera effects on an (H, W, 3) uint8 sRGB picture."""
    x = image.astype(np.float32) * (1 / 255)
    h, w = x.shape[:2]
    if rng.random() < 0.6:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.3, 0.9) * w / 192)
    gain = 2 ** rng.normal(0, 0.25) * np.exp(rng.normal(0, 0.08, 3))
    x = np.clip(x, 1e-4, 1) ** np.exp(rng.normal(0, 0.18)) * gain.astype(np.float32)
    grey = x.mean(-1, keepdims=True)
    x = grey + (x - grey) * rng.uniform(0.3, 1.5)
    if rng.random() < 0.3:
        x = x + (0.5 - x) * rng.uniform(0, 0.3)  # a flat picture
    if rng.random() < 0.5:
        v, u = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        x = x * (1 - rng.uniform(0, 0.35) * (u * u + v * v) / 2)[..., None].astype(np.float32)
    if rng.random() < 0.4:  # uneven light or dirt
        patch = rng.normal(0, 1, (int(rng.integers(2, 6)), int(rng.integers(2, 6)))).astype(np.float32)
        x = x * (1 + rng.uniform(0, 0.15) * cv2.resize(patch, (w, h), interpolation=cv2.INTER_CUBIC))[..., None]
    if rng.random() < 0.6:
        x = x + rng.normal(0, rng.uniform(0.002, 0.035), x.shape).astype(np.float32)
    out = (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(35, 96))
        coded = cv2.imencode(".jpg", out, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
        out = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return out


def sample(
    rng: np.random.Generator, image: NDArray[np.uint8], depth: NDArray[np.float32], long: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """One training pair: shrunk, mirrored or not, photographed."""
    image, depth = shrink(image, depth, long)
    if rng.random() < 0.5:
        image, depth = image[:, ::-1], depth[:, ::-1]
    return photograph(rng, np.ascontiguousarray(image)), np.ascontiguousarray(depth)
