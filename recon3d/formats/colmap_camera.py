"""Calibrations as COLMAP writes them: other model names, pixel centres at ½ instead of integers."""

from collections.abc import Sequence

from recon3d.errors import InputError
from recon3d.geometry.camera import Calibration, Camera

CENTRE = 0.5
"""COLMAP's coordinate of the centre of the top-left pixel [px]; ours is 0."""
MAX_SIDE = 2**20
"""Images beyond this are a broken file [px]."""

MODELS: dict[str, tuple[str, str]] = {
    "SIMPLE_PINHOLE": ("pinhole", "f cx cy"),
    "PINHOLE": ("pinhole", "fx fy cx cy"),
    "SIMPLE_RADIAL": ("opencv", "f cx cy k1"),
    "RADIAL": ("opencv", "f cx cy k1 k2"),
    "OPENCV": ("opencv", "fx fy cx cy k1 k2 p1 p2"),
    "OPENCV_FISHEYE": ("fisheye", "fx fy cx cy k1 k2 k3 k4"),
    "FULL_OPENCV": ("opencv", "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6"),
    "SIMPLE_RADIAL_FISHEYE": ("fisheye", "f cx cy k1"),
    "RADIAL_FISHEYE": ("fisheye", "f cx cy k1 k2"),
}
"""COLMAP's camera models: ours, and what their parameters are called."""

MODEL_IDS = {
    **{0: "SIMPLE_PINHOLE", 1: "PINHOLE", 2: "SIMPLE_RADIAL", 3: "RADIAL", 4: "OPENCV", 5: "OPENCV_FISHEYE"},
    **{6: "FULL_OPENCV", 8: "SIMPLE_RADIAL_FISHEYE", 9: "RADIAL_FISHEYE"},
}
"""What binary files call them."""

DISTORTION = {"pinhole": "", "opencv": "k1 k2 p1 p2", "fisheye": "k1 k2 k3 k4"}
FULL_DISTORTION = "k1 k2 p1 p2 k3 k4 k5 k6"


def calibration_from_colmap(
    model: str, params: Sequence[float], width: int, height: int, *, source: str = "COLMAP"
) -> Calibration:
    """A calibration from a COLMAP camera.

    Args:
        model: COLMAP's name, such as "SIMPLE_RADIAL".
        params: its parameters in COLMAP's order.
        width: [px].
        height: [px].
        source: where the numbers came from, one of `geometry.camera.SOURCES`.

    Raises:
        InputError: a model that has no counterpart here, or numbers that can't be.
    """
    if model not in MODELS:
        raise InputError(
            f"got model {model}, wanted one of {', '.join(MODELS)}; undistort the photos with COLMAP first"
        )
    ours, names = MODELS[model]
    keys = names.split()
    if len(params) != len(keys):
        raise InputError(f"got {len(params)} parameters for model {model}, wanted {len(keys)} ({names})")
    values = dict(zip(keys, params, strict=True))
    fx, fy = values.get("fx", values.get("f", 0.0)), values.get("fy", values.get("f", 0.0))
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise InputError(f"got an image of {width} x {height} px, wanted 1 to {MAX_SIDE} px a side")
    camera = Camera(width, height, fx, fy, values["cx"] - CENTRE, values["cy"] - CENTRE)
    order = FULL_DISTORTION if "k6" in values else DISTORTION[ours]
    return Calibration(camera, ours, tuple(values.get(key, 0.0) for key in order.split()), source=source)


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


def colmap_start(calibration: Calibration, *, lens: bool = True) -> tuple[str, list[float]]:
    """COLMAP's model name and parameters where structure from motion is to find the focal length.

    Args:
        calibration: where the search starts.
        lens: whether one radial coefficient is to be found as well.
    """
    camera = calibration.camera
    start = [(camera.fx + camera.fy) / 2, camera.cx + CENTRE, camera.cy + CENTRE]
    return ("SIMPLE_RADIAL", [*start, 0.0]) if lens else ("SIMPLE_PINHOLE", start)
