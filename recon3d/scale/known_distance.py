"""Distances that the user has measured, between two points marked in photos: what makes a unit so many metres."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array
from recon3d.scale.metric import MetricScale

_NUMBER = r"[0-9.]+(?:[eE][+-]?[0-9]+)?"
_MARK = rf"(\S.*?):\s*({_NUMBER})\s*,\s*({_NUMBER})"
_LINE = re.compile(rf"\s*{_MARK}\s+{_MARK}\s*=\s*({_NUMBER})\s*m?\s*")
MARK_PX = 1.0
"""How well people mark a point, as one standard deviation [px]."""


@dataclass(frozen=True)
class Mark:
    """A point in a photo of the scene.

    Attributes:
        photo: its name, or that of its file.
        u: column [px] of the working photo, centre of the top-left pixel = 0.
        v: row [px].
    """

    photo: str
    u: float
    v: float


@dataclass(frozen=True)
class KnownDistance:
    """Two marks and how far apart they are in the world [m]."""

    start: Mark
    end: Mark
    metres: float


@dataclass(frozen=True, eq=False)
class Point:
    """A mark in space.

    Attributes:
        place: (3,) [unit of the poses].
        eye: (3,) centre of the view that it was marked in.
        sigma: relative, of its distance from there.
        pixel: how wide a pixel is at it [unit of the poses].
    """

    place: Array
    eye: Array
    sigma: float
    pixel: float


def parse_known_distances(text: str) -> tuple[KnownDistance, ...]:
    """Reads `PHOTO:u1,v1 PHOTO:u2,v2 = METRES`, several apart by semicolons.

    Raises:
        InputError: a part is not of that form, or no distance above 0.
    """
    found = []
    for part in filter(str.strip, text.split(";")):
        match = _LINE.fullmatch(part)
        try:
            first, u1, v1, second, u2, v2, metres = match.groups() if match else [""] * 7
            known = KnownDistance(Mark(first, float(u1), float(v1)), Mark(second, float(u2), float(v2)), float(metres))
        except ValueError as error:
            raise InputError(
                f"known distance: got {part.strip()!r}, wanted PHOTO:u1,v1 PHOTO:u2,v2 = METRES"
            ) from error
        if not (np.isfinite(known.metres) and known.metres > 0):
            raise InputError(f"known distance: got {part.strip()!r}, wanted a distance > 0 [m]")
        found.append(known)
    return tuple(found)


def scale_of_distances(points: Sequence[tuple[Point, Point]], metres: Sequence[float]) -> MetricScale:
    """The metric scale by measured distances: their mean, weighted by how well the marks are known.

    A distance is as sure as its marks are: along the view by the depth there, where both may err together; across it
    by a pixel. Distances that disagree by more than that widen the ±.

    Args:
        points: start and end of each distance, at least one.
        metres: of each [m].

    Raises:
        InputError: the marks of a distance are at one point.
    """
    logs, sigmas = [], []
    for (a, b), known in zip(points, metres, strict=True):
        between = b.place - a.place
        length = float(np.linalg.norm(between))
        along = sum(p.sigma * abs(float((p.place - p.eye) @ between)) / max(length, 1e-300) for p in (a, b))
        across = MARK_PX * float(np.hypot(a.pixel, b.pixel))
        if length <= across:
            raise InputError(f"known distance of {known:g} m: got two marks at one point, wanted two apart")
        logs.append(np.log(known / length))
        sigmas.append(float(np.hypot(along, across)) / length)
    weight = 1 / np.square(sigmas)
    middle = float(np.average(logs, weights=weight))
    sigma = 1 / float(np.sqrt(weight.sum()))
    if len(logs) > 1:
        unexpected = float((weight * np.square(np.array(logs) - middle)).sum()) / (len(logs) - 1)
        sigma *= max(1.0, float(np.sqrt(unexpected)))
    source = "known distance" if len(logs) == 1 else f"{len(logs)} known distances"
    return MetricScale(float(np.exp(middle)), sigma, source)
