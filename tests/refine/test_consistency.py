import numpy as np
import pytest
from synthetic import look_at, plane_frames, room_frames

from recon3d.errors import InputError
from recon3d.geometry import SE3, Camera
from recon3d.refine.consistency import Votes, confirmed_sigma, keep, keep_matched, neighbours_of, vote
from recon3d.settings import RefineSettings

SETTINGS = RefineSettings()


def _view(frame, depth=None):
    return (frame.depth if depth is None else depth, frame.camera, frame.world_from_cam)


def test_exact_views_of_a_room_agree_wherever_they_see_the_same():
    frames = room_frames(9)[3:6]
    votes = vote(*_view(frames[1]), [_view(frames[0]), _view(frames[2])], SETTINGS)
    assert votes.seen.mean() > 1.6
    assert (votes.agree == votes.seen).mean() > 0.98
    # What is looked through of an exact room lies at edges, where the nearest pixel is on the other surface.
    assert (votes.contradicted > 0).mean() < 0.01


def test_a_floater_is_looked_through_and_dropped():
    frames = room_frames(3)
    depth = np.array(frames[1].depth)
    depth[50:60, 70:80] *= 0.6
    votes = vote(depth, *_view(frames[1])[1:], [_view(frames[0]), _view(frames[2])], SETTINGS)
    assert (votes.contradicted[50:60, 70:80] >= 1).all()
    sigma = 0.01 * depth
    kept = keep(votes, depth, sigma, SETTINGS)
    assert not kept[50:60, 70:80].any()
    assert kept.mean() > 0.95


def test_a_point_behind_what_a_view_saw_is_hidden_and_nothing_is_said():
    frames = plane_frames(2)
    hidden = np.asarray(frames[0].depth * 1.3)
    votes = vote(hidden, *_view(frames[0])[1:], [_view(frames[1])], SETTINGS)
    assert not votes.agree.any()
    assert not votes.contradicted.any()
    assert not votes.seen.any()


def test_a_neighbour_without_depth_or_looking_away_says_nothing():
    frame, other = plane_frames(2)
    away = look_at([0, 0, 3], [0, 0, 9], up=(0, 1, 0))
    blank = np.zeros_like(other.depth)
    votes = vote(*_view(frame), [_view(other, blank), (other.depth, other.camera, away)], SETTINGS)
    assert not votes.seen.any()


def test_tolerance_is_a_share_of_depth_plus_a_constant():
    frame, other = plane_frames(2)
    tolerance = SETTINGS.agree_relative * frame.depth + SETTINGS.agree_m
    for share, agrees in ((0.8, True), (1.3, False)):
        # Both cameras look along parallel axes at the same plane, so that depths compare as they are.
        votes = vote(frame.depth - share * tolerance, *_view(frame)[1:], [_view(other)], SETTINGS)
        middle = votes.agree[40:80, 60:100]
        assert (middle == agrees).all()


def test_noisy_depth_contradicts_only_beyond_its_noise():
    frame, other = plane_frames(2)
    depth = frame.depth * 0.8
    for relative, contradicts in ((0.05, True), (0.10, False)):  # 2 * sqrt(2) sigmas: 14 % and 28 %
        sigma = relative * depth
        votes = vote(depth, *_view(frame)[1:], [_view(other)], SETTINGS, sigma=sigma)
        assert (votes.contradicted[40:80, 60:100] == contradicts).all()


def test_what_is_kept_by_a_table():
    #            agree contradicted seen relative sigma -> kept
    table = [
        (2, 0, 4, 0.10, True),  # confirmed
        (2, 2, 4, 0.10, True),  # confirmed as often as looked through
        (2, 3, 5, 0.10, False),  # looked through more often
        (0, 1, 1, 0.01, False),
        (0, 0, 4, 0.01, True),  # a sensor's, and nothing against it
        (0, 0, 4, 0.10, True),  # a network's, the same
        (0, 0, 4, 0.50, False),  # it might be anywhere, and nobody confirms it
        (1, 0, 1, 0.50, True),  # too few looked
        (0, 0, 0, 0.50, True),
        (1, 1, 4, 0.01, False),  # as many for it as against it, but too few
    ]
    agree, contradicted, seen, sigma, wanted = (np.array([column]) for column in zip(*table, strict=True))
    votes = Votes(agree.astype(np.uint8), contradicted.astype(np.uint8), seen.astype(np.uint8))
    depth = np.ones((1, len(table)), np.float32)
    assert keep(votes, depth, sigma.astype(np.float32), SETTINGS).tolist() == wanted.tolist()
    assert not keep(votes, 0 * depth, sigma, SETTINGS).any()


