"""One colour for each point from the samples that photos give of it."""

import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.texture.exposure import Exposure
from recon3d.texture.samples import BEST, Samples

CHUNK = 500_000
"""Points that are blended at a time."""
OUTLIER = 24.0
"""Difference from the middle of all samples at which one counts half [of 255]."""
CLIPPED = 252
"""Values above are not believed: the sensor's end lies there."""
FADE = 0.15
"""Samples that are better than the worst that is kept by less than this share count for less: none jumps in or out."""


def blend(samples: Samples, exposure: Exposure, prior: Array) -> tuple[Array, Array]:
    """Weighted mean of each point's samples, those that the others contradict left out.

    Args:
        samples: of N points.
        exposure: of the photos.
        prior: (N, 3) uint8 what is believed without samples; has a vote among few.

    Returns:
        (N, 3) float32 sRGB in 0 to 255, and (N,) bool whether any photo shows the point.
    """
    colors = np.empty((len(prior), 3), np.float32)
    gain, bias = exposure.gain.astype(np.float32), exposure.bias.astype(np.float32)
    for start in range(0, len(prior), CHUNK):
        part = slice(start, start + CHUNK)
        weight, photo = samples.weight[part], samples.photo[part]
        now = gain[photo] * samples.color[part] + bias[photo]
        there = weight > 0
        middle = _middle(now, there, prior[part].astype(np.float32))
        residual = np.abs(now - middle[:, None]).max(axis=2)
        believed = 1 / (1 + (residual / OUTLIER) ** 4)
        believed *= np.where((samples.color[part] > CLIPPED).any(axis=2), 0.05, 1)
        least = np.maximum(weight.min(axis=1), 1e-30)[:, None]
        counts = weight * np.clip((weight / least - 1) / FADE, 0.02, 1) * believed
        total = counts.sum(axis=1)
        mean = np.einsum("nk,nkc->nc", counts, now) / np.maximum(total, 1e-30)[:, None]
        colors[part] = np.where((total > 0)[:, None], mean, prior[part])
    return np.clip(colors, 0, 255), np.asarray((samples.weight > 0).any(axis=1))


def _middle(now: Array, there: Array, prior: Array) -> Array:
    """(N, 3) median of the samples that are there; of one or two, with the prior among them."""
    few = there.sum(axis=1) <= 2
    votes = np.concatenate([np.where(there[..., None], now, np.nan), prior[:, None]], axis=1)
    votes[~few, BEST] = np.nan
    votes.sort(axis=1)  # NaN goes last
    count = there.sum(axis=1) + few
    rows = np.arange(len(votes))
    low, high = votes[rows, (count - 1) // 2], votes[rows, count // 2]
    return np.asarray((low + high) / 2)
