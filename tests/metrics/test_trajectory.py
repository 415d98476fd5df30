import numpy as np
import pytest
from synthetic import look_at

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.metrics.trajectory import centre_rmse_m, umeyama

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