def test_what_is_kept_of_matched_depths_by_a_table():
    #            agree contradicted seen sigma -> kept, with a limit of 0.05
    table = [
        (2, 0, 4, 0.01, True),  # confirmed
        (2, 0, 4, 0.06, False),  # by chance: it may be anywhere
        (1, 0, 4, 0.01, False),  # three could have confirmed it and didn't
        (2, 3, 5, 0.01, False),  # looked through more often
        (1, 0, 1, 0.01, True),  # nobody else looked
        (0, 1, 0, 0.01, False),
    ]
    agree, contradicted, seen, sigma, wanted = (np.array([column]) for column in zip(*table, strict=True))
    votes = Votes(agree.astype(np.uint8), contradicted.astype(np.uint8), seen.astype(np.uint8))
    depth = np.ones((1, len(table)), np.float32)
    assert keep_matched(votes, depth, sigma, 0.05, SETTINGS).tolist() == wanted.tolist()
    assert not keep_matched(votes, 0 * depth, sigma, 0.05, SETTINGS).any()


def test_sigma_shrinks_with_every_view_that_agrees_but_not_to_nothing():
    agree = np.array([[0, 1, 2, 200]], np.uint8)
    sigma = confirmed_sigma(np.ones((1, 4), np.float32), Votes(agree, 0 * agree, agree))[0]
    assert sigma[0] == 1
    assert (np.diff(sigma) < 0).all()
    assert sigma[3] == pytest.approx(np.sqrt(0.5), abs=0.01)


def test_neighbours_see_the_same_from_elsewhere_and_never_from_behind():
    frames = room_frames(7)
    poses = {frame.name: frame.world_from_cam for frame in frames}
    poses["twin"] = frames[3].world_from_cam
    poses["behind"] = look_at([0.0, -1.9, 1.0], [0.0, 2.0, 1.0])
    cameras = dict.fromkeys(poses, frames[0].camera)
    chosen = neighbours_of(poses, cameras, dict.fromkeys(poses, 2.3), 3)
    assert list(chosen) == list(poses)
    for name, others in chosen.items():
        assert name not in others
        assert "behind" not in others
    assert len(chosen["frame-000000"]) == 3
    assert "twin" not in chosen["frame-000003"]
    assert chosen["behind"] == ()


def test_a_view_without_depth_has_no_neighbours_and_is_nobodys():
    frames = room_frames(3)
    poses = {frame.name: frame.world_from_cam for frame in frames}
    cameras = {frame.name: frame.camera for frame in frames}
    medians = {frames[0].name: 0.0, frames[1].name: 2.0, frames[2].name: 2.0}
    chosen = neighbours_of(poses, cameras, medians, 5)
    assert chosen[frames[0].name] == ()
    assert chosen[frames[1].name] == (frames[2].name,)


def test_a_neighbour_of_another_size_works_and_a_wrong_size_is_refused():
    small, large = room_frames(9, 80, 60)[0], room_frames(9, 160, 120)[1]
    assert (vote(*_view(small), [_view(large)], SETTINGS).agree > 0).mean() > 0.8
    with pytest.raises(InputError, match="neighbour"):
        vote(*_view(small), [(small.depth, large.camera, large.world_from_cam)], SETTINGS)


def test_what_few_others_see_gets_one_of_them():
    # a row of cameras a step apart that look ahead: the outermost see at their border what only those next to them do
    camera = Camera.from_fov(64, 48, np.radians(70))
    poses = {f"p{i}": SE3(np.eye(3), np.array([0.2 * i, 0.0, 0.0])) for i in range(12)}
    depths = dict.fromkeys(poses, 2.0)
    chosen = neighbours_of(poses, dict.fromkeys(poses, camera), depths, 4)
    for number, (name, others) in enumerate(chosen.items()):
        steps = [int(other[1:]) - number for other in others]
        assert any(-3 <= step < 0 for step in steps) or number == 0, name
        assert any(0 < step <= 3 for step in steps) or number == 11, name
