"""nerfstudio's transforms.json: cameras, poses and depth of listed photos."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.untrusted import matrix, naming, number, pose_numbers, read_object
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Calibration, Camera
from recon3d.geometry.se3 import SE3

OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
"""Turns our camera axes (y down, z forward) into OpenGL's (y up, z back); its own inverse."""

PERSPECTIVE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE")
FISHEYE = ("OPENCV_FISHEYE", "FISHEYE")
LENS_KEYS = ("fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "k2", "k3", "k4", "p1", "p2", "camera_angle_x")


@dataclass(frozen=True)
class Lens:
    """What the file says about a camera, its image size perhaps missing.

    Attributes:
        values: numbers by their key in the file, a subset of `LENS_KEYS`.
        fisheye: whether distortion is OpenCV's fisheye model.
    """

    values: dict[str, float]
    fisheye: bool

    @property
    def known(self) -> bool:
        """Whether there is a focal length."""
        return "fl_x" in self.values or "camera_angle_x" in self.values

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) [px] where the file says it."""
        if "w" not in self.values or "h" not in self.values:
            return None
        return round(self.values["w"]), round(self.values["h"])

    def calibration(self, width: int, height: int) -> Calibration:
        """The calibration for an image of this size; nerfstudio's pixel centres at ½ become ours at integers.

        Raises:
            InputError: the numbers make no camera.
        """
        v = self.values
        fx = v.get("fl_x", 0.0)
        if "fl_x" not in v:
            if not 0 < v["camera_angle_x"] < math.pi:
                raise InputError(f"camera_angle_x: got {v['camera_angle_x']:g}, wanted radians between 0 and pi")
            fx = width / (2 * math.tan(v["camera_angle_x"] / 2))
        cx, cy = v.get("cx", width / 2) - 0.5, v.get("cy", height / 2) - 0.5
        camera = Camera(width, height, fx, v.get("fl_y", fx), cx, cy)
        k1, k2, k3, k4, p1, p2 = (v.get(key, 0.0) for key in ("k1", "k2", "k3", "k4", "p1", "p2"))
        if self.fisheye:
            return Calibration(camera, "fisheye", (k1, k2, k3, k4), source="capture")
        if k4:
            raise InputError(f"k4: got {k4:g} for a perspective camera, wanted 0: its meaning differs between tools")
        coefficients = (k1, k2, p1, p2, k3) if k3 else (k1, k2, p1, p2)
        if any(coefficients):
            return Calibration(camera, "opencv", coefficients, source="capture")
        return Calibration(camera, source="capture")


@dataclass(frozen=True)
class TransformsFrame:
    """One entry of `frames`.

    Attributes:
        file_path: the photo, as the file names it.
        lens: its camera.
        world_from_cam: our camera axes; the world and unit of the file, `applied_transform` undone.
        depth_file_path: its depth map as the file names it, or "".
    """

    file_path: str
    lens: Lens
    world_from_cam: SE3
    depth_file_path: str


@dataclass(frozen=True)
class Transforms:
    """A transforms.json.

    Attributes:
        frames: in the file's order.
    """

    frames: tuple[TransformsFrame, ...]


def read_transforms(path: Path) -> Transforms:
    """Reads a transforms.json.

    Raises:
        InputError: no such file, or an entry that can't be, naming both.
    """
    return transforms_from_json(read_object(path), str(path))


def transforms_from_json(data: dict[str, Any], where: str) -> Transforms:
    """As `read_transforms`, from parsed JSON; `where` is the file as errors call it."""
    frames = data.get("frames")
    if not (isinstance(frames, list) and frames):
        raise InputError(f'{where}: got no list of "frames", wanted nerfstudio\'s transforms.json')
    original_from_stored = _undo_applied(data, where)
    return Transforms(tuple(_frame(data, f, i, original_from_stored, where) for i, f in enumerate(frames)))


def _frame(
    data: dict[str, Any], frame: Any, index: int, original_from_stored: tuple[Array, Array, float], where: str
) -> TransformsFrame:
    """Entry `index` of `frames`."""
    if not isinstance(frame, dict):
        raise InputError(f"{where}: frame {index}: got {type(frame).__name__}, wanted an object")
    file_path, depth = frame.get("file_path"), frame.get("depth_file_path") or ""
    if not (isinstance(file_path, str) and file_path and isinstance(depth, str)):
        raise InputError(f"{where}: frame {index}: got file_path {file_path!r:.60}, wanted the photo's file name")
    entry = f"{where}: frame {index} ({file_path})"
    world_from_opengl = matrix(frame.get("transform_matrix"), f"{entry}: transform_matrix")
    R, t, scale = original_from_stored
    with naming(entry):
        # The flip is a product from the right: it renames the camera's axes and leaves the world alone.
        stored_from_cam = SE3.from_matrix(pose_numbers(world_from_opengl)) @ SE3.from_matrix(OPENGL_FROM_OPENCV)
        world_from_cam = SE3(R @ stored_from_cam.R, scale * (R @ stored_from_cam.t) + t)
    return TransformsFrame(file_path, lens_of(data, frame, entry), world_from_cam, depth)


def lens_of(data: dict[str, Any], frame: dict[str, Any], where: str) -> Lens:
    """The frame's own camera where it has one, else the file's."""
    raw = {**data, **frame}
    model = raw.get("camera_model", "OPENCV_FISHEYE" if raw.get("is_fisheye") is True else "OPENCV")
    if model not in PERSPECTIVE + FISHEYE:
        raise InputError(f"{where}: got camera_model {model!r:.60}, wanted one of {', '.join(PERSPECTIVE + FISHEYE)}")
    values = {key: number(raw[key], f"{where}: {key}") for key in LENS_KEYS if raw.get(key) is not None}
    for key in ("w", "h"):
        if key in values and not (1 <= values[key] <= 2**20 and values[key].is_integer()):
            raise InputError(f"{where}: {key}: got {values[key]:g} px, wanted a whole number ≥ 1")
    return Lens(values, model in FISHEYE)


def _undo_applied(data: dict[str, Any], where: str) -> tuple[Array, Array, float]:
    """(R, t, scale) of the world that the poses had before `applied_transform` and `applied_scale`.

    nerfstudio stores p_stored = applied_scale · (A p + a) with A, a from `applied_transform` (3x4).
    """
    scale = number(data.get("applied_scale", 1.0), f"{where}: applied_scale")
    if not 1e-6 <= scale <= 1e6:
        raise InputError(f"{where}: applied_scale: got {scale:g}, wanted 1e-6 to 1e6")
    if data.get("applied_transform") is None:
        return np.eye(3), np.zeros(3), 1 / scale
    applied = matrix(data["applied_transform"], f"{where}: applied_transform")
    with naming(f"{where}: applied_transform"):
        original_from_stored = SE3.from_matrix(pose_numbers(applied)).inverse()
    return original_from_stored.R, original_from_stored.t, 1 / scale
