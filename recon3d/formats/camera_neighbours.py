"""Camera files of OpenCV, ROS, Kalibr, COLMAP and nerfstudio as calibrations.

Where the centre of the top-left pixel is: at (0, 0) for OpenCV, ROS and Kalibr, as here; at (½, ½) for COLMAP and
nerfstudio, whose half pixel is taken off cx and cy.
"""

import dataclasses
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.camera_matrix import camera_of_K, check_K
from recon3d.formats.colmap_camera import MODELS, calibration_from_colmap
from recon3d.formats.nerfstudio import lens_of
from recon3d.formats.untrusted import floats, naming
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Calibration

SOURCE = "calib file"
Size = tuple[int, int]

_K_KEYS = ("camera_matrix", "cameraMatrix", "Camera_Matrix", "K", "k")
_DISTORTION_KEYS = (
    *("distortion_coefficients", "Distortion_Coefficients", "dist_coeffs", "distCoeffs", "dist_coeff"),
    *("distortion", "D", "d"),
)
_WIDTH_KEYS = ("image_width", "image_Width", "imageWidth", "width")
_HEIGHT_KEYS = ("image_height", "image_Height", "imageHeight", "height")
_RMS_KEYS = ("avg_reprojection_error", "Avg_Reprojection_Error", "rms")
_OPENCV_MODELS = ("plumb_bob", "rational_polynomial", "radtan", "opencv", "pinhole", "none")
_FISHEYE_MODELS = ("equidistant", "fisheye")


def calibration_from_opencv(tree: Any, size: Size | None, where: str) -> Calibration:
    """From what OpenCV's calibration programs or ROS's `camera_info` write.

    Args:
        tree: the file's dict; numbers as texts.
        size: (width, height) of the photos [px], for files that don't say it.
        where: the file as errors call it.

    Raises:
        InputError: a key is missing, or the numbers make no camera.
    """
    key = next((key for key in _K_KEYS if key in tree), None)
    if key is None:
        raise InputError(f"{where}: got keys {_listed(tree)}, wanted camera_matrix (OpenCV, ROS) or cam0 (Kalibr)")
    K = _matrix(tree[key], f"{where}: {key}")
    if K.size != 9:
        raise InputError(f"{where}: {key}: got {K.size} numbers, wanted the 9 of a 3x3 matrix")
    key = next((key for key in _DISTORTION_KEYS if key in tree), None)
    coefficients = [] if key is None else _matrix(tree[key], f"{where}: {key}").tolist()
    model = tree.get("distortion_model", "fisheye" if _is_on(tree.get("fisheye_model")) else "opencv")
    width, height = _first(tree, _WIDTH_KEYS, where), _first(tree, _HEIGHT_KEYS, where)
    if width is None or height is None:
        if size is None:
            raise InputError(f"{where}: the image size is missing; wanted image_width and image_height [px]")
        width, height = float(size[0]), float(size[1])
    rms = _first(tree, _RMS_KEYS, where)
    return _calibration(K.reshape(3, 3), width, height, model, coefficients, where, rms)


def calibration_from_kalibr(tree: Any, where: str) -> Calibration:
    """From a Kalibr camchain of one camera.

    Raises:
        InputError: several cameras, a model that has no counterpart here, or numbers that make no camera.
    """
    names = [name for name, value in tree.items() if isinstance(value, dict) and "intrinsics" in value]
    if len(names) != 1:
        raise InputError(f"{where}: got the cameras {', '.join(names)}, wanted a file of the one that took the photos")
    camera, where = tree[names[0]], f"{where}: {names[0]}"
    if camera.get("camera_model") != "pinhole":
        raise InputError(f"{where}: got camera_model {_short(camera.get('camera_model'))}, wanted pinhole")
    intrinsics = _matrix(camera["intrinsics"], f"{where}: intrinsics")
    resolution = _matrix(camera.get("resolution"), f"{where}: resolution")
    if intrinsics.size != 4 or resolution.size != 2:
        raise InputError(f"{where}: got intrinsics {intrinsics} and resolution {resolution}, wanted 4 and 2 numbers")
    fx, fy, cx, cy = intrinsics
    K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    coefficients = _matrix(camera.get("distortion_coeffs", []), f"{where}: distortion_coeffs").tolist()
    return _calibration(K, resolution[0], resolution[1], camera.get("distortion_model", "none"), coefficients, where)


