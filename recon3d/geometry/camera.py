"""Pinhole cameras: pixels to rays and back."""

import math
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array

DISTORTION_LENGTHS = {"pinhole": (0,), "opencv": (4, 5, 8), "fisheye": (4,)}
FOCAL_RANGE = (0.05, 1000.0)
"""Focal lengths per image side that are believed; outside it is another unit than pixels."""
SOURCES = ("calib file", "COLMAP", "capture", "EXIF", "SfM", "guess")


@dataclass(frozen=True)
class Camera:
    """An undistorted pinhole camera: x right, y down, z forward.

    Pixels are (u, v), array index [v, u]; (0, 0) is the *centre* of the top-left pixel.

    Attributes:
        width: image width [px].
        height: image height [px].
        fx: focal length along u [px].
        fy: focal length along v [px].
        cx: principal point, u [px].
        cy: principal point, v [px].
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            value = getattr(self, name)
            if int(value) != value or value < 1:
                raise InputError(f"camera {name}: got {value} px, wanted a whole number ≥ 1")
            object.__setattr__(self, name, int(value))
        for name in ("fx", "fy", "cx", "cy"):
            value = float(getattr(self, name))
            if not math.isfinite(value):
                raise InputError(f"camera {name}: got {value} px, wanted a finite number")
            object.__setattr__(self, name, value)
        for name, size in (("fx", self.width), ("fy", self.height)):
            low, high = FOCAL_RANGE
            if not low * size <= getattr(self, name) <= high * size:
                raise InputError(
                    f"camera {name}: got {getattr(self, name):g} px for {size} px, wanted a focal length in pixels, "
                    f"{low:g} to {high:g} times that; is it in degrees or millimetres?"
                )
        if not (0 <= self.cx <= self.width - 1 and 0 <= self.cy <= self.height - 1):
            raise InputError(
                f"camera principal point: got ({self.cx:g}, {self.cy:g}) px, wanted it inside the image "
                f"({self.width} x {self.height} px); is the calibration of another image size?"
            )

    @classmethod
    def from_fov(cls, width: int, height: int, fov: float) -> "Camera":
        """A camera with square pixels, its principal point in the image centre.

        Args:
            width: [px].
            height: [px].
            fov: field of view across the *longer* side [rad].
        """
        if not 0 < fov < math.pi:
            raise InputError(f"field of view: got {math.degrees(fov):g} degrees, wanted between 0 and 180")
        f = max(width, height) / (2 * math.tan(fov / 2))
        return cls(width, height, f, f, (width - 1) / 2, (height - 1) / 2)

    @property
    def K(self) -> Array:
        """(3, 3) float64 intrinsic matrix [px], pixel centres at integers."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def resized(self, width: int, height: int) -> "Camera":
        """The camera of the same image resampled to `width` x `height` px: c maps to (c + ½)·s - ½."""
        sx, sy = width / self.width, height / self.height
        return Camera(
            width,
            height,
            self.fx * sx,
            self.fy * sy,
            float(np.clip((self.cx + 0.5) * sx - 0.5, 0, width - 1)),
            float(np.clip((self.cy + 0.5) * sy - 0.5, 0, height - 1)),
        )

    def cropped(self, left: int, top: int, width: int, height: int) -> "Camera":
        """The camera of the part of the image that begins at pixel (left, top): c maps to c - (left, top).

        No half pixel comes in: whole pixels are cut off, and their centres are at integers.

        Raises:
            InputError: the part reaches out of the image, or leaves out the principal point.
        """
        inside = left >= 0 and top >= 0 and left + width <= self.width and top + height <= self.height
        if not (inside and width >= 1 and height >= 1):
            raise InputError(
                f"crop: got {width} x {height} px at ({left}, {top}) of an image of {self.width} x {self.height} px, "
                "wanted a part of it"
            )
        return Camera(width, height, self.fx, self.fy, self.cx - left, self.cy - top)

    def rotated(self, quarter_turns: int) -> "Camera":
        """The camera of the image turned clockwise: in each quarter turn (u, v) goes to (height - 1 - v, u)."""
        camera = self
        for _ in range(quarter_turns % 4):
            cx, cy = camera.height - 1 - camera.cy, camera.cx
            camera = Camera(camera.height, camera.width, camera.fy, camera.fx, cx, cy)
        return camera

    def rays(self) -> Array:
        """(H, W, 3) float32: for each pixel the point on its ray at z = 1 m, in the camera frame."""
        rays = np.empty((self.height, self.width, 3), np.float32)
        rays[..., 0] = (np.arange(self.width) - self.cx) / self.fx
        rays[..., 1] = ((np.arange(self.height) - self.cy) / self.fy)[:, None]
        rays[..., 2] = 1.0
        return rays

    def backproject(self, depth: Array) -> Array:
        """Turns z-depth into points in the camera frame.

        Args:
            depth: (H, W) depth along z [m].

        Returns:
            (H, W, 3) float32 [m]; the origin where depth is 0.
        """
        if depth.shape != (self.height, self.width):
            raise InputError(f"depth: got shape {depth.shape}, wanted ({self.height}, {self.width}) as the camera")
        return self.rays() * depth.astype(np.float32, copy=False)[..., None]

    def project(self, points_cam: Array) -> Array:
        """Projects points of the camera frame.

        Args:
            points_cam: (..., 3) [m].

        Returns:
            (..., 2) pixels (u, v); NaN where z ≤ 0.
        """
        z = points_cam[..., 2]
        safe = np.where(z > 0, z, np.nan)
        u = self.fx * points_cam[..., 0] / safe + self.cx
        v = self.fy * points_cam[..., 1] / safe + self.cy
        return np.stack([u, v], axis=-1)


@dataclass(frozen=True)
class Calibration:
    """A camera as its lens draws: pinhole plus distortion; used to undistort, then gone.

    Attributes:
        camera: the pinhole part.
        model: "pinhole" (no distortion) or "opencv" (k1, k2, p1, p2[, k3[, k4, k5, k6]]) or
            "fisheye" (k1, k2, k3, k4).
        distortion: coefficients in OpenCV's order; empty for "pinhole".
        rms_px: reprojection error of the calibration [px], None where unknown.
        source: where it came from, one of `SOURCES`.
    """

    camera: Camera
    model: str = "pinhole"
    distortion: tuple[float, ...] = ()
    rms_px: float | None = None
    source: str = "guess"

    def __post_init__(self) -> None:
        if self.model not in DISTORTION_LENGTHS:
            raise InputError(f"camera model: got {self.model!r}, wanted one of {', '.join(sorted(DISTORTION_LENGTHS))}")
        object.__setattr__(self, "distortion", tuple(float(k) for k in self.distortion))
        wanted = DISTORTION_LENGTHS[self.model]
        if len(self.distortion) not in wanted:
            numbers = " or ".join(str(n) for n in wanted)
            raise InputError(
                f"distortion of a {self.model} camera: got {len(self.distortion)} numbers, wanted {numbers}"
            )
        if not all(math.isfinite(k) for k in self.distortion):
            raise InputError(f"distortion: got {self.distortion}, wanted finite numbers")
        if self.source not in SOURCES:
            raise InputError(f"camera source: got {self.source!r}, wanted one of {', '.join(SOURCES)}")

    @property
    def is_pinhole(self) -> bool:
        """Whether there is nothing to undistort; a fisheye bends even with all coefficients zero."""
        return self.model != "fisheye" and not any(self.distortion)
