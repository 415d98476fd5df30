import numpy as np
import pytest
from made import as_trimesh, ball, mesh_of, sheet

from recon3d.mesh.edges import Edges
from recon3d.mesh.manifold import facing_one_way, manifold, non_manifold_vertices
from recon3d.mesh.pieces import pieces


def joined_at(mesh, other, ours, theirs):
    """Two meshes with some vertices of the second replaced by ones of the first."""
    index = np.empty(len(other.vertices), int)
    rest = np.setdiff1d(np.arange(len(other.vertices)), theirs)
    index[rest] = len(mesh.vertices) + np.arange(len(rest))
    index[theirs] = ours
    vertices = np.concatenate([mesh.vertices, other.vertices[rest]])
    return mesh_of(vertices, np.concatenate([mesh.triangles, index[other.triangles]]))


def test_a_pinched_vertex_is_cut_apart():
    pinched = joined_at(ball(2), ball(2), [0], [0])
    assert non_manifold_vertices(pinched) == 1 and Edges.of(pinched.triangles).non_manifold == 0
    mended = manifold(pinched)
    assert non_manifold_vertices(mended) == 0
    assert len(mended.vertices) == len(pinched.vertices) + 1
    assert len(mended.triangles) == len(pinched.triangles) and pieces(mended)[0] == 2
    assert np.array_equal(mended.vertices[-1], pinched.vertices[0])
    assert np.array_equal(mended.colors[-1], pinched.colors[0])


def test_a_vertex_between_two_open_fans_is_cut_apart():
    mesh = mesh_of([[0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, -1, 0]], [[0, 1, 2], [0, 3, 4]])
    assert non_manifold_vertices(mesh) == 1
    assert len(manifold(mesh).vertices) == 6


def test_sheets_that_touch_along_an_edge_are_cut_apart():
    a = ball(1)
    edge = a.triangles[0, :2]
    touching = joined_at(a, ball(1), edge, edge)
    assert Edges.of(touching.triangles).non_manifold == 1
    mended = manifold(touching)
    assert Edges.of(mended.triangles).non_manifold == 0 and non_manifold_vertices(mended) == 0
    assert len(mended.triangles) == len(touching.triangles)
    assert as_trimesh(mended).is_watertight


def test_a_fin_is_cut_off_where_its_sheet_goes_on():
    mesh = sheet(4)
    fin = mesh_of([*mesh.vertices, [2.5, 2, 0.1]], [*mesh.triangles, [12, 13, 25]])
    assert Edges.of(fin.triangles).non_manifold == 1
    mended = manifold(fin)
    assert Edges.of(mended.triangles).non_manifold == 0 and non_manifold_vertices(mended) == 0


def test_a_sound_mesh_is_left_as_it_is():
    for mesh in (ball(2), sheet(3)):
        assert np.array_equal(manifold(mesh).triangles, mesh.triangles)
        assert facing_one_way(mesh) == (mesh, 0)


@pytest.mark.parametrize("some", [[5], [0, 1, 2, 40, 41], list(range(30))])
def test_turned_triangles_are_turned_back(some):
    mesh = ball(2)
    triangles = mesh.triangles.copy()
    triangles[some] = triangles[some][:, ::-1]
    mended, turned = facing_one_way(mesh_of(mesh.vertices, triangles))
    assert turned == len(some)
    assert as_trimesh(mended).volume == pytest.approx(as_trimesh(mesh).volume)


def test_a_strip_with_one_side_stays():
    count = 20
    angle = np.repeat(np.arange(count) * 2 * np.pi / count, 2)
    across = np.tile([-0.3, 0.3], count)
    radius = 1 + across * np.cos(angle / 2)
    vertices = np.stack([radius * np.cos(angle), radius * np.sin(angle), across * np.sin(angle / 2)], axis=1)
    a = 2 * np.arange(count)
    c, d = a + 2, a + 3
    c[-1], d[-1] = 1, 0  # joined the other way round
    strip = mesh_of(vertices, np.concatenate([np.stack([a, a + 1, c], axis=1), np.stack([a + 1, d, c], axis=1)]))
    mended, turned = facing_one_way(strip)
    assert turned == 0 and np.array_equal(mended.triangles, strip.triangles)
