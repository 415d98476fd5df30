import numpy as np
import pytest
from made import as_trimesh, ball, mesh_of, sheet

from recon3d.geometry import Mesh
from recon3d.mesh.edges import Edges
from recon3d.mesh.normals import normals_of
from recon3d.mesh.smooth import roughness, smoothed
from recon3d.mesh.spikes import spikes, without_spikes


def noisy(mesh, size):
    return mesh_of(mesh.vertices + np.random.default_rng(0).normal(0, size, mesh.vertices.shape), mesh.triangles)


def test_a_spike_is_laid_flat_and_nothing_else_moves():
    mesh = ball(4)
    vertices = mesh.vertices.copy()
    vertices[100] *= 1.5
    spiked = mesh_of(vertices, mesh.triangles)
    assert spikes(mesh, 2.0) == 0 and spikes(spiked, 2.0) == 1
    even = without_spikes(spiked, 2.0)
    off = np.linalg.norm(even.vertices - mesh.vertices, axis=1)
    assert off[100] < 0.01 and off[np.arange(len(off)) != 100].max() == 0
    assert without_spikes(spiked, 0) is spiked


def test_spikes_beside_each_other_go():
    mesh = ball(4)
    vertices = mesh.vertices.copy()
    some = mesh.triangles[7, :2]
    vertices[some] *= 1.6
    even = without_spikes(mesh_of(vertices, mesh.triangles), 1.0)
    assert spikes(even, 1.0) == 0
    assert np.abs(np.linalg.norm(even.vertices, axis=1) - 1).max() < 0.1


def test_the_boundary_has_no_spikes():
    mesh = sheet(6)
    vertices = mesh.vertices.copy()
    vertices[0] = (-9, -9, 5)
    assert spikes(mesh_of(vertices, mesh.triangles), 2.0) == 0


def test_smoothing_takes_noise_and_does_not_shrink():
    mesh = ball(4)
    rough = noisy(mesh, 0.01)
    smooth = smoothed(rough, 10)
    assert roughness(smooth) < 0.3 * roughness(rough)
    assert np.std(np.linalg.norm(smooth.vertices, axis=1)) < 0.5 * np.std(np.linalg.norm(rough.vertices, axis=1))
    assert as_trimesh(smooth).volume == pytest.approx(as_trimesh(rough).volume, rel=0.005)
    assert smoothed(rough, 0) is rough


def test_smoothing_keeps_the_boundary_and_a_plane():
    wavy = noisy(sheet(12), 0.1)
    edge = Edges.of(wavy.triangles).on_boundary(len(wavy.vertices))
    assert np.array_equal(smoothed(wavy, 10).vertices[edge], wavy.vertices[edge])
    assert np.abs(smoothed(sheet(12), 10).vertices[:, 2]).max() == 0


def test_normals_of_a_ball_point_outwards_whatever_its_triangles():
    mesh = ball(3)
    normals = normals_of(mesh)
    assert np.einsum("vc,vc->v", normals, mesh.vertices).min() > 0.999
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-6)


def test_normals_at_a_cube_s_corner_weigh_its_sides_alike():
    """By angle, not by triangle: a side that is cut in two at the corner counts once."""
    vertices = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]]
    triangles = [[0, 1, 2], [0, 2, 3], [0, 4, 1], [4, 5, 1], [0, 3, 4], [3, 6, 4]]
    corner = normals_of(mesh_of(vertices, triangles))[0]
    assert np.abs(corner) == pytest.approx(np.sqrt(1 / 3), abs=1e-6)


def test_folded_triangles_have_a_normal_all_the_same():
    folded = Mesh(np.eye(3), np.array([[0, 1, 2], [0, 2, 1]]), np.zeros((3, 3), np.uint8))
    assert np.linalg.norm(normals_of(folded), axis=1) == pytest.approx(1)
