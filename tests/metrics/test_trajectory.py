import numpy as np
import pytest
from synthetic import look_at

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.metrics.trajectory import centre_rmse_m, trajectory_errors, umeyama

CORNERS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])


def at(*centres: list[float]) -> dict[str, SE3]:
    return {str(i): SE3(np.eye(3), np.array(centre, float)) for i, centre in enumerate(centres)}


def test_a_similarity_is_found_exactly() -> None:
    truth = look_at([3, -2, 5], [1, 1, 1])
    found, scale = umeyama(CORNERS, truth @ (2.5 * CORNERS), with_scale=True)
    assert scale == pytest.approx(2.5)
    assert found.matrix == pytest.approx(truth.matrix)


def test_without_scale_it_is_rigid() -> None:
    found, scale = umeyama(CORNERS, 2 * CORNERS, with_scale=False)
    assert scale == 1
    assert np.pi / 2 > np.arccos((np.trace(found.R) - 1) / 2)
    assert found @ CORNERS.mean(axis=0) == pytest.approx(2 * CORNERS.mean(axis=0))


def test_a_mirror_image_is_not_mirrored_back() -> None:
    found, _ = umeyama(CORNERS, CORNERS * [1, 1, -1], with_scale=False)
    assert np.linalg.det(found.R) == pytest.approx(1)


def test_umeyamas_own_example() -> None:
    # Umeyama 1991, section IV, in the plane z = 0: the best turn of a mirrored triangle.
    source = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0]])
    target = np.array([[0.0, 0, 0], [-1, 0, 0], [0, 2, 0]])
    found, scale = umeyama(source, target, with_scale=True)
    # In space half a turn about y maps one on the other, which in the plane is a mirror.
    assert np.diag(found.R) == pytest.approx([-1, 1, -1])
    assert scale == pytest.approx(1)


def test_the_error_of_a_stretched_line_by_hand() -> None:
    # Centres 0, 1, 2 against 0, 2, 4 m: rigidly the ends stay 1 m away, the middle 0: sqrt(2 / 3).
    estimate, reference = at([0, 0, 0], [1, 0, 0], [2, 0, 0]), at([0, 0, 0], [2, 0, 0], [4, 0, 0])
    assert centre_rmse_m(estimate, reference, with_scale=False) == pytest.approx(np.sqrt(2 / 3))
    assert centre_rmse_m(estimate, reference, with_scale=True) == pytest.approx(0, abs=1e-12)


def test_the_error_does_not_change_when_the_estimate_moves() -> None:
    rng = np.random.default_rng(0)
    reference = {str(i): SE3(np.eye(3), rng.normal(0, 2, 3)) for i in range(10)}
    estimate = {name: SE3(np.eye(3), pose.t + rng.normal(0, 0.05, 3)) for name, pose in reference.items()}
    moved = {name: look_at([3, -2, 5], [1, 1, 1]) @ pose.scaled(4) for name, pose in estimate.items()}
    before = centre_rmse_m(estimate, reference, with_scale=True)
    assert centre_rmse_m(moved, reference, with_scale=True) == pytest.approx(before)
    assert 0.02 < before < 0.1


def test_photos_in_one_trajectory_only_do_not_count() -> None:
    reference = at([0, 0, 0], [1, 0, 0], [0, 1, 0])
    estimate = reference | {"stray": SE3(np.eye(3), np.array([99.0, 0, 0]))}
    assert centre_rmse_m(estimate, reference, with_scale=True) == pytest.approx(0, abs=1e-12)


def test_too_little_to_align_is_an_error() -> None:
    with pytest.raises(InputError, match="got 2 photos in both"):
        centre_rmse_m(at([0, 0, 0], [1, 0, 0]), at([0, 0, 0], [1, 0, 0], [2, 0, 0]), with_scale=True)
    with pytest.raises(InputError, match="in one place"):
        umeyama(np.ones((3, 3)), CORNERS[:3], with_scale=True)
    with pytest.raises(InputError, match="NaN"):
        umeyama(CORNERS * np.nan, CORNERS, with_scale=True)
    with pytest.raises(InputError, match="wanted"):
        umeyama(CORNERS[:2], CORNERS[:2], with_scale=True)


