"""Warp: where the pixels of one photo are in another, for each depth that they may have."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import grid_sample, interpolate

from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array

CPU_CHUNK, GPU_CHUNK = 2**16, 2**24
"""Samples worked on at a time: those of a CPU should stay in its cache."""
GREY = (0.299, 0.587, 0.114)


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
        weights = torch.tensor(GREY, device=device) / 255
        grey = torch.tensor(np.asarray(image), device=device).float() @ weights
        return cls(grey, camera, world_from_cam)

    def shrunk(self, share: float) -> "Look":
        """The same photo with fewer pixels, each the mean of those it covers."""
        width, height = (max(1, round(side * share)) for side in (self.camera.width, self.camera.height))
        if (width, height) == (self.camera.width, self.camera.height):
            return self
        grey = interpolate(self.grey[None, None], (height, width), mode="area")[0, 0]
        return Look(grey, self.camera.resized(width, height), self.world_from_cam)

    def chunk(self) -> int:
        """How many images of this size to work on at a time."""
        samples = CPU_CHUNK if self.grey.device.type == "cpu" else GPU_CHUNK
        return max(1, samples // self.grey.numel())


@dataclass(frozen=True, eq=False)
class Warp:
    """The map from a view's pixels to those of another: projective in 1 / depth.

    Attributes:
        across: (3, H, W), where each ray points in the other camera, in the units of `grid_sample` (-1 to 1).
        shift: (3,), the view's centre there.
    """

    across: torch.Tensor
    shift: torch.Tensor

    @classmethod
    def between(cls, view: Look, camera: Camera, world_from_other: SE3) -> "Warp":
        """The warp from a view to another camera."""
        device = view.grey.device
        other_from_cam = world_from_other.inverse() @ view.world_from_cam
        to_grid = np.diag([2 / camera.width, 2 / camera.height, 1.0])
        to_grid[:2, 2] = 1 / camera.width - 1, 1 / camera.height - 1
        project = to_grid @ camera.K
        turned = torch.tensor(project @ other_from_cam.R, dtype=torch.float32, device=device)
        rays = torch.tensor(view.camera.rays(), device=device)
        shift = torch.tensor(project @ other_from_cam.t, dtype=torch.float32, device=device)
        return cls(torch.einsum("ij,vuj->ivu", turned, rays), shift)

    def sampled(self, maps: torch.Tensor, nearness: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What another photo has where the view's points fall.

        Args:
            maps: (C, h, w) of the other photo.
            nearness: (N, H, W) one over the depth of the view's pixels [1/m].

        Returns:
            (C, N, H, W), interpolated; (N, H, W) each point's depth there over its depth here; and (N, H, W) bool,
            True where the point is outside of the other photo or behind it.
        """
        ratio = self.across[2] + self.shift[2] * nearness
        ahead = torch.clamp(ratio, min=1e-6)
        x = (self.across[0] + self.shift[0] * nearness) / ahead
        y = (self.across[1] + self.shift[1] * nearness) / ahead
        outside = (x.abs() >= 1) | (y.abs() >= 1) | (ratio <= 1e-6)
        count, height, width = nearness.shape
        grid = torch.stack([x, y], dim=-1).reshape(1, count * height, width, 2)
        found = grid_sample(maps[None], grid, padding_mode="border", align_corners=False)[0]
        return found.reshape(-1, count, height, width), ratio, outside
