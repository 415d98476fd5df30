import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import as_trimesh, ball, mesh_of, moved, sheet, together, with_opening

from recon3d.mesh.edges import Edges
from recon3d.mesh.holes import rims_and_holes, without_holes
from recon3d.mesh.manifold import facing_one_way, non_manifold_vertices
from recon3d.mesh.parts import areas
from recon3d.mesh.rims import Rims
from recon3d.mesh.triangulate import across

BALL = ball(4)  # edges of about 0.07
SMALL, LARGE = 0.15, 0.7  # radii of openings, as angles


def test_a_small_hole_is_closed_and_a_large_one_stays():
    holed = with_opening(with_opening(BALL, [0, 0, 1], SMALL), [0, 0, -1], LARGE)
    assert rims_and_holes(holed, None) == (2, 1)
    closed = without_holes(holed, None)
    rims = Rims.of(closed)
    assert len(rims.count) == 1 and rims.length[0] > 2 * np.pi * np.sin(LARGE)
    new = closed.vertices[len(holed.vertices) :]
    assert len(new) and (new[:, 2] > 0.9).all()
    assert np.array_equal(closed.vertices[: len(holed.vertices)], holed.vertices)


def test_a_ball_with_a_hole_is_a_ball_again():
    closed = without_holes(with_opening(BALL, [1, 2, 3], SMALL), None)
    assert as_trimesh(closed).is_watertight and as_trimesh(closed).is_winding_consistent
    assert as_trimesh(closed).volume == pytest.approx(as_trimesh(BALL).volume, rel=0.005)
    off = np.abs(np.linalg.norm(closed.vertices, axis=1) - 1)
    assert off.max() <= 1 - np.cos(1.3 * SMALL)  # a film across the hole, no deeper than its flat disc


def test_colours_go_on_across_a_hole():
    holed = with_opening(BALL, [1, 0, 0], SMALL)
    closed = without_holes(holed, None)
    new = slice(len(holed.vertices), None)
    true = 127.5 + 127 * closed.vertices[new]
    assert np.abs(closed.colors[new].astype(float) - true).max() < 4


def test_patches_are_as_fine_as_the_mesh():
    closed = without_holes(with_opening(ball(5), [0, 1, 0], 0.12), None)
    ends = Edges.of(closed.triangles).ends
    length = np.linalg.norm(closed.vertices[ends[:, 0]] - closed.vertices[ends[:, 1]], axis=1)
    assert length.max() < 2 * np.median(length)


def test_the_boundary_of_a_sheet_is_no_hole_however_small():
    for mesh in (sheet(1), sheet(4), sheet(30), mesh_of(np.eye(3), [[0, 1, 2]])):
        assert rims_and_holes(mesh, 1e9)[1] == 0
        assert without_holes(mesh, 1e9) is mesh


def test_a_hole_in_a_sheet_is_closed_flat():
    mesh = sheet(30)
    middle = mesh.vertices[mesh.triangles].mean(axis=1)
    holed = mesh.part(np.abs(middle - [15, 15, 0]).max(axis=1) > 3)  # six squares wide
    closed = without_holes(holed, 24.5)
    assert areas(closed.vertices, closed.triangles).sum() == pytest.approx(900)
    assert np.abs(closed.vertices[:, 2]).max() < 1e-9
    assert without_holes(holed, 23.5) is holed


def test_holes_that_touch_an_edge_of_the_mesh_are_not_crowded():
    """A hole between two corners that an edge already joins: its patch may not use that edge again."""
    mesh = sheet(12)
    keep = ~np.isin(np.arange(len(mesh.triangles)), [65, 66, 65 + 144, 77 + 144, 78])
    closed = without_holes(mesh.part(keep), None)
    assert Edges.of(closed.triangles).non_manifold == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.4))
def test_whatever_is_missing_the_mesh_stays_manifold(seed, share):
    from recon3d.mesh.manifold import manifold

    mesh = ball(3)
    torn = manifold(mesh.part(np.random.default_rng(seed).random(len(mesh.triangles)) > share))
    closed = without_holes(torn, None)
    assert Edges.of(closed.triangles).non_manifold == 0 and non_manifold_vertices(closed) == 0
    assert facing_one_way(closed)[1] == 0


def test_a_line_is_spanned_by_its_smallest_triangles():
    angle = np.arange(12) * np.pi / 6
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    triangles = across(ring[None], np.zeros((1, 12, 12), bool))[0]
    assert areas(ring, triangles).sum() == pytest.approx(3.0)  # of a regular polygon of twelve corners
    dent = ring * np.where(np.arange(12) % 2, 0.4, 1.0)[:, None]  # a star: no triangle leaves it
    star = across(dent[None], np.zeros((1, 12, 12), bool))[0]
    assert areas(dent, star).sum() == pytest.approx(6 * 0.4 * np.sin(np.pi / 6))


def test_a_line_whose_corners_are_all_joined_can_not_be_spanned():
    square = np.array([[[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]], float)
    barred = np.zeros((1, 4, 4), bool)
    barred[0, 0, 2] = True
    assert across(square, barred)[0].tolist() in ([[0, 1, 3], [1, 2, 3]], [[1, 2, 3], [0, 1, 3]])
    barred[0, 1, 3] = True
    assert (across(square, barred) == -1).all()


def test_rims_of_two_pieces_are_told_apart():
    rims = Rims.of(together(sheet(3), moved(sheet(5), [50, 0, 0])))
    assert sorted(rims.count) == [12, 20] and sorted(rims.length) == pytest.approx([12, 20])
    assert sorted(rims.area) == pytest.approx([9, 25])
