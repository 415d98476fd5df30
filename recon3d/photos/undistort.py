"""Takes lens distortion out of photos and pixels, and puts it back."""

import cv2
import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Calibration, Camera

_ROUND_TRIP_PX = 0.01
"""An undistorted pixel counts as found when distorting it comes back this near [px]."""

_PROFILE_STEPS = 8192
"""Samples of the lens curve that the fold-over is searched in."""


def undistort(image: Array, calibration: Calibration) -> tuple[Array, Camera, Array | None]:
    """Redraws a photo as a pinhole camera of the same K and size would have seen it.

    Args:
        image: (H, W, 3) or (H, W) uint8, as the lens drew it.
        calibration: of that size.

    Returns:
        The image; its camera; the mask, (H, W) uint8, 255 = the lens saw it, or None where it saw everything. Pixels
        outside the mask are black.

    Raises:
        InputError: the image has another size than the camera.
    """
    camera = calibration.camera
    height, width = image.shape[:2]
    if (height, width) != (camera.height, camera.width):
        raise InputError(
            f"undistort: got an image of {width} x {height} px for a camera of {camera.width} x {camera.height} px; "
            "resize the calibration first"
        )
    if calibration.is_pinhole:
        return image, camera, None
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2).astype(np.float64)
    u, v = distort_pixels(grid, calibration).T.reshape(2, height, width)
    # A pixel covers ±½ around its centre: the lens saw up to the outer edge. NaN (never seen) compares as False.
    seen = (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5)
    u, v = (np.where(seen, x, 0).astype(np.float32) for x in (u, v))
    out = cv2.remap(image, u, v, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    if seen.all():
        return out, camera, None
    out[~seen] = 0
    return out, camera, np.where(seen, np.uint8(255), np.uint8(0))


def distort_pixels(pixels: Array, calibration: Calibration) -> Array:
    """Where the lens draws what a pinhole camera of the same K sees at `pixels`.

    Args:
        pixels: (N, 2) undistorted (u, v), pixel centres at integers.
        calibration: the lens.

    Returns:
        (N, 2) float64; NaN for rays beyond the point where the lens model turns back on itself, which no lens does.
    """
    pixels = _checked(pixels)
    if calibration.is_pinhole or not len(pixels):
        return pixels.copy()
    camera = calibration.camera
    rays = np.ones((len(pixels), 1, 3))
    rays[:, 0, 0] = (pixels[:, 0] - camera.cx) / camera.fx
    rays[:, 0, 1] = (pixels[:, 1] - camera.cy) / camera.fy
    project = cv2.fisheye.projectPoints if calibration.model == "fisheye" else cv2.projectPoints
    distorted = project(rays, np.zeros(3), np.zeros(3), camera.K, np.array(calibration.distortion))[0].reshape(-1, 2)
    radius = np.hypot(rays[:, 0, 0], rays[:, 0, 1])
    distorted[~(radius <= _fold_radius(calibration, float(np.nanmax(radius, initial=0.0))))] = np.nan
    return np.asarray(distorted, np.float64)


def undistort_pixels(pixels: Array, calibration: Calibration) -> Array:
    """Where a pinhole camera of the same K sees what the lens drew at `pixels`: the inverse of `distort_pixels`.

    Args:
        pixels: (N, 2) as in the photo, pixel centres at integers.
        calibration: the lens.

    Returns:
        (N, 2) float64; NaN where no ray in front of the camera is drawn there.
    """
    pixels = _checked(pixels)
    if calibration.is_pinhole or not len(pixels):
        return pixels.copy()
    K, coefficients = calibration.camera.K, np.array(calibration.distortion)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
    undo = cv2.fisheye.undistortPoints if calibration.model == "fisheye" else cv2.undistortPoints
    found = np.asarray(undo(pixels[:, None], K, coefficients, P=K, criteria=criteria), np.float64).reshape(-1, 2)
    error = np.abs(distort_pixels(found, calibration) - pixels).max(axis=-1)
    found[~(error <= _ROUND_TRIP_PX)] = np.nan
    return found


def _checked(pixels: Array) -> Array:
    pixels = np.asarray(pixels, np.float64)
    if pixels.ndim != 2 or pixels.shape[1] != 2:
        raise InputError(f"pixels: got shape {pixels.shape}, wanted (N, 2)")
    return pixels


def _fold_radius(calibration: Calibration, largest: float) -> float:
    """The radius at z = 1 up to which the lens curve rises; infinite where it rises up to `largest`."""
    r = np.linspace(0.0, largest, _PROFILE_STEPS)
    k = calibration.distortion
    if calibration.model == "fisheye":
        x = np.arctan(r)
        curve = x * (1 + k[0] * x**2 + k[1] * x**4 + k[2] * x**6 + k[3] * x**8)
    else:
        k1, k2, _, _, k3, k4, k5, k6 = (*k, *(0.0,) * (8 - len(k)))
        below = 1 + k4 * r**2 + k5 * r**4 + k6 * r**6
        curve = np.where(below > 0, r * (1 + k1 * r**2 + k2 * r**4 + k3 * r**6) / np.where(below > 0, below, 1), -1.0)
    falling = np.flatnonzero(np.diff(curve) <= 0)
    return float(r[falling[0]]) if len(falling) else np.inf
