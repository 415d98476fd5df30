"""Calibrations as the camera files of OpenCV, ROS, Kalibr, COLMAP and nerfstudio, to the last digit."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from recon3d.errors import InputError
from recon3d.formats.colmap_camera import CENTRE, colmap_params
from recon3d.geometry.camera import Calibration


def opencv_yaml(calibration: Calibration) -> str:
    """As OpenCV's calibration program writes YAML; `cv2.FileStorage` reads it."""
    lines = ["%YAML:1.0", "---", *(f"{key}: {value}" for key, value in _opencv_scalars(calibration))]
    for name, rows, columns, values in _opencv_matrices(calibration):
        head = [f"{name}: !!opencv-matrix", f"   rows: {rows}", f"   cols: {columns}", "   dt: d"]
        lines += [*head, f"   data: [ {_listed(values)} ]"]
    return "\n".join(lines) + "\n"


def opencv_xml(calibration: Calibration) -> str:
    """The same as XML."""
    lines = ['<?xml version="1.0"?>', "<opencv_storage>"]
    lines += [f"<{key}>{value}</{key}>" for key, value in _opencv_scalars(calibration)]
    for name, rows, columns, values in _opencv_matrices(calibration):
        data = " ".join(map(_digits, values))
        lines += [f'<{name} type_id="opencv-matrix">', f"  <rows>{rows}</rows>", f"  <cols>{columns}</cols>"]
        lines += ["  <dt>d</dt>", f"  <data>{data}</data>", f"</{name}>"]
    return "\n".join([*lines, "</opencv_storage>"]) + "\n"


def ros_yaml(calibration: Calibration) -> str:
    """ROS's camera_info, with the projection of the photo undistorted to the same K."""
    camera = calibration.camera
    model = {"fisheye": "equidistant"}.get(calibration.model, "plumb_bob")
    coefficients = calibration.distortion
    if len(coefficients) == 8:
        model = "rational_polynomial"
    elif model == "plumb_bob":
        coefficients = (*coefficients, *(0.0,) * (5 - len(coefficients)))
    matrices: list[tuple[str, int, int, Sequence[float]]] = [
        ("camera_matrix", 3, 3, camera.K.ravel().tolist()),
        ("distortion_coefficients", 1, len(coefficients), coefficients),
        ("rectification_matrix", 3, 3, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)),
        ("projection_matrix", 3, 4, (camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, *(0.0,) * 3, 1.0, 0.0)),
    ]
    lines = [f"image_width: {camera.width}", f"image_height: {camera.height}", "camera_name: camera"]
    for name, rows, columns, values in matrices:
        lines += [f"{name}:", f"  rows: {rows}", f"  cols: {columns}", f"  data: [{_listed(values)}]"]
        lines += [f"distortion_model: {model}"] if name == "camera_matrix" else []
    return "\n".join(lines) + "\n"


def kalibr_yaml(calibration: Calibration) -> str:
    """A Kalibr camchain of one camera.

    Raises:
        InputError: distortion that Kalibr has no model for.
    """
    camera = calibration.camera
    coefficients = _first_four(calibration, "Kalibr's radtan")
    model = {"pinhole": "none", "opencv": "radtan", "fisheye": "equidistant"}[calibration.model]
    lines = ["cam0:", "  camera_model: pinhole", f"  distortion_model: {model}"]
    lines += [f"  distortion_coeffs: [{_listed(coefficients)}]"]
    lines += [f"  intrinsics: [{_listed((camera.fx, camera.fy, camera.cx, camera.cy))}]"]
    return "\n".join([*lines, f"  resolution: [{camera.width}, {camera.height}]"]) + "\n"


def colmap_txt(calibration: Calibration) -> str:
    """COLMAP's cameras.txt, its pixel centres at ½."""
    model, params = colmap_params(calibration)
    camera = calibration.camera
    head = "# Camera list with one line of data per camera:\n#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n"
    return head + f"1 {model} {camera.width} {camera.height} {' '.join(map(_digits, params))}\n"


def transforms_json(calibration: Calibration) -> str:
    """The camera of a nerfstudio transforms.json, without frames; its pixel centres at ½.

    Raises:
        InputError: distortion that nerfstudio has no names for.
    """
    camera, k = calibration.camera, calibration.distortion
    data: dict[str, Any] = {"w": camera.width, "h": camera.height, "fl_x": camera.fx, "fl_y": camera.fy}
    data |= {"cx": camera.cx + CENTRE, "cy": camera.cy + CENTRE}
    if calibration.model == "fisheye":
        data |= {"camera_model": "OPENCV_FISHEYE", **dict(zip(("k1", "k2", "k3", "k4"), k, strict=True))}
    elif calibration.model == "opencv":
        if any(k[5:]):
            raise InputError(f"camera: got k4, k5, k6 {k[5:]}, which nerfstudio has no names for; write OpenCV YAML")
        data |= {"camera_model": "OPENCV", **dict(zip(("k1", "k2", "p1", "p2", "k3"), k, strict=False))}
    else:
        data["camera_model"] = "PINHOLE"
    return json.dumps(data | {"frames": []}, indent=2, allow_nan=False) + "\n"


WRITERS: dict[str, Callable[[Calibration], str]] = {
    "opencv": opencv_yaml,
    "opencv-xml": opencv_xml,
    "ros": ros_yaml,
    "kalibr": kalibr_yaml,
    "colmap": colmap_txt,
    "nerfstudio": transforms_json,
}
"""The text of a camera file, by format."""


def _opencv_scalars(calibration: Calibration) -> list[tuple[str, str]]:
    camera, rms = calibration.camera, calibration.rms_px
    scalars = [("image_width", str(camera.width)), ("image_height", str(camera.height))]
    scalars += [("fisheye_model", str(int(calibration.model == "fisheye")))]
    return scalars + ([] if rms is None else [("avg_reprojection_error", _digits(rms))])


def _opencv_matrices(calibration: Calibration) -> list[tuple[str, int, int, Sequence[float]]]:
    coefficients = calibration.distortion or (0.0,) * 5
    return [
        ("camera_matrix", 3, 3, calibration.camera.K.ravel().tolist()),
        ("distortion_coefficients", len(coefficients), 1, coefficients),
    ]


def _first_four(calibration: Calibration, whose: str) -> Sequence[float]:
    if any(calibration.distortion[4:]):
        raise InputError(f"camera: got k3 and more {calibration.distortion[4:]}, which {whose} has no place for")
    return calibration.distortion[:4]


def _listed(values: Sequence[float]) -> str:
    return ", ".join(map(_digits, values))


def _digits(value: float) -> str:
    """The shortest text that reads back as the same number, its mantissa with a point: YAML 1.1 wants one."""
    mantissa, e, exponent = repr(float(value)).partition("e")
    return mantissa + ("" if "." in mantissa else ".0") + e + exponent
