"""A smooth correction of one view's depth scale, kept only where it foretells ties that it has not seen."""

import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.scale.per_view import GATE, HUBER, MAD_TO_SIGMA, ViewScale, log_ratios
from recon3d.scale.ties import Ties

TERMS = 7
"""Of the field: 1, x, y, x², xy, y² over the image, and the logarithm of depth, which networks compress."""
PRIOR = np.array([1.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
"""Standard deviation of each coefficient before any tie is seen."""
PATCHES = 6
"""The image is cut into this many patches along each side; ties of a patch are held out together."""
FOLDS = 5
GAIN = 0.9
"""The held-out error must fall below this share of what the one scale leaves."""
TIES_PER_TERM = 8
"""Ties wanted for each coefficient."""
LIMIT = 0.7
"""Largest correction of the logarithm of depth; where there are no ties the polynomial would run away."""

Field = tuple[float, ...]
"""Coefficients of the terms; empty = none."""


def fit_field(ties: Ties, depth: Array, view: ViewScale) -> tuple[Field, float]:
    """Fits log z_tie - log depth - log_scale as a low-order field over the image and over depth.

    A MAP estimate: Huber's loss on the ties, a normal prior on the coefficients. Cross-validated over patches of the
    image, so that a held-out tie has no neighbour among those that the field was fitted to.

    Args:
        ties: of this view.
        depth: (H, W) float32 [m] of the undistorted photo, 0 = none.
        view: its one scale.

    Returns:
        The coefficients, or none where the field doesn't win; and the relative sigma that is left, held out.
    """
    r, weight, uv = log_ratios(ties, depth)
    r = r - view.log_scale
    inlier = np.abs(r) <= GATE * max(view.relative_sigma, 1e-6)
    r, weight, uv = r[inlier], weight[inlier], uv[inlier]
    if len(r) < TERMS * TIES_PER_TERM:
        return (), view.relative_sigma
    height, width = depth.shape
    terms = _terms(uv[:, 0], uv[:, 1], depth[uv[:, 1], uv[:, 0]], depth)
    patch = uv[:, 0] * PATCHES // width + PATCHES * (uv[:, 1] * PATCHES // height)
    fold = np.random.default_rng(0).permutation(PATCHES**2)[patch] % FOLDS
    left = np.empty_like(r)
    for held in range(FOLDS):
        out = fold == held
        left[out] = r[out] - np.clip(terms[out] @ _fitted(terms[~out], r[~out], weight[~out]), -LIMIT, LIMIT)
    before, after = np.median(np.abs(r)), np.median(np.abs(left))
    if not after < GAIN * before:
        return (), view.relative_sigma
    return tuple(_fitted(terms, r, weight).tolist()), float(MAD_TO_SIGMA * after)


def field_factor(depth: Array, field: Field) -> Array:
    """(H, W) float32: what the field multiplies each depth by; 1 where there is no field."""
    if not field:
        return np.ones(depth.shape, np.float32)
    v, u = (np.asarray(index, np.float32) for index in np.indices(depth.shape))
    correction = np.zeros(depth.shape, np.float32)
    for coefficient, term in zip(field, _term_list(u, v, depth, depth), strict=True):
        correction += np.float32(coefficient) * term
    factor: Array = np.exp(np.clip(correction, -LIMIT, LIMIT)).astype(np.float32)
    return factor


def _terms(u: Array, v: Array, values: Array, depth: Array) -> Array:
    """(N, TERMS) at pixels with the depths `values`."""
    return np.stack(_term_list(u, v, values, depth), axis=-1).astype(np.float64)


def _term_list(u: Array, v: Array, values: Array, depth: Array) -> list[Array]:
    height, width = depth.shape
    valid = depth[depth > 0]
    middle = float(np.median(valid)) if len(valid) else 1.0
    x, y = (2 * u + 1) / np.float32(width) - 1, (2 * v + 1) / np.float32(height) - 1
    far = np.log(np.where(values > 0, values, middle) / np.float32(middle))
    return [np.ones_like(x), x, y, x * x, x * y, y * y, far]


def _fitted(terms: Array, r: Array, weight: Array) -> Array:
    """(TERMS,) coefficients by iteratively reweighted ridge regression."""
    coefficients: Array = np.zeros(TERMS)
    for _ in range(8):
        residual = np.abs(r - terms @ coefficients)
        sigma = max(MAD_TO_SIGMA * float(np.median(residual)), 1e-6)
        pull = weight * np.minimum(1.0, HUBER * sigma / np.maximum(residual, 1e-12)) / sigma**2
        normal = (terms * pull[:, None]).T @ terms + np.diag(1 / PRIOR**2)
        coefficients = np.linalg.solve(normal, (terms * pull[:, None]).T @ r)
    return coefficients
