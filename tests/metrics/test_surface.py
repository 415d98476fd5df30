import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.geometry import Mesh
from recon3d.metrics.surface import sample_surface, surface_errors


def _squares(*heights):
    """Unit squares parallel to the ground, of two triangles each."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    vertices = np.concatenate([np.column_stack([corners, np.full(4, height)]) for height in heights])
    triangles = np.concatenate([[[0, 1, 2], [0, 2, 3]] + 4 * np.array(index) for index in range(len(heights))])
    return Mesh(vertices, triangles, np.zeros((len(vertices), 3), np.uint8))


def test_errors_of_four_points_worked_out_by_hand():
    truth = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    points = np.array([[0.0, 0.01, 0], [1, 0.03, 0]])
    errors = surface_errors(points, truth, (0.02, 0.05))
    assert errors.thresholds_m == (0.02, 0.05)
    assert errors.precision == (0.5, 1.0)
    assert errors.recall == (0.25, 0.5)
    assert errors.f_score == pytest.approx((2 * 0.5 * 0.25 / 0.75, 2 * 1 * 0.5 / 1.5))
    assert errors.accuracy_m == pytest.approx(0.02)
    to_points = [0.01, 0.03, np.hypot(1, 0.03), np.hypot(2, 0.03)]
    assert errors.completeness_m == pytest.approx(np.mean(to_points))
    assert errors.chamfer_m == pytest.approx((0.02 + np.mean(to_points)) / 2)


def test_equal_surfaces_score_one_and_far_ones_zero():
    points = sample_surface(_squares(0.0), 500)
    assert surface_errors(points, points, (0.01,)).f_score == (1.0,)
    assert surface_errors(points, points + np.array([0, 0, 5]), (0.01,)).f_score == (0.0,)


def test_half_a_surface_has_full_precision_and_half_recall():
    both, one = sample_surface(_squares(0.0, 1.0), 20_000), sample_surface(_squares(0.0), 20_000)
    errors = surface_errors(one, both, (0.05,))
    assert errors.precision[0] == 1.0
    assert errors.recall[0] == pytest.approx(0.5, abs=0.02)  # sampling noise: sqrt(¼ / 20 000) = 0.0035


def test_samples_lie_on_the_surface_uniformly_by_area_and_repeat():
    mesh = _squares(0.0)
    points = sample_surface(mesh, 40_000)
    assert np.array_equal(points, sample_surface(mesh, 40_000))
    assert not np.array_equal(points, sample_surface(mesh, 40_000, seed=1))
    assert np.abs(points[:, 2]).max() == 0
    counts = np.histogram2d(points[:, 0], points[:, 1], bins=4, range=[[0, 1], [0, 1]])[0]
    assert np.abs(counts / 2500 - 1).max() < 0.1  # five standard deviations of a count of 2500


def test_a_mesh_without_area_is_refused():
    flat = Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), np.zeros((3, 3), np.uint8))
    with pytest.raises(InputError, match="no area"):
        sample_surface(flat)
    with pytest.raises(InputError, match="truth"):
        surface_errors(np.zeros((1, 3)), np.zeros((0, 3)), (0.1,))


def test_points_that_are_no_numbers_and_thresholds_that_are_no_distance_are_refused():
    one = np.zeros((1, 3))
    with pytest.raises(InputError, match="NaN"):
        surface_errors(np.full((1, 3), np.nan), one, (0.1,))
    for limits in ((), (0.0,), (-1.0,), (np.nan,)):
        with pytest.raises(InputError, match="thresholds"):
            surface_errors(one, one, limits)
