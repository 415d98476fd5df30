"""Depth maps that were recorded or made by other tools, brought to the size and lens of the photo."""

import cv2
import numpy as np

from recon3d.depth.model import DepthPrediction
from recon3d.errors import InputError
from recon3d.geometry import Calibration, Camera
from recon3d.geometry.arrays import Array


def fitted(depth: Array, calibration: Calibration, camera: Camera, where: str) -> DepthPrediction:
    """A depth map of the photo as the lens drew it, as depth of the undistorted image.

    Nearest neighbour throughout: depth is never interpolated across an edge.

    Args:
        depth: (H', W') float32 [m], of any size with the photo's shape.
        calibration: the lens that the photo was undistorted by, at the working size.
        camera: of the undistorted image.
        where: the map's file, for errors.

    Raises:
        InputError: the map's aspect ratio is not the photo's.
    """
    height, width = depth.shape
    if abs(width * camera.height / (height * camera.width) - 1) > 0.02:
        raise InputError(
            f"{where}: got a map of {width} x {height} px for a photo of {camera.width} x {camera.height} px; "
            "wanted the same shape"
        )
    u, v = np.meshgrid(np.arange(camera.width, dtype=np.float64), np.arange(camera.height, dtype=np.float64))
    if not calibration.is_pinhole:
        from recon3d.photos.undistort import distort_pixels

        pixels = distort_pixels(np.stack([u.ravel(), v.ravel()], axis=-1), calibration, camera)
        u, v = pixels[:, 0].reshape(u.shape), pixels[:, 1].reshape(v.shape)
    u = (u + 0.5) * width / camera.width - 0.5
    v = (v + 0.5) * height / camera.height - 0.5
    values = cv2.remap(depth, u.astype(np.float32), v.astype(np.float32), cv2.INTER_NEAREST, borderValue=0)
    return DepthPrediction(values)
