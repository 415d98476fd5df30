import numpy as np
import pytest
from synthetic import look_at

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.metrics.icp import closest_points

SMALL_TURN = SE3.from_quat_wxyz(
    np.array([1.0, 0.01, -0.02, 0.015]) / np.linalg.norm([1, 0.01, 0.02, 0.015]), np.zeros(3)
)


@pytest.fixture(scope="module")
def cloud():
    """Points in a box, 5 cm apart and more: partners are found where the start is nearer than that."""
    grid = np.stack(np.meshgrid(*[np.arange(0, 1, 0.1)] * 3), axis=-1).reshape(-1, 3)
    return grid + np.random.default_rng(0).uniform(-0.02, 0.02, grid.shape)


def test_a_small_movement_is_taken_back_exactly(cloud):
    points_from_truth = SE3(SMALL_TURN.R, np.array([0.01, -0.005, 0.01]))
    found, scale = closest_points(points_from_truth @ cloud, cloud, reach_m=0.1)
    assert scale == 1
    assert found.matrix == pytest.approx(points_from_truth.inverse().matrix, abs=1e-9)


def test_a_scale_is_found_where_asked_for(cloud):
    found, scale = closest_points(1.02 * cloud, cloud, reach_m=0.1, with_scale=True)
    assert scale == pytest.approx(1 / 1.02)
    assert found.matrix == pytest.approx(np.eye(4), abs=1e-9)


def test_what_only_one_surface_has_pulls_at_nothing(cloud):
    moved = cloud + np.array([0.01, 0.0, 0.0])
    extra = np.concatenate([moved, cloud + np.array([0, 0, 3.0])])
    found, _ = closest_points(extra, cloud, reach_m=0.1)
    assert found.t == pytest.approx([-0.01, 0, 0], abs=1e-9)


def test_surfaces_out_of_reach_are_refused(cloud):
    with pytest.raises(InputError, match="within 0.1 m"):
        closest_points(look_at([50, 0, 0], [0, 0, 0]) @ cloud, cloud, reach_m=0.1)
    with pytest.raises(InputError, match="reach"):
        closest_points(cloud, cloud, reach_m=0)