def calibration_from_cameras_txt(lines: list[str], where: str) -> Calibration:
    """From the lines of a COLMAP cameras.txt with one camera, comments taken away.

    Raises:
        InputError: several cameras, or numbers that make none.
    """
    if len(lines) != 1:
        raise InputError(
            f"{where}: got {len(lines)} cameras, wanted one; for photos with a camera each give the model's folder "
            "beside its photos, with --format colmap"
        )
    words = lines[0].split()
    with naming(where):
        numbers = floats([word for i, word in enumerate(words) if i != 1], "camera")
        if len(numbers) < 3 or not all(value.is_integer() for value in numbers[1:3]):
            raise InputError(f"got {_short(lines[0])}, wanted: id model width height parameters")
        return calibration_from_colmap(words[1], numbers[3:], int(numbers[1]), int(numbers[2]), source=SOURCE)


def is_cameras_txt(lines: list[str]) -> bool:
    """Whether the first line is a camera of COLMAP."""
    words = lines[0].split() if lines else []
    return len(words) > 2 and words[0].isdecimal() and (words[1] in MODELS or words[1].replace("_", "").isupper())


def calibration_from_transforms(data: dict[str, Any], size: Size | None, where: str) -> Calibration:
    """From nerfstudio's transforms.json, of which only the camera counts.

    Raises:
        InputError: its photos have several cameras, or none is there.
    """
    frames = data.get("frames") or [{}]
    if not (isinstance(frames, list) and all(isinstance(frame, dict) for frame in frames)):
        raise InputError(f'{where}: got no list of "frames", wanted nerfstudio\'s transforms.json')
    lens = lens_of(data, frames[0], where)
    if any(lens_of(data, frame, where) != lens for frame in frames[1:]):
        raise InputError(f"{where}: got several cameras, wanted one; take the capture itself, with --format nerfstudio")
    wanted = lens.size or size
    if not lens.known or wanted is None:
        raise InputError(f"{where}: the camera lacks {'w, h' if lens.known else 'fl_x or camera_angle_x'}")
    with naming(where):
        return dataclasses.replace(lens.calibration(*wanted), source=SOURCE)


def _calibration(
    K: Array, width: float, height: float, model: Any, coefficients: list[float], where: str, rms: float | None = None
) -> Calibration:
    """A calibration in OpenCV's terms; coefficients past those that are known here must be 0."""
    if model not in _OPENCV_MODELS + _FISHEYE_MODELS:
        wanted = ", ".join(_OPENCV_MODELS + _FISHEYE_MODELS)
        raise InputError(f"{where}: got distortion_model {_short(model)}, wanted one of {wanted}")
    ours = "fisheye" if model in _FISHEYE_MODELS else "opencv"
    if ours == "opencv" and len(coefficients) in (12, 14) and not any(coefficients[8:]):  # thin prism and tilt
        coefficients = coefficients[:8]
    if ours == "opencv" and not coefficients:
        ours = "pinhole"
    check_K(K, where)
    with naming(where):
        camera = camera_of_K(K, width, height)
        return Calibration(camera, ours, tuple(coefficients), None if rms is None else abs(rms), SOURCE)


def _matrix(value: Any, where: str) -> Array:
    """(N,) the numbers of an OpenCV or ROS matrix (its `data`), or of a list."""
    data = value.get("data") if isinstance(value, dict) else value
    if isinstance(data, list) and data and all(isinstance(row, list) for row in data):
        data = [word for row in data for word in row]
    words = [data] if isinstance(data, str) else data
    if not (isinstance(words, list) and len(words) <= 100 and all(isinstance(word, str) for word in words)):
        raise InputError(f"{where}: got {_short(value)}, wanted a matrix with data, or a list of numbers")
    numbers = np.array(floats(words, where), np.float64)
    if not np.isfinite(numbers).all():
        raise InputError(f"{where}: got NaN or infinite numbers, wanted finite ones")
    return numbers


def _first(tree: dict[str, Any], keys: tuple[str, ...], where: str) -> float | None:
    """The number under the first of the keys that is there."""
    key = next((key for key in keys if key in tree), None)
    if key is None:
        return None
    numbers = _matrix(tree[key], f"{where}: {key}")
    if numbers.size != 1:
        raise InputError(f"{where}: {key}: got {_short(tree[key])}, wanted a number")
    return float(numbers[0])


def _is_on(value: Any) -> bool:
    return str(value).lower() in ("1", "true")


def _listed(tree: dict[str, Any]) -> str:
    return _short(", ".join(map(str, list(tree)[:8])))


def _short(value: Any) -> str:
    return f"{str(value)[:60]!r}"
