"""Where on earth a photo was taken, as its EXIF says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NORTH, _LATITUDE, _EAST, _LONGITUDE, _BELOW, _ALTITUDE, _ERROR = 1, 2, 3, 4, 5, 6, 31


@dataclass(frozen=True)
class Position:
    """A point by satellite navigation, WGS 84.

    Attributes:
        latitude_deg: north of the equator, -90 to 90.
        longitude_deg: east of Greenwich, -180 to 180.
        altitude_m: above sea level; None where it isn't told.
        error_m: one horizontal standard deviation as the receiver saw it; None where it isn't told.
    """

    latitude_deg: float
    longitude_deg: float
    altitude_m: float | None = None
    error_m: float | None = None


def position_of_tags(tags: Mapping[int, Any]) -> Position | None:
    """The position in the tags of EXIF's GPS directory; None where they lack it or make no sense.

    Source: CIPA DC-008 (EXIF 2.32), section 4.6.6. A position of exactly (0, 0) is what receivers without a fix write.
    """
    latitude, longitude = _angle(tags, _LATITUDE, _NORTH, "S", 90), _angle(tags, _LONGITUDE, _EAST, "W", 180)
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None
    altitude = _finite(tags.get(_ALTITUDE), 20_000)
    if altitude is not None and tags.get(_BELOW) in (1, b"\x01"):
        altitude = -altitude
    return Position(latitude, longitude, altitude, _finite(tags.get(_ERROR), 10_000) or None)


def _angle(tags: Mapping[int, Any], tag: int, side: int, negative: str, limit: float) -> float | None:
    """Degrees, minutes and seconds as degrees."""
    parts = tags.get(tag)
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 3:
        return None
    numbers = [_finite(part, 3600) for part in parts]
    if any(number is None for number in numbers):
        return None
    degrees = sum(number / 60.0**power for power, number in enumerate(numbers) if number is not None)
    reference = tags.get(side)
    if not isinstance(reference, str) or degrees > limit:
        return None
    return -degrees if reference.strip("\0 ").upper() == negative else degrees


def _finite(value: Any, limit: float) -> float | None:
    """A tag as a number from 0 to a limit; None for text, zero denominators, NaN and the rest."""
    if value is None or isinstance(value, str | bytes | tuple):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return None
    fits = math.isfinite(number) and 0 <= number <= limit
    return number if fits else None
