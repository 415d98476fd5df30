"""Trust: how much each depth of a frame weighs in the surface."""

from dataclasses import dataclass

import numpy as np

from recon3d.geometry import Camera, Frame
from recon3d.geometry.arrays import Array
from recon3d.refine.normals import normals_of

HEAVIEST = 4.0
"""No observation weighs more than this many mean ones, or less than one of so many: sigmas are estimates themselves.
With 16 the surface of a sensor fitted its unweighted mean less well (F at 2 cm .968 for .971)."""
COSINE_STEP = 4
"""Cosines are taken at every fourth pixel: slopes are measured over some pixels anyway."""


@dataclass(frozen=True)
class Trust:
    """How depths of known sigma are weighted: ∝ cos θ / (z² σ²), the mean of all 1.

    cos θ / z² is the share of a surface that a pixel stands for, 1 / σ² the weight of a measurement in the best mean.

    Attributes:
        mean: what 1 is, so that the mean observation weighs 1 [1/m⁴].
        least_sigma: added in quadrature [m], as the grid resolves no better; so a sigma of 0 has no infinite weight.
    """

    mean: float
    least_sigma: float

    @classmethod
    def from_samples(cls, cosine: Array, depth: Array, sigma: Array, least_sigma: float) -> "Trust":
        """Trust by which these samples, (N,) each, weigh 1 in the mean, after the heaviest and lightest are bounded."""
        raw = np.log(_raw(cosine, depth, sigma, least_sigma))
        low, high = raw.min() - np.log(HEAVIEST), raw.max() + np.log(HEAVIEST)
        for _ in range(50):  # halves it to far below rounding; the mean falls as `middle` grows
            middle = (low + high) / 2
            low, high = (middle, high) if _bounded(np.exp(raw - middle)).mean() > 1 else (low, middle)
        return cls(float(np.exp((low + high) / 2)), least_sigma)

    def weights(self, frame: Frame) -> Array:
        """(H, W) float32 weight of each pixel; 1 where the frame has no sigma."""
        if frame.sigma is None:
            return np.ones_like(frame.depth)
        cosine = cosines(frame.depth[::COSINE_STEP, ::COSINE_STEP], frame.camera)
        cosine = cosine.repeat(COSINE_STEP, axis=0).repeat(COSINE_STEP, axis=1)
        height, width = frame.depth.shape
        raw = _raw(cosine[:height, :width], np.maximum(frame.depth, np.float32(1e-6)), frame.sigma, self.least_sigma)
        return _bounded(raw * np.float32(1 / self.mean))


def cosines(depth: Array, camera: Camera) -> Array:
    """Cosine of the angle between each pixel's ray and the normal of the surface there.

    Args:
        depth: (h, w) float32 [m], of the camera's photo or of every n-th pixel of it; 0 = none.
        camera: of the photo.

    Returns:
        (h, w) float32; 1 where there is no depth.
    """
    camera = camera.resized(depth.shape[1], depth.shape[0])
    normals, rays = normals_of(depth, camera), camera.rays()
    cosine: Array = -np.einsum("vuc,vuc->vu", normals, rays)
    cosine /= np.sqrt(np.einsum("vuc,vuc->vu", rays, rays))
    cosine[depth <= 0] = 1
    return cosine


def _raw(cosine: Array, depth: Array, sigma: Array, least_sigma: float) -> Array:
    """The unbounded weight, cos θ / (z² σ²) [1/m⁴]; never 0."""
    raw = np.square(sigma)
    raw += np.float32(least_sigma**2)
    raw *= np.square(depth)
    share: Array = np.maximum(cosine, np.float32(0.01)) / raw
    return share


def _bounded(weights: Array) -> Array:
    bounded: Array = np.clip(weights, np.float32(1 / HEAVIEST), np.float32(HEAVIEST))
    return bounded
