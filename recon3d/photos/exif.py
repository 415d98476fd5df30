"""What a camera wrote about itself into the photo, and the calibration that follows from it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from recon3d.geometry.camera import Calibration, Camera
from recon3d.photos.gps import Position, position_of_tags

FULL_FRAME_DIAGONAL_MM = 43.2666
"""Diagonal of 36 mm x 24 mm film [mm]: what 35 mm equivalents refer to."""

SENSOR_WIDTHS_MM = {
    "Z612 ZOOM": 5.76,
    "FC330": 6.17,
    "FC220": 6.17,
    "FC6310": 13.2,
    "HERO4": 6.17,
    "DSC-RX100": 13.2,
    "NEX-5": 23.4,
    "ILCE-6000": 23.5,
    "ILCE-7": 35.8,
    "EOS 5D MARK II": 36.0,
    "EOS 6D": 35.8,
    "EOS 350D": 22.2,
    "EOS 550D": 22.3,
    "EOS 600D": 22.3,
    "NIKON D90": 23.6,
    "NIKON D3100": 23.1,
    "NIKON D7000": 23.6,
    "NIKON D800": 35.9,
    "E-M5": 17.3,
    "DMC-GF1": 17.3,
    "X100": 23.6,
}
"""Longer side of the sensor [mm] by a word group of the EXIF model, for cameras that write no 35 mm equivalent.

The manufacturers' figures; where those give only an optical format, its usual width: 1/2.5" 5.76, 1/2.3" 6.17,
1" 13.2, Four Thirds 17.3. Those that openMVG's CameraSensorSizeDatabase lists agree within 0.01 mm, but for the
FC6310, whose 1" sensor it takes for 1/2.3"."""

_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_PLAUSIBLE_F_SHARE = (0.15, 60.0)  # focal length over the longer side: fields of view of 147 to 1 degrees
_PLAUSIBLE_SENSOR_MM = (2.0, 60.0)  # longer side: from telephone front cameras to medium format
_MAKE, _MODEL, _ORIENTATION, _EXIF_IFD, _GPS_IFD = 271, 272, 274, 0x8769, 0x8825
_FOCAL, _FOCAL_35MM = 37386, 41989
_PIXEL_WIDTH, _PIXEL_HEIGHT = 40962, 40963
_PLANE_X, _PLANE_Y, _PLANE_UNIT = 41486, 41487, 41488


@dataclass(frozen=True)
class Exif:
    """The tags that recon3d uses; None where absent or absurd.

    Attributes:
        make: manufacturer.
        model: camera model.
        focal_mm: focal length [mm].
        focal_35mm_mm: focal length with the same diagonal field of view on 36 mm x 24 mm film [mm].
        orientation: how the stored pixels lie, 1 to 8.
        focal_plane_px_per_mm: pixels per mm on the sensor, for a photo of `longer_side_px`.
        longer_side_px: longer side of the photo as the camera wrote it [px].
        position: where it was taken.
    """

    make: str | None = None
    model: str | None = None
    focal_mm: float | None = None
    focal_35mm_mm: float | None = None
    orientation: int | None = None
    focal_plane_px_per_mm: float | None = None
    longer_side_px: float | None = None
    position: Position | None = None


def read_exif(image: Image.Image) -> Exif:
    """Reads the tags of an opened photo; garbage reads as absent, and nothing raises."""
    try:
        exif = image.getexif()
    except Exception:  # whatever a parser of damaged tags may raise: the pixels are still good
        return Exif()
    return exif_of_tags(exif)


def exif_of_tags(exif: Image.Exif) -> Exif:
    """The same from tags already parsed."""
    tags: dict[int, Any] = {}
    place: dict[int, Any] = {}
    try:
        tags.update(exif)
        tags.update(exif.get_ifd(_EXIF_IFD))
        place.update(exif.get_ifd(_GPS_IFD))
    except Exception:  # as above: keep what was read before the damage
        pass
    sides = [_number(tags, _PIXEL_WIDTH, 1, 1e6), _number(tags, _PIXEL_HEIGHT, 1, 1e6)]
    orientation = _number(tags, _ORIENTATION, 1, 8)
    return Exif(
        make=_text(tags, _MAKE),
        model=_text(tags, _MODEL),
        focal_mm=_number(tags, _FOCAL, 0.5, 5000),
        focal_35mm_mm=_number(tags, _FOCAL_35MM, 4, 5000),
        orientation=int(orientation) if orientation is not None and orientation == int(orientation) else None,
        focal_plane_px_per_mm=_plane_resolution(tags),
        longer_side_px=max((side for side in sides if side is not None), default=None),
        position=position_of_tags(place),
    )


def calibration_from_exif(exif: Exif, width: int, height: int) -> Calibration | None:
    """A pinhole camera from the focal length, for the upright photo at its full size.

    In order: the 35 mm equivalent by the diagonal formula f = f35 / 43.27 · √(w² + h²), as CIPA DC-008 defines it;
    the focal length in mm with the focal-plane resolution; the focal length with the sensor width of the model.
    The principal point is guessed in the image centre.

    Args:
        exif: the photo's tags.
        width: of the upright photo before any shrinking [px].
        height: the same [px].

    Returns:
        The calibration with source "EXIF", or None where the tags say nothing usable.
    """
    longer = max(width, height)
    for focal in (
        _focal_by_equivalent(exif, math.hypot(width, height)),
        _focal_by_plane(exif, longer),
        _focal_by_model(exif, longer),
    ):
        if focal is not None and _PLAUSIBLE_F_SHARE[0] <= focal / longer <= _PLAUSIBLE_F_SHARE[1]:
            camera = Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
            return Calibration(camera, source="EXIF")
    return None


def _focal_by_equivalent(exif: Exif, diagonal_px: float) -> float | None:
    return None if exif.focal_35mm_mm is None else exif.focal_35mm_mm / FULL_FRAME_DIAGONAL_MM * diagonal_px


def _focal_by_plane(exif: Exif, longer_px: float) -> float | None:
    """The resolution counts the camera's own pixels: an edited photo may be smaller than that."""
    if exif.focal_mm is None or exif.focal_plane_px_per_mm is None:
        return None
    sensor_mm = (exif.longer_side_px or longer_px) / exif.focal_plane_px_per_mm
    if not _PLAUSIBLE_SENSOR_MM[0] <= sensor_mm <= _PLAUSIBLE_SENSOR_MM[1]:
        return None
    return exif.focal_mm / sensor_mm * longer_px


