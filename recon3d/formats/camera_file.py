"""Camera files: our JSON in and out, and a 3x3 K as text in."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.untrusted import floats, naming, number, parse_json, read_text
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Calibration, Camera

SCHEMA = 1
SOURCE = "calib file"
ASPECT_TOLERANCE = 0.01
"""Width/height of a calibration and of a photo agree within this share: more is another crop."""
MIN_FOCAL = 0.18
"""Smallest focal length taken from a user's file, as a share of the longer side: a field of view of 140°."""

MAX_OFF_CENTRE = 0.25
"""A K without an image size must have its principal point this near the centre, as a share of the side."""


def calibration_as_json(calibration: Calibration) -> dict[str, Any]:
    """Our camera JSON: pixel centres at integers; `rms_px` only where it is known."""
    camera = calibration.camera
    data: dict[str, Any] = {"schema": SCHEMA, "width": camera.width, "height": camera.height}
    data |= {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}
    data |= {"model": calibration.model, "distortion": list(calibration.distortion), "source": calibration.source}
    if calibration.rms_px is not None:
        data["rms_px"] = calibration.rms_px
    return data


def calibration_from_json(data: Any, where: str) -> Calibration:
    """The calibration that `calibration_as_json` wrote.

    Args:
        data: parsed JSON; `model`, `distortion`, `source` and `rms_px` may be absent.
        where: the file (and entry) as errors call it.

    Raises:
        InputError: a key is missing, a number is none, or they make no camera.
    """
    if not isinstance(data, dict):
        raise InputError(f"{where}: got a JSON {type(data).__name__}, wanted a camera object")
    if data.get("schema") != SCHEMA:
        raise InputError(f"{where}: got camera schema {data.get('schema')!r}, wanted {SCHEMA}")
    keys = ("width", "height", "fx", "fy", "cx", "cy")
    missing = [key for key in keys if key not in data]
    if missing:
        raise InputError(f"{where}: the camera lacks {', '.join(missing)}; wanted {', '.join(keys)} [px]")
    values = {key: number(data[key], f"{where}: camera {key}") for key in keys}
    distortion = data.get("distortion", [])
    if not isinstance(distortion, list):
        raise InputError(f"{where}: camera distortion: got {distortion!r}, wanted a list of numbers")
    coefficients = tuple(number(k, f"{where}: camera distortion") for k in distortion)
    rms = data.get("rms_px")
    with naming(where):
        return Calibration(
            _camera(values),
            model=_text(data.get("model", "pinhole"), "camera model"),
            distortion=coefficients,
            rms_px=None if rms is None else number(rms, "camera rms_px"),
            source=_text(data.get("source", SOURCE), "camera source"),
        )


def read_camera(path: Path, size: tuple[int, int] | None = None) -> Calibration:
    """The calibration in a camera file that a user hands in.

    Read are our JSON, which has its own image size, and texts, pixel centres at integers as well: a 3x3 K (9 numbers),
    a 4x4 K (16), or fx fy cx cy (4), with spaces, line breaks or commas between; `#` starts a comment.

    Args:
        path: the file.
        size: (width, height) of the photos [px], which a text needs.

    Returns:
        The calibration, its source "calib file".

    Raises:
        InputError: naming the file and the number that can't be.
    """
    text = read_text(path)
    if text.lstrip().startswith(("{", "[")):
        data = parse_json(text, where=str(path))
        if isinstance(data, dict):
            data["source"] = SOURCE
        calibration = calibration_from_json(data, str(path))
    else:
        lines = [line.partition("#")[0] for line in text.splitlines()]
        words = " ".join(lines).replace(",", " ").replace(";", " ").split()
        calibration = calibration_from_K(_K_of(words, str(path)), size, str(path))
    _check_focal(calibration.camera, str(path))
    return calibration


def calibration_from_K(K: Array, size: tuple[int, int] | None, where: str, source: str = SOURCE) -> Calibration:
    """A pinhole calibration from a 3x3 matrix.

    Args:
        K: (3, 3) [px], pixel centres at integers.
        size: (width, height) of the image it is of [px].
        where: the file as errors call it.
        source: one of `recon3d.geometry.camera.SOURCES`.
    """
    if not np.isfinite(K).all():
        raise InputError(f"{where}: K holds NaN or infinite numbers, wanted a 3x3 matrix [px]")
    if not np.allclose(K[2], [0, 0, 1], atol=1e-6):
        hint = "; is K transposed?" if np.allclose(K[:, 2], [0, 0, 1], atol=1e-6) else ""
        raise InputError(f"{where}: got last row {_row(K[2])} of K, wanted 0 0 1{hint}")
    if abs(K[1, 0]) > 1e-6 or abs(K[0, 1]) > 1e-3 * abs(K[0, 0]):
        raise InputError(
            f"{where}: got skew {K[0, 1]:g} (and {K[1, 0]:g} below it) in K, wanted 0 0: square to the axes"
        )
    if size is None:
        raise InputError(f"{where}: a K as text has no image size; wanted a camera JSON with width and height")
    for name, c, side in (("cx", K[0, 2], size[0]), ("cy", K[1, 2], size[1])):
        if abs(c / side - 0.5) > MAX_OFF_CENTRE:
            raise InputError(
                f"{where}: got {name} {c:g} px for photos of {size[0]} x {size[1]} px, wanted it near their centre; is "
                "K of another image size? A camera JSON says its own width and height"
            )
    values = {"width": float(size[0]), "height": float(size[1])}
    values |= {"fx": float(K[0, 0]), "fy": float(K[1, 1]), "cx": float(K[0, 2]), "cy": float(K[1, 2])}
    with naming(where):
        return Calibration(_camera(values), source=source)


