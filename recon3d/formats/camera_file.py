"""Camera files: ours and those of the neighbours, in by their content and out by their ending."""

import json
import math
import re
from pathlib import Path
from typing import Any

from recon3d.errors import InputError
from recon3d.formats.camera_matrix import K_of_words, camera_of, camera_of_K, check_K
from recon3d.formats.camera_neighbours import (
    calibration_from_cameras_txt,
    calibration_from_kalibr,
    calibration_from_opencv,
    calibration_from_transforms,
    is_cameras_txt,
)
from recon3d.formats.camera_tree import parse_xml, parse_yaml
from recon3d.formats.camera_writers import WRITERS
from recon3d.formats.untrusted import naming, number, parse_json, read_text
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Calibration, Camera

SCHEMA = 1
_KEY = re.compile(r"""["']?\w[\w ]*["']?\s*:(\s|$)""")
SOURCE = "calib file"
ASPECT_TOLERANCE = 0.01
"""Width/height of a calibration and of a photo agree within this share: more is another crop."""
ENDINGS = {".json": "recon3d", ".yml": "opencv", ".yaml": "opencv", ".xml": "opencv-xml", ".txt": "colmap"}
"""The format that an ending stands for."""
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
            camera_of(values),
            model=_text(data.get("model", "pinhole"), "camera model"),
            distortion=coefficients,
            rms_px=None if rms is None else number(rms, "camera rms_px"),
            source=_text(data.get("source", SOURCE), "camera source"),
        )


def read_camera(path: Path, size: tuple[int, int] | None = None) -> Calibration:
    """The calibration in a camera file that a user hands in.

    Read, by their content, are our JSON; OpenCV's YAML and XML; ROS's camera_info; a Kalibr camchain of one camera;
    COLMAP's cameras.txt of one camera; the camera of nerfstudio's transforms.json; and texts, pixel centres at
    integers: a 3x3 K (9 numbers), a 4x4 K (16), or fx fy cx cy (4), with spaces, line breaks or commas between.
    `#` starts a comment.

    Args:
        path: the file.
        size: (width, height) of the photos [px], which a text needs, and an OpenCV file that doesn't say it.

    Returns:
        The calibration, its source "calib file".

    Raises:
        InputError: naming the file and the number that can't be.
    """
    calibration = _by_content(read_text(path), size, str(path))
    _check_focal(calibration.camera, str(path))
    return calibration


def _by_content(text: str, size: tuple[int, int] | None, where: str) -> Calibration:
    start = text.lstrip()
    if start.startswith(("{", "[")):
        data = parse_json(text, where=where)
        if isinstance(data, dict) and {"frames", "fl_x", "camera_angle_x"} & data.keys():
            return calibration_from_transforms(data, size, where)
        return calibration_from_json(data | {"source": SOURCE} if isinstance(data, dict) else data, where)
    if start.startswith("<"):
        return _from_tree(parse_xml(text, where), size, where)
    lines = [line for raw in text.splitlines() if (line := raw.partition("#")[0].strip())]
    if is_cameras_txt(lines):
        return calibration_from_cameras_txt(lines, where)
    if start.startswith("%YAML") or any(_KEY.match(line) for line in lines):
        return _from_tree(parse_yaml(text, where), size, where)
    words = " ".join(lines).replace(",", " ").replace(";", " ").split()
    return calibration_from_K(K_of_words(words, where), size, where)


def _from_tree(tree: Any, size: tuple[int, int] | None, where: str) -> Calibration:
    """From YAML or XML of OpenCV, ROS or Kalibr."""
    if not isinstance(tree, dict):
        raise InputError(f"{where}: got a {type(tree).__name__}, wanted the keys of a camera file")
    if any(isinstance(value, dict) and "intrinsics" in value for value in tree.values()):
        return calibration_from_kalibr(tree, where)
    return calibration_from_opencv(tree, size, where)


def calibration_from_K(K: Array, size: tuple[int, int] | None, where: str, source: str = SOURCE) -> Calibration:
    """A pinhole calibration from a 3x3 matrix.

    Args:
        K: (3, 3) [px], pixel centres at integers.
        size: (width, height) of the image it is of [px].
        where: the file as errors call it.
        source: one of `recon3d.geometry.camera.SOURCES`.
    """
    check_K(K, where)
    if size is None:
        raise InputError(f"{where}: a K as text has no image size; wanted a camera JSON with width and height")
    for name, c, side in (("cx", K[0, 2], size[0]), ("cy", K[1, 2], size[1])):
        if abs(c / side - 0.5) > MAX_OFF_CENTRE:
            raise InputError(
                f"{where}: got {name} {c:g} px for photos of {size[0]} x {size[1]} px, wanted it near their centre; is "
                "K of another image size? A camera JSON says its own width and height"
            )
    with naming(where):
        return Calibration(camera_of_K(K, *size), source=source)


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


def write_camera(path: Path, calibration: Calibration, format: str | None = None) -> None:
    """Writes a camera file.

    Args:
        path: the file.
        calibration: what to write; our JSON alone keeps the source.
        format: recon3d (our JSON), opencv, opencv-xml, ros, kalibr, colmap or nerfstudio; None = by the ending:
            .json ours, .yml and .yaml OpenCV's, .xml OpenCV's, .txt COLMAP's.

    Raises:
        InputError: an unknown ending or format, or a lens that the format has no words for.
    """
    chosen = ENDINGS.get(path.suffix.lower()) if format is None else format
    if chosen == "recon3d":
        text = json.dumps(calibration_as_json(calibration), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    elif chosen in WRITERS:
        with naming(path):
            text = WRITERS[chosen](calibration)
    else:
        wanted = f"one of {', '.join(ENDINGS)}" if format is None else f"one of recon3d, {', '.join(WRITERS)}"
        raise InputError(f"{path}: got camera {'ending' if format is None else f'format {format!r}'}, wanted {wanted}")
    path.write_text(text, encoding="utf-8")


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
