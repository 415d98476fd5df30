"""The metric scale by satellite navigation: camera centres laid over the positions in the photos' EXIF."""

from collections.abc import Mapping

import numpy as np

from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array
from recon3d.metrics.trajectory import umeyama
from recon3d.photos.gps import Position
from recon3d.scale.metric import MetricScale

EARTH_M = 6_378_137.0, 6_356_752.3
"""Semi-axes of WGS 84 [m]."""
TYPICAL_ERROR_M = 5.0
"""Of a telephone under open sky (FAA/GPS.gov: 4.9 m), where the receiver says nothing itself."""
OUTLIER = 3.0
"""Times the typical residual beyond which a position is left out."""
MOST_DOUBT = 0.1
"""Relative sigma above which the positions say less about size than anything else: the set is too small for them."""
LEAST_PHOTOS = 4


def scale_of_gps(positions: Mapping[str, Position], world_from_cam: Mapping[str, SE3]) -> MetricScale | None:
    """The metric scale of a set that was taken over far more ground than its positions err by.

    Errors of one walk are shared by neighbours and don't average out: the relative sigma is the error of one position
    over the standard deviation of all, not divided by the root of their number.

    Args:
        positions: by photo; photos without one are absent.
        world_from_cam: by photo, in the unit of the poses.

    Returns:
        The scale, None where there are fewer than `LEAST_PHOTOS` positions or they can't tell it within `MOST_DOUBT`.
    """
    names = [name for name in world_from_cam if name in positions]
    if len(names) < LEAST_PHOTOS:
        return None
    centres = np.stack([world_from_cam[name].t for name in names])
    places = local_m([positions[name] for name in names])
    told = [error for name in names if (error := positions[name].error_m) is not None]
    error_m = float(np.median(told)) if told else TYPICAL_ERROR_M
    if np.linalg.norm(centres.std(axis=0)) == 0 or np.linalg.norm(places.std(axis=0)) * MOST_DOUBT < error_m:
        return None
    for _ in range(2):
        local_from_world, factor = umeyama(centres, places, with_scale=True)
        left = np.linalg.norm(places - local_from_world @ (factor * centres), axis=1)
        good = left <= OUTLIER * max(float(np.median(left)), error_m)
        if good.all() or good.sum() < LEAST_PHOTOS:
            break
        centres, places = centres[good], places[good]
    spread_m = factor * float(np.linalg.norm(centres.std(axis=0)))
    error_m = max(error_m, float(np.sqrt(np.mean(left[good] ** 2) / 2)))  # of one of the two horizontal directions
    doubt = error_m / spread_m if spread_m > 0 else np.inf
    return MetricScale(factor, float(doubt), "GPS") if doubt <= MOST_DOUBT else None


def local_m(positions: list[Position]) -> Array:
    """(N, 3) east, north and up of the first position [m]; altitude counts only where all have it.

    The ellipsoid's radii of curvature at that latitude, which is exact to a millimetre over a kilometre.
    """
    first = positions[0]
    a, b = EARTH_M
    latitude = np.deg2rad(first.latitude_deg)
    flat = np.hypot(a * np.cos(latitude), b * np.sin(latitude))
    along_meridian, across = (a * b) ** 2 / flat**3, a**2 / flat * np.cos(latitude)
    heights = [position.altitude_m for position in positions]
    base = heights[0]
    rows = []
    for position, height in zip(positions, heights, strict=True):
        east_deg = (position.longitude_deg - first.longitude_deg + 180) % 360 - 180
        up = 0.0 if None in heights or height is None or base is None else height - base
        north = np.deg2rad(position.latitude_deg - first.latitude_deg) * along_meridian
        rows.append([np.deg2rad(east_deg) * across, north, up])
    return np.array(rows)
