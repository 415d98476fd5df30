import numpy as np

from recon3d.geometry import Mesh
from recon3d.mesh.clean import clean


def _sheet(cells, shift=0.0):
    """A flat sheet of cells x cells squares, two triangles each."""
    x, y = np.meshgrid(np.arange(cells + 1.0), np.arange(cells + 1.0))
    vertices = np.stack([x.ravel() + shift, y.ravel(), np.zeros(x.size)], axis=1)
    index = np.arange(x.size).reshape(x.shape)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    return vertices, np.concatenate([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)])


def _mesh(*sheets):
    vertices, triangles, count = [], [], 0
    for points, faces in sheets:
        vertices.append(points)
        triangles.append(faces + count)
        count += len(points)
    points = np.concatenate(vertices)
    colors = (np.arange(3 * len(points)) % 251).reshape(-1, 3).astype(np.uint8)
    return Mesh(points, np.concatenate(triangles), colors, np.tile([0, 0, 1.0], (len(points), 1)))


def test_small_pieces_go_and_large_ones_stay():
    mesh = _mesh(_sheet(10), _sheet(2, shift=100), _sheet(5, shift=200))  # 200, 8 and 50 triangles
    assert len(clean(mesh, 0.0).triangles) == 258
    assert len(clean(mesh, 0.04).triangles) == 258
    assert len(clean(mesh, 0.05).triangles) == 250
    assert len(clean(mesh, 0.3).triangles) == 200


def test_a_whole_mesh_is_left_as_it_is():
    mesh = _mesh(_sheet(4))
    same = clean(mesh, 0.02)
    assert np.array_equal(same.vertices, mesh.vertices)
    assert np.array_equal(same.triangles, mesh.triangles)
    assert np.array_equal(same.colors, mesh.colors)
    assert np.array_equal(same.normals, mesh.normals)


def test_doubled_and_degenerate_triangles_go():
    points, faces = _sheet(3)
    turned = faces[:1, [1, 2, 0]]
    extra = np.array([[0, 0, 1], [0, 1, 2]])  # a vertex twice; three in a row
    mesh = _mesh((points, np.concatenate([faces, turned, extra])))
    assert np.array_equal(clean(mesh, 0.0).triangles, faces)


def test_loose_vertices_go_and_colours_follow_theirs():
    points, faces = _sheet(2)
    mesh = _mesh((np.concatenate([[[9.0, 9, 9]], points]), faces + 1))
    cleaned = clean(mesh, 0.0)
    assert np.array_equal(cleaned.vertices, points)
    assert np.array_equal(cleaned.colors, mesh.colors[1:])


def test_an_empty_mesh_stays_empty():
    empty = Mesh(np.empty((0, 3)), np.empty((0, 3), np.int32), np.empty((0, 3), np.uint8))
    assert len(clean(empty, 0.02).triangles) == 0
