"""Move: how far adjusted poses and cameras are from those that were given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recon3d.geometry import SE3, Calibration
from recon3d.poses.sparse import Sparse
from recon3d.signals import Signal

ROUNDING = 1e-9
"""Poses that differ by no more, of the largest coordinate, were not moved."""


@dataclass(frozen=True)
class Move:
    """What an adjustment changed; nothing where the given poses were kept.

    Attributes:
        turns_deg: angle by which each photo was turned [degrees].
        shifts: distance by which each was moved, over the median distance of what all see.
        zoom: factor on the focal length of the first photo's camera.
    """

    turns_deg: dict[str, float]
    shifts: dict[str, float]
    zoom: float

    def __bool__(self) -> bool:
        return bool(self.turns_deg)

    @classmethod
    def between(cls, given: Mapping[str, SE3], sparse: Sparse, calibrations: Mapping[str, Calibration]) -> "Move":
        """The move from given poses and calibrations to those of a model."""
        reach = max(1.0, *(float(np.abs(pose.t).max()) for pose in given.values()))
        poses = {
            name: pose
            for name, pose in sparse.world_from_cam.items()
            if np.abs(pose.matrix - given[name].matrix).max() > ROUNDING * reach
        }
        if not poses or not len(sparse.obs_point):
            return cls({}, {}, 1.0)
        centres = np.stack([pose.t for pose in sparse.world_from_cam.values()])
        away = np.linalg.norm(sparse.points[sparse.obs_point] - centres[sparse.obs_photo], axis=1)
        turns, shifts = {}, {}
        for name, pose in poses.items():
            chord = np.linalg.norm(pose.R - given[name].R) / np.sqrt(8)  # sine of half the angle
            turns[name] = float(np.degrees(2 * np.arcsin(min(1.0, chord))))
            shifts[name] = float(np.linalg.norm(pose.t - given[name].t) / np.median(away))
        first = next(iter(poses))
        return cls(turns, shifts, sparse.calibrations[first].camera.fx / calibrations[first].camera.fx)

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        if not self:
            return {}
        turn, shift = self._typical()
        return {"adjusted": {"turn_deg": round(turn, 3), "shift": round(shift, 5), "focal": round(self.zoom, 5)}}

    def signals(self) -> list[Signal]:
        """What is to be said of it."""
        if not self:
            return []
        turn, shift = self._typical()
        text = (
            f"the photos don't fit the given poses: these were turned by {turn:.2f} degrees and moved by "
            f"{100 * shift:.1f} % of the distance of things, typically, and the focal length changed by "
            f"{100 * (self.zoom - 1):+.1f} %; poses.adjust=off keeps them as given"
        )
        return [Signal("POSES_ADJUSTED", text)]

    def _typical(self) -> tuple[float, float]:
        return float(np.median(list(self.turns_deg.values()))), float(np.median(list(self.shifts.values())))
