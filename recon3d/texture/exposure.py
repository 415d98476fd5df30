"""Exposure: a gain and a bias for each photo and channel that make photos agree on the surface that they share."""

from dataclasses import dataclass

import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.texture.samples import Samples

WORTH = 0.9
"""Exposures are taken where they lower the differences between photos, at points not fitted to, to less than this."""
ROUNDS = 20
"""Times that colours of points and exposures of photos are fitted in turn."""
CLIPPED = (4, 250)
"""Values outside these are not believed: the sensor's end lies between."""
OUTLIER = 12.0
"""Residual at which a sample counts half [of 255]."""
PRIOR = 0.01
"""What the belief in an unchanged photo counts, of all that it shares with others."""


@dataclass(frozen=True, eq=False)
class Exposure:
    """How each photo's sRGB values are made those of all: `gain * value + bias`.

    Values of sRGB are a power of light, so more light is a gain and a small bias of them.

    Attributes:
        gain: (P, 3) float64.
        bias: (P, 3) float64 [of 255].
    """

    gain: Array
    bias: Array


def fit_exposure(samples: Samples, photos: int) -> Exposure:
    """Least squares over the points that photos share, less what contradicts (shadows, passers-by, reflections).

    Alternates between the points' colours and the photos' exposures; the photos' mean exposure stays as it is. Half of
    the points are fitted to and the others tell whether it is worth it: photos of one exposure are left alone.

    Args:
        samples: of points all over the surface.
        photos: their number.
    """
    shared = np.flatnonzero(np.count_nonzero(samples.weight > 0, axis=1) >= 2)
    same = Exposure(np.ones((photos, 3)), np.zeros((photos, 3)))
    if len(shared) < 2:
        return same
    fitted = _fitted(_part(samples, shared[::2]), photos)
    others = _part(samples, shared[1::2])
    return fitted if _difference(others, fitted) < WORTH * _difference(others, same) else same


def _part(samples: Samples, points: Array) -> Samples:
    return Samples(samples.weight[points], samples.color[points], samples.photo[points])


def _good(samples: Samples) -> Array:
    """(N, BEST) bool: samples that are there and not clipped."""
    inside = (samples.color > CLIPPED[0]) & (samples.color < CLIPPED[1])
    return np.asarray(inside.all(axis=2) & (samples.weight > 0))


def _difference(samples: Samples, exposure: Exposure) -> float:
    """Median difference of samples from the mean of their point's [of 255]."""
    good = _good(samples)
    good &= np.count_nonzero(good, axis=1, keepdims=True) >= 2
    if not good.any():
        return 0.0
    now = exposure.gain[samples.photo] * samples.color + exposure.bias[samples.photo]
    mean = np.einsum("nk,nkc->nc", good, now) / np.maximum(np.count_nonzero(good, axis=1), 1)[:, None]
    return float(np.median(np.abs(now - mean[:, None])[good]))


def _fitted(samples: Samples, photos: int) -> Exposure:
    """The alternation."""
    gain, bias = np.ones((photos, 3), np.float64), np.zeros((photos, 3), np.float64)
    color, photo, good = samples.color.astype(np.float64), samples.photo, _good(samples)
    weight = np.sqrt(samples.weight / samples.weight.max(axis=1, keepdims=True))
    base = np.where(good, weight, 0)
    robust = np.ones_like(base)
    share = np.maximum(np.bincount(photo[good], minlength=photos), 1).astype(np.float64)
    share /= share.sum()
    flat = photo.reshape(-1)
    for turn in range(ROUNDS):
        now = gain[photo] * color + bias[photo]
        w = base * robust
        total = np.maximum(w.sum(axis=1), 1e-12)
        mean = np.einsum("nk,nkc->nc", w, now) / total[:, None]
        residual = np.abs(now - mean[:, None]).max(axis=2)
        robust = 1 / (1 + (residual / (OUTLIER * (1 + 4 * 0.7**turn))) ** 2)  # blunt at first, so that all take part
        w = (base * robust).reshape(-1)
        for channel in range(3):
            x, y = color[..., channel].reshape(-1), np.repeat(mean[:, channel], base.shape[1])
            s1, sx, sy, sxx, sxy = (np.bincount(flat, w * values, photos) for values in (1.0, x, y, x * x, x * y))
            # the prior: values 64 and 192 stay what they are
            prior = PRIOR * s1 + 1e-6
            s1, sx, sy = s1 + prior, sx + prior * 128, sy + prior * 128
            sxx, sxy = sxx + prior * (128**2 + 64**2), sxy + prior * (128**2 + 64**2)
            slope = (s1 * sxy - sx * sy) / np.maximum(s1 * sxx - sx * sx, 1e-12)
            shift = (sy - slope * sx) / s1
            middle = float(share @ slope)
            gain[:, channel] = slope / middle
            bias[:, channel] = (shift - share @ shift) / middle
    return Exposure(gain, bias)
