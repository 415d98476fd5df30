"""Projection of voxels into a photo, by the float32 numbers and in the order of operations of Open3D's integration.

A voxel whose centre falls on the border of two pixels takes the one that Open3D would take.
"""

from dataclasses import dataclass

import numpy as np

from recon3d.geometry import Frame
from recon3d.geometry.arrays import Array


@dataclass(frozen=True, eq=False)
class Projection:
    """What it takes to find the pixel of a voxel.

    Voxel (x, y, z) of the world stands at voxel_size · (x, y, z); in the camera at X = (E₀ x + E₁ y) + E₂ z + E₃, each
    row of its own; in the photo at u = fx X (1 / Z) + cx, where pixel (0, 0) spans 0 to 1.

    Attributes:
        cam_from_world: (3, 4) float32, E [m].
        intrinsics: (4,) float32: fx, fy, cx, cy [px].
        voxel_size: edge of a voxel, a float32 [m].
        truncation: distance that is stored as 1, a float32 [m].
    """

    cam_from_world: Array
    intrinsics: Array
    voxel_size: np.float32
    truncation: np.float32

    @classmethod
    def of(cls, frame: Frame, voxel_size: float, truncation: float) -> "Projection":
        """The projection into a frame."""
        camera = frame.camera
        size = np.float32(voxel_size)
        return cls(
            frame.world_from_cam.inverse().matrix[:3].astype(np.float32),
            np.array([camera.fx, camera.fy, camera.cx + 0.5, camera.cy + 0.5], np.float32),
            size,
            np.float32(truncation / voxel_size) * size,  # Open3D takes it in voxels
        )
