"""Agreement: how well each hypothetical depth of a view fits what was found in the views around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from recon3d.geometry import SE3, Camera
from recon3d.refine.warp import Look, Warp

TOLERANCE = 0.02
"""Log depth by which two good measurements of one point differ."""
THROUGH = 3.0
"""Standard deviations in front of what another view saw from which a point is looked through."""


@dataclass(frozen=True, eq=False)
class Opinion:
    """What was found in another view.

    Attributes:
        maps: (2, H, W): the logarithm of depth [log m] and its standard deviation.
        camera: of the maps.
        world_from_cam: pose [m].
    """

    maps: torch.Tensor
    camera: Camera
    world_from_cam: SE3


def disagreement(view: Look, others: Sequence[Opinion], depth: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Compares each hypothesis with the depths of other views.

    An opinion with a small sigma speaks loudly: a hypothesis that fits it has up to 1 less than one that doesn't, one
    that it looks through up to 1 more, one behind what it saw is hidden from it and gets neither.

    Args:
        view: whose depth is sought.
        others: what the views around it say, at least one.
        depth: (H, W) [m], > 0.
        offsets: (L,) of the logarithm of depth.

    Returns:
        (L, H, W): the mean over the others, between -1 and 1.
    """
    chunk = view.chunk()
    warps = [(other, Warp.between(view, other.camera, other.world_from_cam)) for other in others]
    log_depth = depth.log()
    cost = torch.zeros((len(offsets), *depth.shape), device=depth.device)
    for start in range(0, len(offsets), chunk):
        log_hypothesis = log_depth + offsets[start : start + chunk, None, None]
        nearness = torch.exp(-log_hypothesis)
        for other, warp in warps:
            (found, sigma), ratio, outside = warp.sampled(other.maps, nearness)
            gap = log_hypothesis + torch.log(torch.clamp(ratio, min=1e-6)) - found
            variance = sigma * sigma + TOLERANCE**2
            loudness = TOLERANCE * torch.rsqrt(variance)
            through = (gap < 0) & (gap * gap > THROUGH**2 * variance)
            said = through.float() - torch.exp(-0.5 * gap * gap / variance)
            cost[start : start + chunk] += (loudness * said).masked_fill(outside, 0)
    return cost / len(others)
