import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recon3d.errors import InputError
from recon3d.geometry import SE3

finite = st.floats(-5, 5)
poses = st.builds(
    lambda q, t: SE3.from_quat_wxyz(q / np.linalg.norm(q), t),
    arrays(float, 4, elements=finite).filter(lambda q: np.linalg.norm(q) > 0.1),
    arrays(float, 3, elements=finite),
)


@given(poses, poses, arrays(float, (5, 3), elements=finite))
def test_a_product_maps_as_its_factors_one_after_the_other(a_from_b, b_from_c, points_c):
    assert np.allclose((a_from_b @ b_from_c) @ points_c, a_from_b @ (b_from_c @ points_c), atol=1e-9)


@given(poses, arrays(float, (5, 3), elements=finite))
def test_the_inverse_maps_back(a_from_b, points):
    assert np.allclose(a_from_b.inverse() @ (a_from_b @ points), points, atol=1e-9)


@given(poses)
def test_a_matrix_gives_the_same_transform(pose):
    assert np.allclose(SE3.from_matrix(pose.matrix).matrix, pose.matrix, atol=1e-12)


def test_a_quarter_turn_about_z_takes_x_to_y():
    half = np.sqrt(0.5)
    turn = SE3.from_quat_wxyz(np.array([half, 0, 0, half]), np.array([0, 0, 1.0]))
    assert np.allclose(turn @ np.array([[1.0, 0, 0]]), [[0, 1, 1]])


@pytest.mark.parametrize(
    ("matrix", "word"),
    [
        (np.diag([1.0, 1, -1, 1]), "reflection"),
        (np.diag([2.0, 2, 2, 1]), "scale 2"),
        (np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "not a rotation"),
        (np.full((4, 4), np.nan), "bottom row|NaN"),
        (np.eye(4)[[0, 1, 2, 0]], "bottom row"),
        (np.eye(5), "shape"),
    ],
)
def test_what_is_not_rigid_is_refused(matrix, word):
    with pytest.raises(InputError, match=word):
        SE3.from_matrix(matrix)


def test_rounding_of_a_file_is_forgiven_and_repaired():
    rounded = np.round(SE3.from_quat_wxyz(np.array([0.5, 0.5, 0.5, 0.5]), np.zeros(3)).matrix, 4) + 1e-5
    rounded[3] = [0, 0, 0, 1]
    pose = SE3.from_matrix(rounded)
    assert np.allclose(pose.R @ pose.R.T, np.eye(3), atol=1e-12)


def test_values_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        SE3.identity().t[0] = 1.0
