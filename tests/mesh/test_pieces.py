import numpy as np
from made import ball, mesh_of, moved, sheet, together

from recon3d.mesh.manifold import sound
from recon3d.mesh.pieces import pieces, without_crumbs


def test_small_pieces_go_and_large_ones_stay():
    mesh = together(sheet(10), moved(sheet(2), [100, 0, 0]), moved(sheet(5), [200, 0, 0]))  # areas 100, 4 and 25
    assert pieces(mesh)[0] == 3
    assert [len(without_crumbs(mesh, share).triangles) for share in (0, 0.04, 0.05, 0.3)] == [258, 258, 250, 200]


def test_pieces_are_measured_by_area_not_by_triangles():
    crumb = moved(ball(3, radius=0.01), [5, 0, 0])
    mesh = together(ball(1), crumb)
    assert len(crumb.triangles) > len(ball(1).triangles)
    assert np.array_equal(without_crumbs(mesh, 0.01).triangles, ball(1).triangles)


def test_a_whole_mesh_is_left_as_it_is():
    mesh = sheet(4)
    for same in (sound(mesh), without_crumbs(mesh, 0.02)):
        assert np.array_equal(same.vertices, mesh.vertices)
        assert np.array_equal(same.triangles, mesh.triangles)
        assert np.array_equal(same.colors, mesh.colors)


def test_doubled_and_degenerate_triangles_go():
    mesh = sheet(3)
    turned = mesh.triangles[:1, [1, 2, 0]]
    extra = np.array([[0, 0, 1], [0, 1, 2]])  # a vertex twice; three in a row
    marred = mesh_of(mesh.vertices, np.concatenate([mesh.triangles, turned, extra]))
    assert np.array_equal(sound(marred).triangles, mesh.triangles)


def test_loose_vertices_go_and_colours_follow_theirs():
    mesh = sheet(2)
    loose = mesh_of(np.concatenate([[[9.0, 9, 9]], mesh.vertices]), mesh.triangles + 1)
    assert np.array_equal(sound(loose).vertices, mesh.vertices)
    assert np.array_equal(sound(loose).colors, loose.colors[1:])
