"""Photometric refinement: a view's depth moved to where other photos match, its prior's shape kept elsewhere.

The cost model of one view in one pass: pixels x hypotheses x others, each a bilinear sample, three sums over windows
and some ten products; where opinions are asked, two samples more; then eight paths of aggregation over pixels x
hypotheses, and 30 conjugate gradient steps over 4/3 of the pixels. Memory: three volumes of pixels x hypotheses, and
the photos of the view and of those that it is matched with: never the set.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

from recon3d.refine.aggregate import aggregate
from recon3d.refine.agreement import Opinion, disagreement
from recon3d.refine.attach import attach
from recon3d.refine.sweep import NEUTRAL, matching_cost
from recon3d.refine.warp import Look


@dataclass(frozen=True)
class Pass:
    """One round over all views.

    Attributes:
        share: of the photo's size at which it works.
        band: of log depth, searched to each side of the start.
        count: hypotheses in it; odd, so that the start is one of them.
        asks: whether the other views' results of the pass before count.
        anew: start from the prior, not from the pass before: what was caught in a wrong place comes free.
        small: cost of a change by one label from pixel to pixel: the finer the labels the less, else depth comes in
            steps.
    """

    share: float
    band: float
    count: int
    asks: bool
    anew: bool
    small: float


PASSES = (
    Pass(0.25, 0.8, 65, asks=False, anew=True, small=0.1),
    Pass(0.5, 0.8, 65, asks=True, anew=True, small=0.1),
    Pass(0.5, 0.2, 33, asks=True, anew=False, small=0.1),
    Pass(1.0, 0.04, 13, asks=False, anew=False, small=0.02),
)
"""Coarse to fine: first far and wide, last to a part of a pixel."""
LARGE_CHANGE, EDGE = 1.0, 0.05
"""Costs of the semi-global aggregation, in units of 1 - NCC, and the grey difference of an edge."""
AGREEMENT = 1.0
"""What the other views' results count against their photos."""
TEMPERATURE = 0.2
"""Aggregated cost over which a label's likelihood falls to 1/e; set by the errors of exact rooms."""
MISMATCH_PX = 0.25
"""What matches are off by beyond what their cost tells, as poses and lenses are [px of the pass]."""
MISFIT_SHARE = 0.5
"""Share of the photos' size at which the misfit of whole photos is looked at."""
LEAST_DOUBT = 0.1
"""Least sigma of a prior's log depth: ties make it small where they are, and nothing is known of it elsewhere."""
STIFFNESS = 100.0
"""Link of neighbouring pixels: one over the variance of the change of log correction from one to the next."""
EDGE_GREY, EDGE_DEPTH = 0.03, 0.05
"""Difference of grey, and of log depth, over which a link falls to 1/e."""
LOOSE = 1e-3
"""Share of its stiffness that a link keeps over any edge."""
PULL = 0.1
"""Pull of log corrections to 0: far from any match the start comes back."""


