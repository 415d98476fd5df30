"""A smooth correction of one view's depth scale: a low-order function of the place in the photo and of depth."""

import numpy as np

from recon3d.geometry.arrays import Array

TERMS = 7
"""Of the field: 1, x, y, x², xy, y² over the image, and the logarithm of depth, which networks compress."""
LIMIT = 0.7
"""Largest correction of the logarithm of depth; where there are no ties the polynomial would run away."""

Field = tuple[float, ...]
"""Coefficients of the terms; empty = none."""


def field_factor(depth: Array, field: Field) -> Array:
    """(H, W) float32: what the field multiplies each depth by; 1 where there is no field."""
    if not field:
        return np.ones(depth.shape, np.float32)
    height, width = depth.shape
    middle = np.float32(middle_of(depth))
    log_depth = np.log(np.where(depth > 0, depth, np.exp(middle)), dtype=np.float32)
    v, u = (np.asarray(index, np.float32) for index in np.indices(depth.shape))
    correction = np.zeros(depth.shape, np.float32)
    for coefficient, term in zip(field, _terms(u, v, width, height, log_depth - middle), strict=True):
        correction += np.float32(coefficient) * term
    factor: Array = np.exp(np.clip(correction, -LIMIT, LIMIT)).astype(np.float32)
    return factor


def field_terms(uv: Array, width: int, height: int, far: Array) -> Array:
    """(N, TERMS) float64: the terms at pixels.

    Args:
        uv: (N, 2) [px].
        width: of the image that the pixels are of [px].
        height: the same [px].
        far: (N,) log depth over the view's middle one.
    """
    return np.stack(_terms(uv[:, 0].astype(float), uv[:, 1].astype(float), width, height, far), axis=1)


def middle_of(depth: Array) -> float:
    """Logarithm of the median depth: where the last term of the field is 0."""
    valid = depth[depth > 0]
    return float(np.log(np.median(valid))) if len(valid) else 0.0


def _terms(u: Array, v: Array, width: int, height: int, far: Array) -> list[Array]:
    x, y = (2 * u + 1) / np.float32(width) - 1, (2 * v + 1) / np.float32(height) - 1
    return [np.ones_like(x), x, y, x * x, x * y, y * y, far]
