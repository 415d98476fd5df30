import numpy as np

from recon3d.fusion.order import in_order
from recon3d.geometry import Mesh


def soup(seed):
    """One mesh of 40 triangles, its vertices and triangles shuffled by the seed."""
    rng = np.random.default_rng(0)
    vertices, triangles = rng.normal(size=(30, 3)), np.array([rng.choice(30, 3, replace=False) for _ in range(40)])
    colors = rng.integers(0, 255, (30, 3)).astype(np.uint8)
    shuffle = np.random.default_rng(seed)
    order = shuffle.permutation(30)
    renamed = np.argsort(order)[triangles[shuffle.permutation(40)]]
    return Mesh(vertices[order], np.roll(renamed, seed, axis=1), colors[order])


def test_equal_surfaces_come_out_equal_whatever_their_order():
    a, b = in_order(soup(1)), in_order(soup(2))
    assert np.array_equal(a.vertices, b.vertices) and np.array_equal(a.colors, b.colors)
    assert np.array_equal(a.triangles, b.triangles)


def test_order_keeps_every_triangle_and_its_sense():
    mesh = soup(3)
    ordered = in_order(mesh)

    def areas(mesh):
        a, b, c = (mesh.vertices[mesh.triangles[:, i]] for i in range(3))
        return np.cross(b - a, c - a)

    def rows(array):
        return np.sort(array.round(9).view([("", float)] * 3).ravel())

    assert np.array_equal(rows(areas(ordered)), rows(areas(mesh)))
