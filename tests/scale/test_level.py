import numpy as np
import pytest
from synthetic import look_at

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.scale.level import level

TURN = look_at([3, -2, 5], [1, 1, 1], up=(0.3, 0.2, 1))
"""Any rigid transform: the frame that structure from motion happened to choose."""


def ring(count: int = 12, height: float = 1.5) -> dict[str, SE3]:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return {str(i): look_at([2 * np.cos(a), 2 * np.sin(a), height], [0, 0, 1]) for i, a in enumerate(angles)}


def floor_points(count: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    floor = np.c_[rng.uniform(-1, 1, (count, 2)), np.zeros(count)]
    things = rng.uniform([-1, -1, 0], [1, 1, 2], (count, 3))
    strays = rng.uniform([-1, -1, -9], [1, 1, -3], (count // 100, 3))
    return np.concatenate([floor, things, strays])


def moved(poses: dict[str, SE3]) -> dict[str, SE3]:
    return {name: TURN @ pose for name, pose in poses.items()}


def test_up_is_found_whatever_frame_the_poses_came_in() -> None:
    levelled = level(moved(ring()), TURN @ floor_points())
    assert (levelled @ TURN).R[:, 2] == pytest.approx([0, 0, 1], abs=0.01)


def test_the_floor_is_at_zero_despite_strays_below_it() -> None:
    levelled = level(moved(ring()), TURN @ floor_points())
    floor = (levelled @ TURN) @ np.array([[0.5, 0.5, 0.0], [-0.5, 0.2, 0.0]])
    assert floor[:, 2] == pytest.approx([0, 0], abs=0.03)


def test_the_first_camera_looks_along_y() -> None:
    levelled = level(moved(ring()), TURN @ floor_points())
    forward = (levelled @ TURN @ ring()["0"]).R[:, 2]
    assert forward[0] == pytest.approx(0, abs=1e-9)
    assert forward[1] > 0.9


def test_cameras_on_their_side_do_not_pull_the_world_over() -> None:
    poses = ring()
    rolled = {"on its side": SE3(poses["0"].R @ np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), poses["0"].t)}
    levelled = level(moved(poses | rolled), TURN @ floor_points())
    assert (levelled @ TURN).R[2, 2] > np.cos(np.radians(3))


def test_photos_straight_down_still_find_up() -> None:
    down = {str(i): look_at([i, 0, 30], [i, 0, 0], up=(0, (-1) ** i, 0)) for i in range(6)}
    levelled = level(moved(down), TURN @ floor_points())
    assert (levelled @ TURN).R[:, 2] == pytest.approx([0, 0, 1], abs=1e-6)
    # The upper edge of the first photo lies ahead.
    assert (levelled @ TURN @ down["0"]).R[:, 1] == pytest.approx([0, -1, 0], abs=1e-6)


def tilted(poses: dict[str, SE3], degrees: float) -> dict[str, SE3]:
    """Every camera rolled and turned alike, as hand-held ones may be: their edges say a wrong up."""
    angle = np.radians(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return {name: SE3(turn @ pose.R, pose.t) for name, pose in poses.items()}


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_floor_says_what_level_is_where_the_cameras_are_held_askew(noise: float) -> None:
    points = floor_points(6000)
    points += np.random.default_rng(1).normal(0, noise, points.shape)
    poses = tilted(ring(), 7)
    assert level(moved(poses), points[:0]).R @ TURN.R[:, 2] != pytest.approx([0, 0, 1], abs=0.05)
    levelled = level(moved(poses), TURN @ points, TURN @ points)
    assert np.degrees(np.arccos((levelled @ TURN).R[2, 2])) < 0.5
    # The floor itself, not a table above it, is at zero.
    assert ((levelled @ TURN) @ np.array([[0.2, 0.3, 0.0]]))[0, 2] == pytest.approx(0, abs=0.06)


@pytest.mark.parametrize("flat", [(1, 1, 1), (1, 0.01, 1)])
def test_points_without_a_level_plane_leave_it_to_the_cameras(flat: tuple[float, float, float]) -> None:
    # A cloud of leaves; the front of a house.
    points = np.random.default_rng(0).normal(0, 2, (3000, 3)) * flat
    without = level(moved(ring()), np.empty((0, 3)))
    assert np.allclose(level(moved(ring()), TURN @ points, TURN @ points).R, without.R)


def test_a_slope_is_not_taken_for_the_floor() -> None:
    angle = np.radians(20)
    points = floor_points()
    slope = points @ np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]).T
    levelled = level(moved(ring()), TURN @ slope, TURN @ slope)
    assert (levelled @ TURN).R[:, 2] == pytest.approx([0, 0, 1], abs=0.01)


def test_one_camera_and_no_points_are_enough() -> None:
    levelled = level({"only": TURN}, np.empty((0, 3)))
    assert levelled @ TURN.t == pytest.approx([0, 0, 0], abs=1e-9)
    assert (levelled @ TURN).R[:, 1] == pytest.approx([0, 0, -1], abs=1e-9)


def test_no_poses_are_an_error() -> None:
    with pytest.raises(InputError, match="no poses"):
        level({}, np.empty((0, 3)))
