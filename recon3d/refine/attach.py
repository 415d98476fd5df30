"""Attachment: a field that is known well at some pixels and badly at others, carried from the ones to the others."""

import torch
from torch.nn.functional import interpolate, pad

STEPS = 30
"""Conjugate gradient steps at each size."""
SMALLEST = 8
"""Images are halved down to this side [px]."""


def attach(
    value: torch.Tensor, weight: torch.Tensor, across: torch.Tensor, down: torch.Tensor, pull: float
) -> torch.Tensor:
    """Finds the field x with the least Σ weight (x - value)² + pull Σ x² + Σ link (x - x')² over neighbouring pixels.

    Solved at half the size first, so that whole walls move along with their well-known rims.

    Args:
        value: (H, W).
        weight: (H, W) ≥ 0, one over the variance of each value.
        across: (H, W-1) > 0, links of pixels to their right neighbours, one over the variance of their difference.
        down: (H-1, W) > 0, links of pixels to those below.
        pull: towards 0, > 0.

    Returns:
        (H, W).
    """
    height, width = value.shape
    x = torch.zeros_like(value)
    if min(height, width) > SMALLEST:
        coarse_weight = _pooled(weight)
        coarse_value = _pooled(value * weight) / torch.clamp(coarse_weight, min=1e-12)
        coarse_links = _coarser(across), _coarser(down.T).T
        coarse = attach(coarse_value, coarse_weight, *coarse_links, 4 * pull)
        x = interpolate(coarse[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
    diagonal = weight + pull
    diagonal = diagonal + pad(across, (1, 0)) + pad(across, (0, 1)) + pad(down, (0, 0, 1, 0)) + pad(down, (0, 0, 0, 1))

    def applied(field: torch.Tensor) -> torch.Tensor:
        """The normal equations' matrix times a field."""
        sideways, downwards = across * (field[:, 1:] - field[:, :-1]), down * (field[1:] - field[:-1])
        result = (weight + pull) * field
        result[:, 1:] += sideways
        result[:, :-1] -= sideways
        result[1:] += downwards
        result[:-1] -= downwards
        return result

    left = weight * value - applied(x)
    direction = left / diagonal
    power = _product(left, direction)
    for _ in range(STEPS):
        change = applied(direction)
        step = power / torch.clamp(_product(direction, change), min=1e-30)
        x = x + step * direction
        left = left - step * change
        preconditioned = left / diagonal
        new_power = _product(left, preconditioned)
        direction = preconditioned + new_power / torch.clamp(power, min=1e-30) * direction
        power = new_power
    return x


def _product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Scalar product of two fields (H, W), row by row: a sum over all at once depends on how many threads share it."""
    return (a * b).sum(dim=1).sum()


def _pooled(values: torch.Tensor) -> torch.Tensor:
    """Sums over 2 x 2 pixels; the last row or column stands alone where their number is odd."""
    height, width = values.shape
    even = pad(values, (0, width % 2, 0, height % 2))
    return even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]


def _coarser(across: torch.Tensor) -> torch.Tensor:
    """Links (H, W-1) between columns as links between pairs of columns, of pairs of rows.

    From the middle of one pair to that of the next a path goes over half of each pair's own link and the one between.
    """
    height, columns = across.shape
    pairs = (columns + 2) // 2
    within = 0.5 / across[:, ::2]
    if within.shape[1] < pairs:  # the last column stands alone: the way to its middle is the link before it
        within = pad(within, (0, 1))
    between = 1 / across[:, 1::2][:, : pairs - 1]
    links = 1 / (between + within[:, :-1] + within[:, 1:])
    return pad(links, (0, 0, 0, height % 2)).reshape(-1, 2, pairs - 1).sum(dim=1)
