import dataclasses

import numpy as np
import pytest
from synthetic import look_at

from recon3d.errors import StageError
from recon3d.photos.boards import Board
from recon3d.scale.board_scale import Sighting, scale_of_board

CORNERS = Board("chessboard", 9, 6, square=0.025).corners
UNIT = 0.4
"""Metres that a unit of the poses is."""


def sightings(count=4, *, spread=0.6, noise=0.0, seed=0):
    """A board that lies at the origin, seen from a row of places 1 m above it; noise in the rays [rad]."""
    rng = np.random.default_rng(seed)
    found = []
    for x in np.linspace(-spread / 2, spread / 2, count):
        pose = look_at([x, -0.5, 1.0], [0.1, 0.06, 0.0])
        local = pose.inverse() @ CORNERS
        rays = local / local[:, 2:]
        rays[:, :2] += rng.normal(0, noise, (len(rays), 2)) if noise else 0
        found.append(Sighting(CORNERS, rays, pose.scaled(1 / UNIT)))
    return found


def test_a_board_says_how_large_a_unit_is():
    found = scale_of_board(sightings())
    assert (found.factor, found.source) == (pytest.approx(UNIT), "known board")
    assert found.relative_sigma == pytest.approx(0.002, rel=0.01)  # the print


def test_corners_that_are_a_little_off_make_it_a_little_less_sure():
    # 0.5 px at a focal length of 500 px moves a corner by 1 mm across and 2 mm along the view, of a board of 24 cm.
    found = scale_of_board(sightings(noise=0.001))
    assert found.factor == pytest.approx(UNIT, rel=0.01)
    assert found.relative_sigma > 0.002


def test_corners_in_reverse_order_are_told_by_how_they_fit():
    seen = sightings()
    seen[2] = dataclasses.replace(seen[2], corners=seen[2].corners[::-1])
    assert scale_of_board(seen).factor == pytest.approx(UNIT)


def test_a_board_seen_in_part_counts():
    seen = sightings()
    seen[1] = dataclasses.replace(seen[1], corners=seen[1].corners[:20], rays=seen[1].rays[:20])
    assert scale_of_board(seen).factor == pytest.approx(UNIT)


@pytest.mark.parametrize("seen", [sightings(1), sightings(3, spread=0.0), sightings(2, spread=0.005)])
def test_one_side_of_a_board_says_nothing(seen):
    with pytest.raises(StageError, match="under different angles"):
        scale_of_board(seen)


def test_a_board_that_moved_is_told():
    seen = sightings()
    pose = seen[0].world_from_cam
    moved = dataclasses.replace(pose, t=pose.t + np.array([0.4, 0.3, 0.2]))
    seen[0] = dataclasses.replace(seen[0], world_from_cam=moved, rays=seen[0].rays * [1, -1, 1])
    with pytest.raises(StageError, match="must stand still"):
        scale_of_board(seen)
