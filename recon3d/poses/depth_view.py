"""Photos with depth made small and of one camera, which is how RGB-D odometry wants them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array, checked

MAX_SIDE = 400
"""Longer side at which photos are compared [px]; their depth is smooth, and a motion has six numbers."""
FEATURES = 1000
"""SIFT features of a photo."""


@dataclass(frozen=True, eq=False)
class DepthView:
    """A small photo with depth, as the camera that a set shares would have taken it.

    Attributes:
        image: (H, W, 3) uint8 sRGB, black where the photo saw nothing.
        depth: (H, W) float32 [m], 0 = none.
        uv: (N, 2) float64 places of the features [px].
        descriptors: (N, 128) uint8 RootSIFT, as `recon3d.poses.pairs` takes them.
    """

    image: Array
    depth: Array
    uv: Array
    descriptors: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", checked("image", self.image, np.uint8, ("H", "W", 3)))
        object.__setattr__(self, "depth", checked("depth", self.depth, np.float32, self.image.shape[:2]))
        object.__setattr__(self, "uv", checked("uv", self.uv, np.float64, ("N", 2)))
        object.__setattr__(self, "descriptors", checked("descriptors", self.descriptors, np.uint8, (len(self.uv), 128)))


def shared_camera(cameras: Sequence[Camera]) -> Camera:
    """One small camera that sees all that any of these sees: odometry knows one camera for both photos."""
    focal = float(np.median([camera.fx for camera in cameras]))
    reach_u = max(max(camera.cx + 0.5, camera.width - 0.5 - camera.cx) / camera.fx for camera in cameras)
    reach_v = max(max(camera.cy + 0.5, camera.height - 0.5 - camera.cy) / camera.fy for camera in cameras)
    focal = min(focal, MAX_SIDE / (2 * max(reach_u, reach_v)))
    width, height = round(2 * focal * reach_u), round(2 * focal * reach_v)
    return Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def view_of(image: Array, depth: Array, camera: Camera, shared: Camera) -> DepthView:
    """A photo as the shared camera would have taken it, with its features.

    Args:
        image: (H, W, 3) uint8 sRGB.
        depth: (H, W) float32 [m], 0 = none.
        camera: of both.
        shared: of the view.
    """
    # Made smaller first, as a mean over pixels; the rest of the way is a shift.
    size = max(1, round(camera.width * shared.fx / camera.fx)), max(1, round(camera.height * shared.fy / camera.fy))
    small, middle = cv2.resize(image, size, interpolation=cv2.INTER_AREA), camera.resized(*size)
    u = ((np.arange(shared.width) - shared.cx) / shared.fx * middle.fx + middle.cx).astype(np.float32)
    v = ((np.arange(shared.height) - shared.cy) / shared.fy * middle.fy + middle.cy).astype(np.float32)
    u, v = np.broadcast_arrays(u, v[:, None])
    seen = cv2.remap(small, u, v, cv2.INTER_LINEAR)
    # Depth is never mixed across an edge.
    to_u, to_v = ((u + 0.5) * camera.width / size[0] - 0.5), ((v + 0.5) * camera.height / size[1] - 0.5)
    nearest = cv2.remap(depth, to_u, to_v, cv2.INTER_NEAREST, borderValue=0)
    sift = cv2.SIFT.create(nfeatures=FEATURES, contrastThreshold=0.02)
    keypoints, found = sift.detectAndCompute(cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY), None)
    if not keypoints:
        return DepthView(seen, nearest, np.zeros((0, 2)), np.zeros((0, 128), np.uint8))
    root = np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-6))  # Arandjelović and Zisserman, CVPR 2012
    return DepthView(
        seen, nearest, np.array([k.pt for k in keypoints]), np.clip(np.rint(512 * root), 0, 255).astype(np.uint8)
    )
