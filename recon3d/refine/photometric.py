"""Photometric refinement: a view's depth moved to where other photos match, its prior's shape kept elsewhere."""

from collections.abc import Sequence

import torch
from torch.nn.functional import interpolate

from recon3d.refine.aggregate import aggregate
from recon3d.refine.attach import attach
from recon3d.refine.sweep import Look, matching_cost

LEVELS = ((0.25, 0.8, 48), (0.5, 0.2, 32))
"""Sweeps, coarse to fine: share of the photo's size, band to each side of log depth, hypotheses."""
SMALL_CHANGE, LARGE_CHANGE, EDGE = 0.1, 1.0, 0.05
"""Costs of the semi-global aggregation, in units of 1 - NCC, and the grey difference of an edge."""
TEMPERATURE = 0.7
"""Aggregated cost over which a label's likelihood falls to 1/e; set by the errors of exact rooms."""
STIFFNESS = 100.0
"""Link of neighbouring pixels: one over the variance of the change of log correction from one to the next."""
EDGE_GREY, EDGE_DEPTH = 0.03, 0.05
"""Difference of grey, and of the prior's log depth, over which a link falls to 1/e."""
LOOSE = 1e-3
"""Share of its stiffness that a link keeps over any edge."""
PULL = 0.1
"""Pull of log corrections to 0: over a hundred pixels without any match the prior comes back."""


def refined_depth(view: Look, others: Sequence[Look], prior: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Refines the depth of a view around a prior.

    At each size, coarse to fine: hypotheses prior · exp(±band), compared by `matching_cost`, aggregated, the best taken
    to a part of a label by a parabola, its spread from the shape of the aggregated cost. Then the log corrections are
    carried from where they are well known to where they are not, which keeps the prior's shape there.

    The work is Σ over the levels of pixels · hypotheses · others, 4 windows sums for each, plus 8 paths of aggregation.

    Args:
        view: the photo.
        others: photos to match it with, at least one.
        prior: (H, W) [m], > 0, of the photo's size.

    Returns:
        (h, w) [m] and (h, w): depth at the finest level's size, and one standard deviation of its logarithm.
    """
    log_depth = prior.log()
    sigma = torch.zeros_like(log_depth)
    for share, band, count in LEVELS:
        small = _shrunk(view, share)
        log_depth = _resized(log_depth, small.grey.shape)
        offsets = torch.linspace(-band, band, count, device=log_depth.device)
        cost = matching_cost(small, [_shrunk(other, share) for other in others], log_depth.exp(), offsets)
        total = aggregate(cost, small.grey, small=SMALL_CHANGE, large=LARGE_CHANGE, edge=EDGE)
        correction, sigma = _estimate(total, offsets)
        links = _links(small.grey, log_depth), _links(small.grey.T, log_depth.T).T
        log_depth = log_depth + attach(correction, 1 / sigma**2, *links, PULL)
    return log_depth.exp(), sigma


def _shrunk(look: Look, share: float) -> Look:
    width, height = look.camera.width, look.camera.height
    return look.resized(max(1, round(width * share)), max(1, round(height * share)))


def _resized(field: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    size = (int(shape[0]), int(shape[1]))
    antialias = size[0] < field.shape[0]
    return interpolate(field[None, None], size, mode="bilinear", align_corners=False, antialias=antialias)[0, 0]


def _estimate(total: torch.Tensor, offsets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The best offset of each pixel, between the labels, and its standard deviation."""
    step = float(offsets[1] - offsets[0])
    best = total.argmin(dim=0)
    middle = best.clamp(1, len(offsets) - 2)[None]
    before, at, after = (total.gather(0, middle + side)[0] for side in (-1, 0, 1))
    part = (before - after) / (2 * torch.clamp(before + after - 2 * at, min=1e-6))
    offset = offsets[middle[0]] + step * torch.clamp(part, -1, 1)
    likelihood = torch.softmax(-total / TEMPERATURE, dim=0)
    variance = (likelihood * (offsets[:, None, None] - offset) ** 2).sum(dim=0)
    return offset, torch.sqrt(variance + step**2 / 12)


def _links(grey: torch.Tensor, log_depth: torch.Tensor) -> torch.Tensor:
    """(H, W-1) how firmly the corrections of pixels and their right neighbours hang together."""
    edge = grey.diff(dim=1).abs() / EDGE_GREY + log_depth.diff(dim=1).abs() / EDGE_DEPTH
    return STIFFNESS * (torch.exp(-edge) + LOOSE)
