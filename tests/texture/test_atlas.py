import numpy as np
import pytest
import trimesh
from painted import grid, joined

import recon3d  # noqa: F401
from recon3d.geometry import Mesh
from recon3d.texture.atlas import atlas
from recon3d.texture.fill import fill_around
from recon3d.texture.texels import texel_faces


def mesh_of(shape):
    return Mesh(shape.vertices, shape.faces, np.full((len(shape.vertices), 3), 99, np.uint8))


def crumpled():
    """A sheet so noisy that it folds over itself on any plane."""
    sheet = grid(1, 1, 40)
    noise = np.random.default_rng(0).normal(0, 0.015, sheet.vertices.shape)
    return Mesh(sheet.vertices + noise, sheet.triangles, sheet.colors)


def shapes():
    stairs = joined(*(grid(1, 0.3, 3, z=0.1 * k, middle=(0, 0.1 * k)) for k in range(5)))
    return {
        "ball": mesh_of(trimesh.creation.icosphere(subdivisions=3)),
        "box": mesh_of(trimesh.creation.box((1, 2, 3))),
        "torus": mesh_of(trimesh.creation.torus(1, 0.3)),
        "stairs": stairs,
        "crumpled": crumpled(),
        "one": Mesh(np.eye(3), np.array([[0, 1, 2]]), np.zeros((3, 3), np.uint8)),
    }


def owners(uv, size):
    """(S, S) how many triangles hold each texel's centre well inside them; counted one by one, unlike the atlas."""
    count = np.zeros((size, size), int)
    for corner in uv.astype(np.float64) * size:
        low, high = np.floor(corner.min(axis=0)).astype(int), np.ceil(corner.max(axis=0)).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        (ax, ay), (bx, by), (cx, cy) = corner
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-9:
            continue
        first = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
        second = ((cx - bx) * (y - by) - (cy - by) * (x - bx)) / area
        inside = (first > 0.02) & (second > 0.02) & (first + second < 0.98)
        count[low[1] : high[1], low[0] : high[0]] += inside
    return count


@pytest.mark.parametrize("name", list(shapes()))
def test_no_texel_lies_in_two_triangles(name):
    mesh = shapes()[name]
    laid_out = atlas(mesh, 256)
    assert laid_out.uv.min() >= 0 and laid_out.uv.max() <= 1
    count = owners(laid_out.uv, 256)
    assert np.count_nonzero(count > 1) <= 0.002 * np.count_nonzero(count)


@pytest.mark.parametrize("name", ["ball", "box", "torus", "stairs"])
def test_charts_keep_sizes(name):
    """Nothing is drawn larger than it is, and little much smaller: the limit is the bend that a chart may have."""
    mesh = shapes()[name]
    laid_out = atlas(mesh, 512)
    corner = mesh.vertices[mesh.triangles]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    place = laid_out.uv.astype(np.float64) * 512 / laid_out.density
    a, b = place[:, 1] - place[:, 0], place[:, 2] - place[:, 0]
    drawn = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    assert (drawn / area).max() < 1.001
    assert np.average(drawn / area, weights=area) > 0.8
    assert laid_out.density**2 * area.sum() / 2 > 0.3 * 512**2  # and the picture isn't empty


def test_a_wall_is_one_chart_and_stands_upright():
    flat = grid(1.2, 1, 20)
    wall = Mesh(flat.vertices[:, [0, 2, 1]] * [1, 1, -1], flat.triangles, flat.colors)  # in the plane y = 0
    laid_out = atlas(wall, 256)
    assert laid_out.charts == 1
    place = laid_out.uv.reshape(-1, 2) * 256 / laid_out.density
    assert np.ptp(place, axis=0) == pytest.approx([1.2, 1], abs=1e-3)


def test_equal_meshes_have_equal_atlases():
    np.testing.assert_array_equal(atlas(crumpled(), 256).uv, atlas(crumpled(), 256).uv)


def test_charts_keep_their_distance():
    """Texels of two charts are never neighbours, two mip levels down neither."""
    mesh = shapes()["box"]
    laid_out = atlas(mesh, 256)
    faces = texel_faces(laid_out.uv, 256)
    side = np.abs(np.cross(*np.diff(mesh.vertices[mesh.triangles], axis=1).transpose(1, 0, 2))).argmax(axis=1)
    for axis in range(3):
        mine = (faces >= 0) & (side[faces] == axis)
        small = mine.reshape(64, 4, 64, 4).any(axis=(1, 3))
        others = ((faces >= 0) & (side[faces] != axis)).reshape(64, 4, 64, 4).any(axis=(1, 3))
        assert np.count_nonzero(small & others) <= 0.02 * np.count_nonzero(small)


def test_around_charts_stands_the_colour_of_the_nearest():
    texture, covered = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), bool)
    covered[3:6, 3:6] = covered[10:13, 10:13] = True
    texture[3:6, 3:6], texture[10:13, 10:13] = 50, 200
    filled = fill_around(texture, covered)
    assert set(np.unique(filled)) == {50, 200}
    assert filled[0, 0, 0] == 50 and filled[15, 15, 0] == 200
    np.testing.assert_array_equal(filled[covered], texture[covered])