def refined(
    view: Look, others: Sequence[Look], opinions: Sequence[Opinion], start: torch.Tensor, how: Pass
) -> torch.Tensor:
    """Refines the depth of a view around a start.

    Hypotheses start · exp(±band) are compared with the photos of others and with what was found there; the costs are
    aggregated, the best taken to a part of a label by a parabola, its spread from the shape of the aggregated cost.
    Then the log corrections are carried from where they are well known to where they are not: there, the shape of the
    start stays, attached to what is known around it.

    Args:
        view: the photo, of its full size.
        others: photos to match it with, of their full size, at least one.
        opinions: of those photos; used where the pass asks.
        start: (2, h, w) of any size: log depth [log m] and its standard deviation.
        how: the pass.

    Returns:
        (2, H, W) at the pass's size: log depth [log m] and its standard deviation.
    """
    small = view.shrunk(how.share)
    log_depth, start_sigma = resized(start, small.grey.shape)
    offsets = torch.linspace(-how.band, how.band, how.count, device=start.device)
    cost = matching_cost(small, [other.shrunk(how.share) for other in others], log_depth.exp(), offsets)
    if how.asks and opinions:
        cost += AGREEMENT * disagreement(small, opinions, log_depth.exp(), offsets)
    total = aggregate(cost, small.grey, small=how.small, large=LARGE_CHANGE, edge=EDGE)
    # after the aggregation: a prior errs over whole surfaces at a time, so that its word counts once, with heavy tails
    doubt = torch.clamp(start_sigma, min=LEAST_DOUBT)
    total += TEMPERATURE * torch.log1p(0.5 * (offsets[:, None, None] / doubt) ** 2)
    correction, sigma = _estimate(total, offsets)
    sigma = torch.sqrt(sigma**2 + (MISMATCH_PX * _depth_per_pixel(small, others, log_depth.exp())) ** 2)
    start_sigma = torch.clamp(start_sigma, min=LEAST_DOUBT if how.anew else 0)
    # the truth may lie outside of the band: by Chebyshev's inequality no likelier than that
    sigma = torch.sqrt(sigma**2 + torch.clamp(start_sigma / how.band, max=1) ** 2 * start_sigma**2)
    links = _links(small.grey, log_depth), _links(small.grey.T, log_depth.T).T
    log_depth = log_depth + attach(correction, 1 / sigma**2, *links, PULL)
    return torch.stack([log_depth, torch.minimum(sigma, start_sigma) if how.anew else sigma])


def misfit(view: Look, others: Sequence[Look], maps: torch.Tensor) -> float:
    """How badly a photo matches the others at the depth that was found.

    Args:
        view: the photo, of its full size.
        others: photos to compare it with, at least one.
        maps: (2, h, w) of `refined`.

    Returns:
        The mean cost where anything matches: 0 = perfectly, 1 = not at all. Of a photo whose pose is wrong it is high
        and of its neighbours it is not, as the best third of the others counts.
    """
    small = view.shrunk(MISFIT_SHARE)
    depth = resized(maps[:1], small.grey.shape)[0].exp()
    smaller = [other.shrunk(MISFIT_SHARE) for other in others]
    cost = matching_cost(small, smaller, depth, torch.zeros(1, device=depth.device))[0].double().cpu().numpy()
    shown = cost < NEUTRAL
    return float(cost[shown].mean()) if shown.any() else NEUTRAL


def resized(maps: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Maps (C, h, w) at the size (H, W), interpolated."""
    size = (int(shape[0]), int(shape[1]))
    antialias = size[0] < maps.shape[1]
    return interpolate(maps[None], size, mode="bilinear", align_corners=False, antialias=antialias)[0]


def _depth_per_pixel(view: Look, others: Sequence[Look], depth: torch.Tensor) -> torch.Tensor:
    """(H, W) by how much the logarithm of depth changes as a match in a typical other photo moves by a pixel."""
    baselines = [np.linalg.norm(other.world_from_cam.t - view.world_from_cam.t) for other in others]
    return depth / (view.camera.fx * max(float(np.median(baselines)), 1e-9))


def _estimate(total: torch.Tensor, offsets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The best offset of each pixel, between the labels, and its standard deviation."""
    step = float(offsets[1] - offsets[0])
    best = total.argmin(dim=0)
    middle = best.clamp(1, len(offsets) - 2)[None]
    before, at, after = (total.gather(0, middle + side)[0] for side in (-1, 0, 1))
    part = (before - after) / (2 * torch.clamp(before + after - 2 * at, min=1e-6))
    offset = offsets[middle[0]] + step * torch.clamp(part, -1, 1)
    # torch's softmax is another to the last bit with each count of threads
    likelihood = torch.exp((total.amin(dim=0) - total) / TEMPERATURE)
    variance = (likelihood * (offsets[:, None, None] - offset) ** 2).sum(dim=0) / likelihood.sum(dim=0)
    return offset, torch.sqrt(variance + step**2 / 12)


def _links(grey: torch.Tensor, log_depth: torch.Tensor) -> torch.Tensor:
    """(H, W-1) how firmly the corrections of pixels and their right neighbours hang together."""
    edge = grey.diff(dim=1).abs() / EDGE_GREY + log_depth.diff(dim=1).abs() / EDGE_DEPTH
    return STIFFNESS * (torch.exp(-edge) + LOOSE)
