"""A board of known size that stands in the scene: what makes a unit of the poses so many metres."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recon3d.errors import StageError
from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array
from recon3d.metrics.trajectory import umeyama
from recon3d.scale.metric import MetricScale

MIN_ANGLE = np.deg2rad(2.0)
"""Angle between two views of the board from which on its corners can be triangulated [rad]."""
MISFIT = 0.1
"""Residual of the corners, as a share of the board's extent, above which it is not one board that stands still."""
PRINTED = 0.002
"""Relative error of a printed board's squares: printers scale, paper gives."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """The board in one photo.

    Attributes:
        corners: (N, 3) on the board [m].
        rays: (N, 3) from the camera through them, z = 1.
        world_from_cam: pose of the photo [unit of the poses].
    """

    corners: Array
    rays: Array
    world_from_cam: SE3


def scale_of_board(sightings: Sequence[Sighting]) -> MetricScale:
    """The metric scale by a board: its corners are triangulated and laid over the board as it was made.

    A chessboard may come with its corners in the reverse order: of each photo the order is taken that fits the first.

    Args:
        sightings: the board in different photos, all corners of one and the same board that stood still.

    Raises:
        StageError: fewer than two photos see it from different sides, or what they see is no rigid board.
    """
    known, places = _triangulated(sightings)
    if len(known) < 4:
        raise StageError(
            f"known board: got {len(sightings)} photos that show it, wanted two or more from places that see it under "
            f"different angles ({np.rad2deg(MIN_ANGLE):.0f} degrees); take more photos of it, or give --known-distance"
        )
    seen_from_board, units_per_metre = umeyama(known, places, with_scale=True)
    left = places - seen_from_board @ (units_per_metre * known)
    share = float(np.sqrt(np.square(left).sum() / np.square(places - places.mean(axis=0)).sum()))
    if share > MISFIT:
        raise StageError(
            f"known board: its corners are {100 * share:.0f} % of its size off, wanted {100 * MISFIT:.0f} % at most; "
            "it must stand still and be of the size named: see --set scale.board"
        )
    return MetricScale(1 / units_per_metre, float(np.hypot(PRINTED, share / np.sqrt(len(known)))), "known board")


def _triangulated(sightings: Sequence[Sighting]) -> tuple[Array, Array]:
    """(N, 3) corners on the board and (N, 3) in space, of those that are seen under different angles."""
    ordered: list[Sighting] = []
    for sighting in sightings:
        turned = Sighting(sighting.corners[::-1], sighting.rays, sighting.world_from_cam)
        reverse = bool(ordered) and _gap([*ordered, turned]) < _gap([*ordered, sighting])
        ordered.append(turned if reverse else sighting)
    return _intersections(ordered)[:2]


def _gap(sightings: Sequence[Sighting]) -> float:
    """How far the rays of a corner pass each other by, on average [unit of the poses]."""
    _, _, gaps = _intersections(sightings)
    return float(gaps.mean()) if len(gaps) else 0.0


def _intersections(sightings: Sequence[Sighting]) -> tuple[Array, Array, Array]:
    """(N, 3) corners, (N, 3) the points nearest to all rays of each, (N,) their rms distance from those."""
    corners = np.concatenate([one.corners for one in sightings])
    rays = np.concatenate([one.rays @ one.world_from_cam.R.T for one in sightings])
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    centres = np.concatenate([np.broadcast_to(one.world_from_cam.t, one.rays.shape) for one in sightings])
    known, which, count = np.unique(np.round(corners, 9), axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    matrix, right = np.zeros((len(known), 3, 3)), np.zeros((len(known), 3))
    np.add.at(matrix, which, across)
    np.add.at(right, which, np.einsum("nij,nj->ni", across, centres))
    # The smallest eigenvalue is the sum of sin² of the rays' angles to their mean direction.
    apart = np.linalg.eigvalsh(matrix)[:, 0] >= 2 * np.sin(MIN_ANGLE / 2) ** 2
    good = apart & (count > 1)
    points = np.zeros((len(known), 3))
    points[good] = np.linalg.solve(matrix[good], right[good][..., None])[..., 0]
    miss = np.einsum("nij,nj->ni", across, points[which] - centres)
    gaps = np.sqrt(np.bincount(which, np.square(miss).sum(axis=1), minlength=len(known)) / count)
    return known[good], points[good], gaps[good]
