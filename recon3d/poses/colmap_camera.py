"""Calibrations as COLMAP writes them: other model names, pixel centres at ½ instead of integers."""

from collections.abc import Sequence

from recon3d.errors import InputError
from recon3d.geometry import Calibration, Camera

CENTRE = 0.5
"""COLMAP's coordinate of the centre of the top-left pixel [px]; ours is 0."""

_FROM_COLMAP = {
    # model: (is the focal length written once, our model, our coefficients from theirs)
    "SIMPLE_PINHOLE": (True, "pinhole", ()),
    "PINHOLE": (False, "pinhole", ()),
    "SIMPLE_RADIAL": (True, "opencv", (0, None, None, None)),
    "RADIAL": (True, "opencv", (0, 1, None, None)),
    "OPENCV": (False, "opencv", (0, 1, 2, 3)),
    "FULL_OPENCV": (False, "opencv", (0, 1, 2, 3, 4, 5, 6, 7)),
    "SIMPLE_RADIAL_FISHEYE": (True, "fisheye", (0, None, None, None)),
    "RADIAL_FISHEYE": (True, "fisheye", (0, 1, None, None)),
    "OPENCV_FISHEYE": (False, "fisheye", (0, 1, 2, 3)),
}


def colmap_params(calibration: Calibration) -> tuple[str, list[float]]:
    """COLMAP's model name and parameters of a calibration that is to be kept as it is."""
    camera = calibration.camera
    pinhole = [camera.fx, camera.fy, camera.cx + CENTRE, camera.cy + CENTRE]
    if calibration.is_pinhole:
        return "PINHOLE", pinhole
    if calibration.model == "fisheye":
        return "OPENCV_FISHEYE", [*pinhole, *calibration.distortion]
    if len(calibration.distortion) == 4:
        return "OPENCV", [*pinhole, *calibration.distortion]
    return "FULL_OPENCV", [*pinhole, *calibration.distortion, *[0.0] * (8 - len(calibration.distortion))]


def colmap_start(calibration: Calibration) -> tuple[str, list[float]]:
    """COLMAP's model name and parameters where structure from motion is to find focal length and distortion."""
    camera = calibration.camera
    return "SIMPLE_RADIAL", [(camera.fx + camera.fy) / 2, camera.cx + CENTRE, camera.cy + CENTRE, 0.0]


def calibration_from_colmap(
    model: str, params: Sequence[float], width: int, height: int, *, source: str
) -> Calibration:
    """A calibration from a COLMAP camera.

    Args:
        model: COLMAP's name, such as "SIMPLE_RADIAL".
        params: its parameters in COLMAP's order.
        width: [px].
        height: [px].
        source: where the numbers came from, one of `geometry.camera.SOURCES`.

    Raises:
        InputError: a camera model that has no counterpart here.
    """
    if model not in _FROM_COLMAP:
        raise InputError(f"COLMAP camera model: got {model}, wanted one of {', '.join(_FROM_COLMAP)}")
    one_focal, ours, picks = _FROM_COLMAP[model]
    focal = [params[0], params[0]] if one_focal else list(params[:2])
    cx, cy, *theirs = params[1 if one_focal else 2 :]
    distortion = tuple(0.0 if pick is None else float(theirs[pick]) for pick in picks)
    camera = Camera(width, height, focal[0], focal[1], cx - CENTRE, cy - CENTRE)
    return Calibration(camera, ours, distortion, source=source)
