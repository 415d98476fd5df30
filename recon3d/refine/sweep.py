"""Sweep: how well each hypothetical depth of a view matches other photos of the same things."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import grid_sample, interpolate, pad

from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array

NOISE = 1.0 / 255
"""Grey noise of photos after resampling; windows of less contrast match nothing well and nothing badly."""
RADIUS = 3
"""Windows are 7 x 7 pixels."""
NEUTRAL = 1.0
"""Cost of what a photo says nothing about: outside it, behind it, or without texture."""
CPU_CHUNK, GPU_CHUNK = 2**16, 2**24
"""Samples worked on at a time: those of a CPU should stay in its cache."""


@dataclass(frozen=True, eq=False)
class Look:
    """A photo as matching sees it.

    Attributes:
        grey: (H, W) float32 in 0 to 1, on the device that works.
        camera: of `grey`.
        world_from_cam: pose [m].
    """

    grey: torch.Tensor
    camera: Camera
    world_from_cam: SE3

    @classmethod
    def of(cls, image: Array, camera: Camera, world_from_cam: SE3, device: str) -> "Look":
        """The look of a photo (H, W, 3) uint8."""
        weights = torch.tensor([0.299, 0.587, 0.114], device=device) / 255
        grey = torch.tensor(np.asarray(image), device=device).float() @ weights
        return cls(grey, camera, world_from_cam)

    def resized(self, width: int, height: int) -> "Look":
        """The same photo with fewer pixels, each the mean of those it covers."""
        if (width, height) == (self.camera.width, self.camera.height):
            return self
        grey = interpolate(self.grey[None, None], (height, width), mode="area")[0, 0]
        return Look(grey, self.camera.resized(width, height), self.world_from_cam)


def matching_cost(view: Look, others: Sequence[Look], depth: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Compares windows of a photo with those of others, warped by each hypothesis.

    Hypothesis l of a pixel is depth · exp(offsets[l]): all have the shape of `depth`, so that slanted surfaces fit in
    their windows. The cost is 1 - NCC, made neutral where a window holds no more than noise; of the others, the better
    half counts, so that a thing hidden in some of them is found by the rest.

    Args:
        view: the photo whose depth is sought.
        others: photos it is compared with, at least one.
        depth: (H, W) [m], > 0, the shape around which hypotheses lie.
        offsets: (L,) of the logarithm of depth.

    Returns:
        (L, H, W) cost, 0 = all of the better half match perfectly, 1 = nothing matches.
    """
    height, width = view.grey.shape
    best = (len(others) + 1) // 2
    samples = CPU_CHUNK if view.grey.device.type == "cpu" else GPU_CHUNK
    chunk = max(1, samples // (height * width))
    window = _Windows.of(view.grey)
    warps = [_Warp.between(view, other) for other in others]
    inverse = 1 / depth
    cost = torch.empty((len(offsets), height, width), device=view.grey.device)
    for start in range(0, len(offsets), chunk):
        nearness = inverse * torch.exp(-offsets[start : start + chunk])[:, None, None]
        lowest = [torch.full_like(nearness, NEUTRAL) for _ in range(best)]
        for warp in warps:
            found = window.cost(*warp(nearness))
            for rank in range(best):
                lowest[rank], found = torch.minimum(lowest[rank], found), torch.maximum(lowest[rank], found)
        cost[start : start + chunk] = torch.stack(lowest).mean(dim=0)
    return cost


@dataclass(frozen=True, eq=False)
class _Warp:
    """Where pixels of one photo are in another: (across + shift / depth), a projective map per hypothesis."""

    across: torch.Tensor
    shift: torch.Tensor
    grey: torch.Tensor

    @classmethod
    def between(cls, view: Look, other: Look) -> "_Warp":
        """The map from a view to another photo; pixels in the units of `grid_sample`, -1 to 1 over the image."""
        device, camera = view.grey.device, other.camera
        other_from_cam = other.world_from_cam.inverse() @ view.world_from_cam
        to_grid = np.diag([2 / camera.width, 2 / camera.height, 1.0])
        to_grid[:2, 2] = 1 / camera.width - 1, 1 / camera.height - 1
        project = to_grid @ camera.K
        turned = torch.tensor(project @ other_from_cam.R, dtype=torch.float32, device=device)
        rays = torch.tensor(view.camera.rays(), device=device)
        across = torch.einsum("ij,vuj->ivu", turned, rays)
        shift = torch.tensor(project @ other_from_cam.t, dtype=torch.float32, device=device)
        return cls(across, shift, other.grey)

    def __call__(self, nearness: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the other photo shows there (C, H, W), and where that is outside it or behind it."""
        z = torch.clamp(self.across[2] + self.shift[2] * nearness, min=1e-6)
        x = (self.across[0] + self.shift[0] * nearness) / z
        y = (self.across[1] + self.shift[1] * nearness) / z
        outside = (x.abs() >= 1) | (y.abs() >= 1)
        count, height, width = nearness.shape
        grid = torch.stack([x, y], dim=-1).reshape(1, count * height, width, 2)
        sampled = grid_sample(self.grey[None, None], grid, padding_mode="border", align_corners=False)
        return sampled.reshape(count, height, width), outside


@dataclass(frozen=True, eq=False)
class _Windows:
    """The windows of the view that is matched: its centred pixels and their contrast."""

    grey: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor
    count: torch.Tensor

    @classmethod
    def of(cls, grey: torch.Tensor) -> "_Windows":
        """Windows about every pixel; at the borders of the image they are cut."""
        grey = grey - grey.mean()
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
