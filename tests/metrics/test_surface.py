import numpy as np
import pytest
import trimesh
from scipy.spatial.distance import cdist

from recon3d.errors import InputError
from recon3d.geometry import Mesh, PointCloud
from recon3d.metrics.distance import distances_to
from recon3d.metrics.surface import sample_surface, sample_with_normals, surface_errors


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


def _tilted(mesh, angle):
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return Mesh(mesh.vertices @ turn.T, mesh.triangles, mesh.colors)


@pytest.mark.parametrize(("angle_deg", "expected"), [(0, 1.0), (180, 1.0), (90, 0.0), (30, np.sqrt(0.75))])
def test_normal_consistency_of_two_squares_is_the_cosine_of_their_angle(angle_deg, expected):
    (points, normals), (truth, truth_normals) = (
        sample_with_normals(mesh, 500) for mesh in (_tilted(_squares(0.0), np.radians(angle_deg)), _squares(0.0))
    )
    errors = surface_errors(points, truth, (0.1,), normals=normals, truth_normals=truth_normals)
    assert errors.normal_consistency == pytest.approx(expected, abs=1e-9)
    assert surface_errors(points, truth, (0.1,), normals=normals).normal_consistency is None


def test_the_histograms_hold_every_point_once():
    truth = np.zeros((1, 3))
    points = np.array([[0.001, 0, 0], [0.004, 0, 0], [0.031, 0, 0], [7, 0, 0]])
    errors = surface_errors(points, truth, (0.01, 0.02))
    assert errors.histogram_edges_m == pytest.approx(np.linspace(0, 0.04, 11))
    assert errors.accuracy_histogram == (0.25, 0.25, 0, 0, 0, 0, 0, 0.25, 0, 0, 0.25)
    assert errors.completeness_histogram == (1, *[0] * 10)
    assert sum(errors.accuracy_histogram) == 1


def test_figures_are_those_of_an_independent_implementation():
    """All pairs by scipy's cdist in the place of trees; the meshes and their normals by trimesh."""
    one, other = trimesh.creation.icosphere(2, radius=1.0), trimesh.creation.box(extents=(1.7, 1.7, 1.7))
    (points, normals), (truth, truth_normals) = (
        sample_with_normals(Mesh(mesh.vertices, mesh.faces, np.zeros((len(mesh.vertices), 3), np.uint8)), 1500)
        for mesh in (one, other)
    )
    ours = surface_errors(points, truth, (0.05, 0.2), normals=normals, truth_normals=truth_normals)
    apart = cdist(points, truth)
    accuracy, completeness = apart.min(axis=1), apart.min(axis=0)
    assert ours.accuracy_m == pytest.approx(accuracy.mean())
    assert ours.completeness_m == pytest.approx(completeness.mean())
    assert ours.chamfer_m == pytest.approx((accuracy.mean() + completeness.mean()) / 2)
    for limit, precision, recall, f in zip((0.05, 0.2), ours.precision, ours.recall, ours.f_score, strict=True):
        shares = np.mean(accuracy <= limit), np.mean(completeness <= limit)
        assert (precision, recall) == pytest.approx(shares)
        assert f == pytest.approx(2 / (1 / shares[0] + 1 / shares[1]))
    of_faces = [
        mesh.face_normals[trimesh.proximity.closest_point_naive(mesh, at)[2]]
        for mesh, at in ((one, points), (other, truth))
    ]
    ways = of_faces[0] * of_faces[1][apart.argmin(axis=1)], of_faces[1] * of_faces[0][apart.argmin(axis=0)]
    assert ours.normal_consistency == pytest.approx(np.mean([np.abs(way.sum(axis=1)).mean() for way in ways]), abs=1e-6)


def test_distances_to_a_mesh_are_trimesh_s_and_to_a_cloud_those_of_its_points():
    box = trimesh.creation.box(
        extents=(1.0, 2.0, 3.0), transform=trimesh.transformations.translation_matrix([500, 0, 0])
    )
    mesh = Mesh(box.vertices, box.faces, np.zeros((8, 3), np.uint8))
    points = np.random.default_rng(0).normal([500, 0, 0], 2, (200, 3))
    expected = trimesh.proximity.closest_point_naive(box, points)[1]
    assert distances_to(points, mesh) == pytest.approx(expected, abs=1e-6)
    cloud = PointCloud(mesh.vertices, mesh.colors)
    assert distances_to(points, cloud) == pytest.approx(cdist(points, mesh.vertices).min(axis=1))