def _focal_by_model(exif: Exif, longer_px: float) -> float | None:
    if exif.focal_mm is None or exif.model is None:
        return None
    model = f" {' '.join(exif.model.upper().split())} "
    matches = [words for words in SENSOR_WIDTHS_MM if f" {words} " in model]
    return exif.focal_mm / SENSOR_WIDTHS_MM[max(matches, key=len)] * longer_px if matches else None


def _plane_resolution(tags: Mapping[int, Any]) -> float | None:
    unit = _number(tags, _PLANE_UNIT, 2, 5) or 2.0
    mm = _MM_PER_UNIT.get(int(unit), 25.4)
    for tag in (_PLANE_X, _PLANE_Y):
        per_unit = _number(tags, tag, 1e-3, 1e9)
        if per_unit is not None and 5 <= per_unit / mm <= 5000:
            return per_unit / mm
    return None


def _number(tags: Mapping[int, Any], tag: int, low: float, high: float) -> float | None:
    """A tag as a number within [low, high]; None for text, zero denominators, NaN and the rest."""
    value = tags.get(tag)
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, str | bytes | tuple):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if low <= number <= high else None


def _text(tags: Mapping[int, Any], tag: int) -> str | None:
    value = tags.get(tag)
    if not isinstance(value, str):
        return None
    return "".join(c for c in value if c.isprintable()).strip()[:100] or None
