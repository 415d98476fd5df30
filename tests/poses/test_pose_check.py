import itertools
from collections.abc import Mapping

import numpy as np
import pytest
from synthetic import look_at

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.poses.pose_check import (
    CONVENTIONS,
    Convention,
    Matches,
    check_unit,
    checked_poses,
    pose_fit,
    read_otherwise,
)

READ_AS = [Convention(), *{str(one): one for one in CONVENTIONS.values()}.values()]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def matched(world_from_cam: Mapping[str, SE3], noise: float = 0.0, strays: float = 0.0) -> list[Matches]:
    """All pairs of photos, each with 60 points that both have in front of them."""
    rng = np.random.default_rng(0)
    found = []
    for a, b in itertools.combinations(world_from_cam, 2):
        points = rng.uniform([-1.5, -1.5, 0], [1.5, 1.5, 2], (60, 3))
        rays = [unit(world_from_cam[name].inverse() @ points) for name in (a, b)]
        rays = [unit(one + rng.normal(0, noise, one.shape)) for one in rays]
        wrong = rng.random(60) < strays
        rays[1][wrong] = unit(rng.normal([0, 0, 1], 0.4, (wrong.sum(), 3)))
        found.append(Matches(a, b, *rays))
    return found


def walk(count: int = 6) -> dict[str, SE3]:
    """Cameras on an uneven arc 4 m from the things they look at."""
    eyes = [[4 * np.cos(a), 4 * np.sin(a), 1 + 0.3 * np.sin(5 * a)] for a in np.linspace(0.3, 1.7, count)]
    return {str(i): look_at(eye, [0.1 * i, 0, 1]) for i, eye in enumerate(eyes)}


def test_right_poses_explain_every_match_in_any_unit_and_world() -> None:
    poses = walk()
    elsewhere = look_at([300, 200, -5], [1, 2, 3], up=(1, 0.2, 0.3))
    for factor in (1e-3, 1.0, 1e3):
        given = {name: elsewhere @ pose.scaled(factor) for name, pose in poses.items()}
        fit = pose_fit(matched(poses), given)
        assert fit.share == 1 and fit.median_rad < 1e-9 and fit.pairs == 15


@pytest.mark.parametrize(
    ("read_as", "written_as"), [(read_as, other) for read_as in READ_AS for other in read_as.others()], ids=str
)
def test_a_file_written_by_another_convention_is_named(read_as: Convention, written_as: Convention) -> None:
    poses = walk()
    read = read_otherwise(poses, written_as, read_as)
    with pytest.raises(InputError) as caught:
        checked_poses(matched(poses, noise=0.002, strays=0.2), read, read_as)
    for words in read_as.differences(written_as):
        assert words in str(caught.value)
    assert f"wanted {read_as}" in str(caught.value)


@pytest.mark.parametrize("read_as", READ_AS, ids=str)
def test_right_poses_are_let_through_where_matches_and_cameras_are_poor(read_as: Convention) -> None:
    poses = walk()
    assert checked_poses(matched(poses, noise=0.004, strays=0.4), poses, read_as).share > 0.4
    zoomed = [
        Matches(m.a, m.b, unit(m.rays_a * [1, 1, 1.2]), unit(m.rays_b * [1, 1, 1.2]))  # focal length off by a fifth
        for m in matched(poses, noise=0.002)
    ]
    checked_poses(zoomed, poses, read_as)


@pytest.mark.parametrize("read_as", READ_AS, ids=str)
def test_poses_that_no_reading_makes_right_are_not_blamed_on_one(read_as: Convention) -> None:
    poses = walk(8)
    mixed = dict(zip(poses, [poses[name] for name in "37150624"], strict=True))
    fit = checked_poses(matched(poses, noise=0.002), mixed, read_as)
    assert fit.share < 0.3


def test_things_behind_the_cameras_do_not_fit() -> None:
    # Cameras that only move sideways: inverted poses have the same epipolar lines, and see everything behind them.
    poses = {str(i): SE3(np.eye(3), np.array([0.4 * i, 0.1 * i, -3.0])) for i in range(4)}
    with pytest.raises(InputError, match="cam_from_world"):
        checked_poses(matched(poses), {name: pose.inverse() for name, pose in poses.items()}, Convention())


def test_photos_from_one_place_are_compared_by_their_turns() -> None:
    poses = {str(i): look_at([4, 0, 1], [0, 0.4 * i, 1 + 0.2 * i * i / 4]) for i in range(5)}
    assert pose_fit(matched(poses, noise=0.001), poses).share > 0.99
    with pytest.raises(InputError, match="cam_from_world"):
        checked_poses(matched(poses), {name: pose.inverse() for name, pose in poses.items()}, Convention())


def test_a_pair_or_two_are_too_few_to_judge_by() -> None:
    poses = walk(3)
    wrong = {name: pose.inverse() for name, pose in poses.items()}
    assert checked_poses(matched(poses)[:2], wrong, Convention()).pairs == 2
    assert checked_poses([], wrong, Convention()).pairs == 0


@pytest.mark.parametrize("error", [0.4, 1, 2.5])
@pytest.mark.parametrize(("unit", "metres"), [("millimetres", 0.001), ("centimetres", 0.01)])
def test_poses_that_depth_takes_for_millimetres_are_refused_with_the_factor(
    unit: str, metres: float, error: float
) -> None:
    with pytest.raises(InputError, match=f"if they are in {unit}, add --set scale.factor={metres:g};"):
        check_unit(metres * error)


@pytest.mark.parametrize("metres_per_unit", [0.05, 0.3, 1, 3, 20, 1e-5])
def test_depth_may_be_off_by_a_lot_before_the_unit_is_doubted(metres_per_unit: float) -> None:
    check_unit(metres_per_unit)
