import numpy as np
import pytest
import torch
from synthetic import Plane, look_at, plane_frames, render, room_frames
from torch.nn.functional import interpolate

from recon3d.refine.sweep import NEUTRAL, matching_cost
from recon3d.refine.warp import Look


def _look(frame, image=None):
    return Look.of(frame.image if image is None else image, frame.camera, frame.world_from_cam, "cpu")


def test_the_true_depth_matches_best_on_a_slanted_plane():
    frames = plane_frames(3)
    offsets = torch.linspace(-0.2, 0.2, 9)
    cost = matching_cost(_look(frames[1]), [_look(frames[0]), _look(frames[2])], torch.tensor(frames[1].depth), offsets)
    inner = cost[:, 10:-10, 30:-30]
    assert (inner.argmin(dim=0) == 4).float().mean() > 0.98
    assert inner[4].median() < 0.1


def test_exposure_does_not_count():
    frames = plane_frames(2)
    darker = (frames[1].image * 0.5 + 20).round().astype(np.uint8)
    depth, offsets = torch.tensor(frames[0].depth), torch.linspace(-0.1, 0.1, 5)
    plain = matching_cost(_look(frames[0]), [_look(frames[1])], depth, offsets)
    dimmed = matching_cost(_look(frames[0]), [_look(frames[1], darker)], depth, offsets)
    # halved contrast stands out less against the noise, and is rounded to whole grey levels
    assert (plain - dimmed).abs().median() < 0.01


def test_a_photo_that_looks_away_or_shows_nothing_says_nothing():
    frame = plane_frames(1)[0]
    away = render("away", Plane(np.array([0.0, 0.0, 1.0]), 0.0), frame.camera, look_at([0, 0, 2], [0, 0.1, 9]))
    depth, offsets = torch.tensor(frame.depth), torch.zeros(1)
    assert (matching_cost(_look(frame), [_look(away)], depth, offsets) == NEUTRAL).all()
    other = plane_frames(2)[1]
    blank = np.full_like(other.image, 90)
    assert matching_cost(_look(frame), [_look(other, blank)], depth, offsets).min() > 0.99


def test_what_hides_a_point_in_half_of_the_photos_does_not_count():
    frames = plane_frames(5)
    looks = [_look(frame) for frame in frames]
    other = np.random.default_rng(0).integers(0, 255, frames[0].image.shape, np.uint8)
    looks[0], looks[4] = _look(frames[0], other), _look(frames[4], other)
    depth, offsets = torch.tensor(frames[2].depth), torch.zeros(1)
    cost = matching_cost(looks[2], [looks[i] for i in (0, 1, 3, 4)], depth, offsets)
    # both photos that are left see the middle
    assert cost[0, 10:-10, 50:-50].median() < 0.1


@pytest.mark.parametrize("share", [0.5, 0.33])
def test_a_shrunk_photo_matches_at_the_same_depth(share):
    frames = room_frames(9)[3:6]
    looks = [_look(frame).shrunk(share) for frame in frames]
    depth = interpolate(torch.tensor(frames[1].depth)[None, None], looks[1].grey.shape, mode="area")[0, 0]
    cost = matching_cost(looks[1], [looks[0], looks[2]], depth, torch.linspace(-0.2, 0.2, 5))
    assert (cost.argmin(dim=0) == 2).float().mean() > 0.8