def calibration_for(calibration: Calibration, width: int, height: int, where: str) -> Calibration:
    """The calibration for a photo of another size.

    The same aspect (within 1 %) is resampled. A photo turned by a quarter (portrait against landscape) swaps fx with
    fy and cx with cy: which way it was turned is not known, so the principal point keeps its small offset from the
    centre along each side of the sensor without its sign being certain, and tangential distortion, whose signs
    depend on it too, is left out.

    Raises:
        InputError: the aspects differ, naming `where` and both sizes.
    """
    camera = calibration.camera
    if _same_aspect((camera.width, camera.height), (width, height)):
        return _with_camera(calibration, camera.resized(width, height), calibration.distortion)
    if _same_aspect((camera.height, camera.width), (width, height)):
        turned = Camera(camera.height, camera.width, camera.fy, camera.fx, camera.cy, camera.cx)
        distortion = calibration.distortion
        if calibration.model == "opencv":
            distortion = (*distortion[:2], 0.0, 0.0, *distortion[4:])
        return _with_camera(calibration, turned.resized(width, height), distortion)
    raise InputError(
        f"{where}: got the calibration of an image of {camera.width} x {camera.height} px for a photo of "
        f"{width} x {height} px, wanted the same aspect; was the photo cropped, or taken by another camera?"
    )


def write_camera(path: Path, calibration: Calibration) -> None:
    """Writes our camera JSON."""
    text = json.dumps(calibration_as_json(calibration), indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _K_of(words: list[str], where: str) -> Array:
    """The (3, 3) K in the words of a text."""
    values = np.array(floats(words[:17], where))
    if len(words) == 4:
        fx, fy, cx, cy = values
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    if len(words) == 9:
        return values.reshape(3, 3)
    if len(words) == 16:
        square = values.reshape(4, 4)
        if not np.array_equal(square[[0, 1, 2, 3, 3, 3, 3], [3, 3, 3, 0, 1, 2, 3]], [0, 0, 0, 0, 0, 0, 1]):
            raise InputError(f"{where}: got a 4x4 matrix that is no K, wanted 0 0 0 1 in the last row and column")
        return square[:3, :3]
    hint = " (12: a 3x4 projection matrix holds a pose as well)" if len(words) == 12 else ""
    raise InputError(
        f"{where}: got {len(words)} numbers{hint}, wanted the 9 of a 3x3 K, or fx fy cx cy, or a camera JSON"
    )


def _camera(values: dict[str, float]) -> Camera:
    """The camera of `values`, keyed as the fields of `Camera`."""
    if not (1 <= values["width"] <= 2**20 and 1 <= values["height"] <= 2**20):
        raise InputError(f"camera size: got {values['width']:g} x {values['height']:g} px, wanted 1 to {2**20} each")
    sides: Any = {key: int(values[key]) if values[key].is_integer() else values[key] for key in ("width", "height")}
    return Camera(**{**values, **sides})


def _check_focal(camera: Camera, where: str) -> None:
    """Refuses focal lengths that are numbers of degrees, or of another image."""
    longer = max(camera.width, camera.height)
    for name in ("fx", "fy"):
        focal = getattr(camera, name)
        if focal < MIN_FOCAL * longer:
            fov = math.degrees(2 * math.atan(longer / (2 * focal)))
            raise InputError(
                f"{where}: camera {name}: got {focal:g} px for {camera.width} x {camera.height} px (a field "
                f"of view of {fov:.0f} degrees), wanted pixels of this image size; is it in degrees or millimetres?"
            )
    if not 0.5 <= camera.fx / camera.fy <= 2:
        raise InputError(f"{where}: got fx {camera.fx:g} and fy {camera.fy:g} px, wanted them alike (within twice)")


def _same_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(math.log(size[0] / size[1] / (other[0] / other[1]))) <= ASPECT_TOLERANCE


def _with_camera(calibration: Calibration, camera: Camera, distortion: tuple[float, ...]) -> Calibration:
    """`calibration` for an image of another size: its residual in pixels scales with the image."""
    old = calibration.camera
    rms = calibration.rms_px
    if rms is not None:
        rms *= max(camera.width, camera.height) / max(old.width, old.height)
    return Calibration(camera, calibration.model, distortion, rms, calibration.source)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where}: got {value!r}, wanted a text")
    return value


def _row(values: Array) -> str:
    return " ".join(f"{x:g}" for x in values)