def turned_z(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def walk(count: int = 12, seed: int = 0) -> list[SE3]:
    rng = np.random.default_rng(seed)
    return [look_at(rng.normal(0, 2, 3), [9, 9, 1]) for _ in range(count)]


def test_ate_without_alignment_worked_out_by_hand() -> None:
    reference = list(at([0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]).values())
    estimate = list(at([0, 0, 0], [1, 3, 0], [2, 4, 0], [3, 5, 0]).values())  # 0, 3, 4 and 5 m off
    ate = trajectory_errors(estimate, reference, align="none").ate_m
    assert (ate.rmse, ate.mean, ate.median, ate.max) == pytest.approx((np.sqrt(50 / 4), 3, 3.5, 5))


def test_rpe_worked_out_by_hand() -> None:
    # The reference moves 1 m along x. The estimate turns by 30 degrees at its third pose and moves 2 m at the end.
    reference = list(at([0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]).values())
    estimate = [
        SE3(np.eye(3), np.zeros(3)),
        SE3(np.eye(3), np.array([1.0, 0, 0])),
        SE3(turned_z(30), np.array([2.0, 0, 0])),
        SE3(turned_z(30), np.array([2.0, 0, 0]) + turned_z(30) @ [2.0, 0, 0]),
    ]
    errors = trajectory_errors(estimate, reference, align="none")
    assert (errors.rpe_m.rmse, errors.rpe_m.mean) == pytest.approx((np.sqrt(1 / 3), 1 / 3))
    assert (errors.rpe_deg.rmse, errors.rpe_deg.max) == pytest.approx((np.sqrt(900 / 3), 30))
    two = trajectory_errors(estimate, reference, align="none", step=2)
    assert (two.pairs, two.rpe_deg.mean) == (2, pytest.approx(30))
    # from the first pose the end is right; from the second it lies at 1 + 2 (cos 30°, sin 30°) instead of 2
    off = np.hypot(1 + 2 * np.cos(np.pi / 6) - 2, 1)
    assert two.rpe_m.mean == pytest.approx(off / 2)


def test_the_relative_error_is_seen_from_the_reference_camera() -> None:
    # Sturm's E = Q^-1 P keeps the length of its translation whichever world the trajectories stand in.
    reference, estimate = walk(seed=1), walk(seed=2)
    moved = [look_at([3, -2, 5], [1, 1, 1]) @ pose for pose in estimate]
    before, after = (trajectory_errors(poses, reference, align="none", step=3) for poses in (estimate, moved))
    assert after.rpe_m.rmse == pytest.approx(before.rpe_m.rmse)
    assert after.rpe_deg.rmse == pytest.approx(before.rpe_deg.rmse)
    assert after.ate_m.rmse != pytest.approx(before.ate_m.rmse)


def test_a_similar_trajectory_has_no_error_once_aligned_by_sim3() -> None:
    reference = walk()
    estimate = [look_at([3, -2, 5], [1, 1, 1]) @ pose.scaled(0.5) for pose in reference]
    errors = trajectory_errors(estimate, reference, align="sim3")
    assert errors.scale == pytest.approx(2)
    assert (errors.ate_m.max, errors.rpe_m.max, errors.rpe_deg.max) == pytest.approx((0, 0, 0), abs=1e-6)
    rigid = trajectory_errors(estimate, reference)
    assert rigid.scale == 1
    assert rigid.ate_m.rmse > 0.5


def test_angles_are_right_from_a_millionth_of_a_degree_to_half_a_turn() -> None:
    reference = list(at([0, 0, 0], [1, 0, 0], [2, 0, 0]).values())
    for degrees in (1e-6, 1, 90, 180):
        estimate = [reference[0], reference[1], SE3(turned_z(degrees), reference[2].t)]
        assert trajectory_errors(estimate, reference, align="none").rpe_deg.max == pytest.approx(degrees, rel=1e-6)


def test_trajectories_that_cannot_be_compared_are_refused() -> None:
    poses = walk(5)
    with pytest.raises(InputError, match="got 4 and 5"):
        trajectory_errors(poses[:4], poses)
    with pytest.raises(InputError, match="at least 3"):
        trajectory_errors(poses[:2], poses[:2])
    with pytest.raises(InputError, match="step: got 5 for 5"):
        trajectory_errors(poses, poses, step=5)
    with pytest.raises(InputError, match="se3"):
        trajectory_errors(poses, poses, align="best")
