"""One photo with its camera and pose, and with its depth where that counts."""

from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array, checked
from recon3d.geometry.camera import Camera
from recon3d.geometry.se3 import SE3


@dataclass(frozen=True, eq=False)
class Frame:
    """One registered photo, ready to be fused.

    Attributes:
        name: the photo's name in the scene.
        image: (H, W, 3) uint8 sRGB.
        depth: (H, W) float32 [m] along z, 0 = none; finite and never negative.
        sigma: (H, W) float32 [m], one standard deviation of depth, or None.
        camera: of image and depth both.
        world_from_cam: the camera's pose in the world [m].
    """

    name: str
    image: Array
    depth: Array
    sigma: Array | None
    camera: Camera
    world_from_cam: SE3

    def __post_init__(self) -> None:
        height, width = self.camera.height, self.camera.width
        object.__setattr__(self, "image", checked(f"{self.name}: image", self.image, np.uint8, (height, width, 3)))
        object.__setattr__(self, "depth", checked(f"{self.name}: depth", self.depth, np.float32, (height, width)))
        if not (np.isfinite(self.depth).all() and (self.depth >= 0).all()):
            raise InputError(f"{self.name}: depth holds NaN, infinite or negative numbers; wanted 0 = none")
        if self.sigma is not None:
            sigma = checked(f"{self.name}: sigma", self.sigma, np.float32, (height, width))
            if not (np.isfinite(sigma).all() and (sigma >= 0).all()):
                raise InputError(f"{self.name}: sigma holds NaN, infinite or negative numbers, wanted metres ≥ 0")
            object.__setattr__(self, "sigma", sigma)


@dataclass(frozen=True)
class View:
    """Where a registered photo was taken, and by which camera.

    Attributes:
        name: the photo's name in the scene.
        camera: of the undistorted photo.
        world_from_cam: the camera's pose in the world [m].
    """

    name: str
    camera: Camera
    world_from_cam: SE3
