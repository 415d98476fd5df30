import numpy as np
import pytest
from made import ball, mesh_of, sheet

from recon3d.mesh.decimate import apart, decimated
from recon3d.mesh.edges import Edges
from recon3d.mesh.manifold import non_manifold_vertices

WAVES = sheet(40, height=1.0)


def boundary(mesh):
    return mesh.vertices[Edges.of(mesh.triangles).on_boundary(len(mesh.vertices))]


@pytest.mark.parametrize("scale", [0.001, 1.0, 1000.0])
def test_a_count_is_reached_at_any_scale(scale):
    mesh = mesh_of(ball(5).vertices * scale, ball(5).triangles)
    fewer, error = decimated(mesh, 1000, None)
    assert 900 <= len(fewer.triangles) <= 1000
    assert error < 0.02 * scale


@pytest.mark.parametrize("bound", [0.01, 0.05, 0.2])
def test_no_vertex_leaves_the_error_bound(bound):
    fewer, error = decimated(WAVES, None, bound)
    assert len(fewer.triangles) < len(WAVES.triangles)
    assert error == apart(fewer, WAVES) <= bound


def test_a_count_below_the_error_bound_gives_way():
    fewer, error = decimated(WAVES, 10, 0.05)
    assert error <= 0.05 and len(fewer.triangles) > 10
    few, error = decimated(ball(4), 2000, 0.5)
    assert len(few.triangles) <= 2000 and error <= 0.5


def test_the_boundary_stays_to_the_last_vertex():
    fewer, _ = decimated(WAVES, 500, None)
    ours, theirs = (np.sort(np.round(boundary(mesh), 9).view("f8,f8,f8").ravel()) for mesh in (fewer, WAVES))
    assert np.array_equal(ours, theirs)


def test_colours_stay_where_they_were():
    mesh = ball(5)
    fewer, _ = decimated(mesh, 2000, None)
    true = 127.5 + 127 * fewer.vertices
    assert np.abs(fewer.colors - true).mean() < 3 and np.abs(fewer.colors - true).max() < 20


def test_what_is_left_is_manifold():
    for fewer in (decimated(WAVES, 600, None)[0], decimated(ball(5), 300, None)[0]):
        assert Edges.of(fewer.triangles).non_manifold == 0 and non_manifold_vertices(fewer) == 0


def test_nothing_asked_is_nothing_done():
    assert decimated(WAVES, None, None)[0] is WAVES
    assert decimated(WAVES, 10**9, None)[0].triangles is WAVES.triangles
