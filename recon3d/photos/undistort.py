"""Takes lens distortion out of photos and pixels, and puts it back."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Calibration, Camera

_ROUND_TRIP_PX = 0.01
"""An undistorted pixel counts as found when distorting it comes back this near [px]."""

KEPT = ("same", "inside", "all")
"""What the undistorted photo may show: the same K; only what the lens saw; all that the lens saw."""

_WIDEST = 3.7
"""Farthest from the axis that a pinhole photo is made to reach, in focal lengths: 75 degrees."""

_TABLES = 2
"""Lenses whose tables are kept at hand."""

_PROFILE_STEPS = 8192
"""Samples of the lens curve that the fold-over is searched in."""


@dataclass(frozen=True, eq=False)
class _Table:
    """Where each pixel of the undistorted photo is in the photo; 0 where the lens didn't see it."""

    camera: Camera
    u: Array
    v: Array
    seen: Array


def undistort(image: Array, calibration: Calibration, keep: str = "same") -> tuple[Array, Camera, Array | None]:
    """Redraws a photo as a pinhole camera of the same size would have seen it.

    Args:
        image: (H, W, 3) or (H, W) uint8, as the lens drew it.
        calibration: of that size.
        keep: one of `KEPT`; see `pinhole_of`.

    Returns:
        The image; its camera; the mask, (H, W) uint8, 255 = the lens saw it, or None where it saw everything. Pixels
        outside the mask are black.

    Raises:
        InputError: the image has another size than the camera, or `keep` is none of those.
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
    table = _table(calibration, keep)
    out = cv2.remap(image, table.u, table.v, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    if table.seen.all():
        return out, table.camera, None
    out[~table.seen] = 0
    return out, table.camera, np.where(table.seen, np.uint8(255), np.uint8(0))


@lru_cache(maxsize=_TABLES)
def _table(calibration: Calibration, keep: str) -> _Table:
    """The table of a lens; all photos of one lens share it."""
    camera = pinhole_of(calibration, keep)
    width, height = camera.width, camera.height
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2).astype(np.float64)
    u, v = distort_pixels(grid, calibration, camera).T.reshape(2, height, width)
    # A pixel covers ±½ around its centre: the lens saw up to the outer edge. NaN (never seen) compares as False.
    seen = (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5)
    u, v = (np.where(seen, x, 0).astype(np.float32) for x in (u, v))
    return _Table(camera, u, v, seen)


def pinhole_of(calibration: Calibration, keep: str) -> Camera:
    """The pinhole camera of the undistorted photo, of the photo's size.

    As OpenCV's getOptimalNewCameraMatrix with alpha 0 and 1, from the photo's whole outline and with the pixels' shape
    kept, for every lens model: stretched pixels would be stretched pictures to a network.

    Args:
        calibration: the lens.
        keep: "same": its K. "inside": the largest rectangle of the photo's shape in which the lens saw everything.
            "all": the smallest in which everything is that the lens saw, up to 75 degrees from the axis.

    Raises:
        InputError: `keep` is none of these, or no such camera has its principal point in the picture.
    """
    if keep not in KEPT:
        raise InputError(f"undistort: got {keep!r}, wanted one of {', '.join(KEPT)}")
    camera = calibration.camera
    if keep == "same" or calibration.is_pinhole:
        return camera
    width, height = camera.width, camera.height
    along_u, along_v = np.linspace(-0.5, width - 0.5, 4 * width), np.linspace(-0.5, height - 0.5, 4 * height)

    def farthest(pixels: list[Array], axis: int, sign: int) -> Array:
        """How far along x or y at z = 1 one side of the outline is; as far as may be where no ray is drawn there."""
        found = undistort_pixels(np.stack(np.broadcast_arrays(*pixels), axis=-1), calibration)[:, axis]
        c, f = (camera.cx, camera.fx) if axis == 0 else (camera.cy, camera.fy)
        return np.minimum(np.nan_to_num(sign * (found - c) / f, nan=_WIDEST), _WIDEST)

    near = np.min if keep == "inside" else np.max
    left = near(farthest([np.array(-0.5), along_v], 0, -1))
    right = near(farthest([np.array(width - 0.5), along_v], 0, 1))
    top = near(farthest([along_u, np.array(-0.5)], 1, -1))
    bottom = near(farthest([along_u, np.array(height - 0.5)], 1, 1))
    zooms = width / (camera.fx * (left + right)), height / (camera.fy * (top + bottom))
    widest = max(width / camera.fx, height / camera.fy) / (2 * _WIDEST)
    zoom = float(max(zooms) if keep == "inside" else max(widest, min(zooms)))
    fx, fy = zoom * camera.fx, zoom * camera.fy
    cx, cy = (width - 1 + fx * (left - right)) / 2, (height - 1 + fy * (top - bottom)) / 2
    return Camera(width, height, fx, fy, cx, cy)


def distort_pixels(pixels: Array, calibration: Calibration, camera: Camera | None = None) -> Array:
    """Where the lens draws what a pinhole camera sees at `pixels`.

    Args:
        pixels: (N, 2) undistorted (u, v), pixel centres at integers.
        calibration: the lens.
        camera: the pinhole camera; None = of the lens's own K.

    Returns:
        (N, 2) float64; NaN for rays beyond the point where the lens model turns back on itself, which no lens does.
    """
    pixels, lens = _checked(pixels), calibration.camera
    camera = camera or lens
    if (calibration.is_pinhole and camera == lens) or not len(pixels):
        return pixels.copy()
    rays = np.ones((len(pixels), 1, 3))
    rays[:, 0, 0] = (pixels[:, 0] - camera.cx) / camera.fx
    rays[:, 0, 1] = (pixels[:, 1] - camera.cy) / camera.fy
    project = cv2.fisheye.projectPoints if calibration.model == "fisheye" else cv2.projectPoints
    distorted = project(rays, np.zeros(3), np.zeros(3), lens.K, _coefficients(calibration))[0].reshape(-1, 2)
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


def _coefficients(calibration: Calibration) -> Array:
    """As OpenCV takes them."""
    return np.array(calibration.distortion or (0.0, 0.0, 0.0, 0.0))


def _checked(pixels: Array) -> Array:
    pixels = np.asarray(pixels, np.float64)
    if pixels.ndim != 2 or pixels.shape[1] != 2:
        raise InputError(f"pixels: got shape {pixels.shape}, wanted (N, 2)")
    return pixels


def _fold_radius(calibration: Calibration, largest: float) -> float:
    """The radius at z = 1 up to which the lens curve rises; infinite where it rises up to `largest`."""
    r = np.linspace(0.0, largest, _PROFILE_STEPS)
    k = calibration.distortion or (0.0, 0.0, 0.0, 0.0)
    if calibration.model == "fisheye":
        x = np.arctan(r)
        curve = x * (1 + k[0] * x**2 + k[1] * x**4 + k[2] * x**6 + k[3] * x**8)
    else:
        k1, k2, _, _, k3, k4, k5, k6 = (*k, *(0.0,) * (8 - len(k)))
        below = 1 + k4 * r**2 + k5 * r**4 + k6 * r**6
        curve = np.where(below > 0, r * (1 + k1 * r**2 + k2 * r**4 + k3 * r**6) / np.where(below > 0, below, 1), -1.0)
    falling = np.flatnonzero(np.diff(curve) <= 0)
    return float(r[falling[0]]) if len(falling) else np.inf
