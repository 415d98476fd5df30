import numpy as np
import pytest
from test_pose_check import matched, walk

from recon3d.geometry import SE3
from recon3d.poses.misplaced import misplaced


def moved(poses, name, by):
    pose = poses[name]
    return poses | {name: SE3(pose.R, pose.t + pose.R @ np.array(by))}


def test_right_poses_name_nobody() -> None:
    for noise in (0.0, 0.0005, 0.003):
        assert misplaced(matched(walk(10), noise=noise, strays=0.2), walk(10)) == {}


@pytest.mark.parametrize("by", [(0, 0.1, 0), (0, 0, 0.1), (0.1, 0.02, 0)])
@pytest.mark.parametrize("who", ["0", "4", "9"])
def test_a_photo_a_step_from_where_it_was_is_named_and_its_neighbours_are_not(who, by) -> None:
    poses = walk(10)
    assert list(misplaced(matched(poses, noise=0.0005, strays=0.2), moved(poses, who, by))) == [who]


def test_of_two_misplaced_photos_both_are_named() -> None:
    poses = walk(10)
    wrong = moved(moved(poses, "2", (0, 0.2, 0)), "7", (0, 0, -0.3))
    assert set(misplaced(matched(poses, noise=0.0005), wrong)) == {"2", "7"}


def test_poor_features_let_all_poses_be() -> None:
    poses = walk(10)
    assert misplaced(matched(poses, noise=0.02), moved(poses, "4", (0, 0.1, 0))) == {}


def test_a_pair_or_two_are_too_few_to_judge_by() -> None:
    poses = walk(3)
    assert misplaced(matched(poses), moved(poses, "1", (0, 0.5, 0))) == {}
    assert misplaced([], poses) == {}
