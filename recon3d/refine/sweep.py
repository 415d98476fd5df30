"""Sweep: how well each hypothetical depth of a view matches other photos of the same things."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from recon3d.refine.warp import Look, Warp

NOISE = 1.0 / 255
"""Grey noise of photos after resampling; windows of less contrast match nothing well and nothing badly."""
RADIUS = 3
"""Windows are 7 x 7 pixels."""
NEUTRAL = 1.0
"""Cost of what a photo says nothing about: outside it, behind it, or without texture."""


def matching_cost(view: Look, others: Sequence[Look], depth: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Compares windows of a photo with those of others, warped by each hypothesis.

    Hypothesis l of a pixel is depth · exp(offsets[l]): all have the shape of `depth`, so that slanted surfaces fit in
    their windows. The cost is 1 - NCC, made neutral where a window holds no more than noise; of the others, the best
    third counts, so that a thing hidden from half of them, as beside an edge, is found by the rest.

    Args:
        view: the photo whose depth is sought.
        others: photos it is compared with, at least one.
        depth: (H, W) [m], > 0, the shape around which hypotheses lie.
        offsets: (L,) of the logarithm of depth.

    Returns:
        (L, H, W) cost, 0 = all of the best third match perfectly, 1 = nothing matches.
    """
    best = (len(others) + 2) // 3
    chunk = view.chunk()
    window = _Windows.of(view.grey)
    warps = [(other, Warp.between(view, other.camera, other.world_from_cam)) for other in others]
    inverse = 1 / depth
    cost = torch.empty((len(offsets), *depth.shape), device=depth.device)
    for start in range(0, len(offsets), chunk):
        nearness = inverse * torch.exp(-offsets[start : start + chunk])[:, None, None]
        lowest = [torch.full_like(nearness, NEUTRAL) for _ in range(best)]
        for other, warp in warps:
            shown, _, outside = warp.sampled(other.grey[None], nearness)
            found = window.cost(shown[0], outside)
            for rank in range(best):
                lowest[rank], found = torch.minimum(lowest[rank], found), torch.maximum(lowest[rank], found)
        cost[start : start + chunk] = torch.stack(lowest).mean(dim=0)
    return cost


@dataclass(frozen=True, eq=False)
class _Windows:
    """The windows of the view that is matched: its centred pixels, their mean and variance, and their number."""

    grey: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor
    count: torch.Tensor

    @classmethod
    def of(cls, grey: torch.Tensor) -> "_Windows":
        """Windows about every pixel; at the borders of the image they are cut."""
        grey = grey - 0.5
        count = _sums(torch.ones_like(grey))
        mean = _sums(grey) / count
        variance = torch.clamp(_sums(grey * grey) / count - mean * mean, min=0) + NOISE**2
        return cls(grey, mean, variance, count)

    def cost(self, other: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
        """1 - NCC, between 0 and 1, for each of (C, H, W) warped photos."""
        other = other - 0.5
        mean = _sums(other) / self.count
        variance = torch.clamp(_sums(other * other) / self.count - mean * mean, min=0) + NOISE**2
        covariance = _sums(other * self.grey) / self.count - mean * self.mean
        ncc = covariance * torch.rsqrt(variance * self.variance)
        return torch.clamp(1 - ncc, 0, NEUTRAL).masked_fill(outside, NEUTRAL)


def _sums(values: torch.Tensor) -> torch.Tensor:
    """Sums over windows of (..., H, W), by running sums; windows are cut at the borders."""
    side = 2 * RADIUS + 1
    running = pad(values, (RADIUS + 1, RADIUS, RADIUS + 1, RADIUS)).cumsum(-1)
    running = (running[..., side:] - running[..., :-side]).cumsum(-2)
    return running[..., side:, :] - running[..., :-side, :]
