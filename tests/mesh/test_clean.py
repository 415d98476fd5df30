"""All steps together, in their order."""

import dataclasses

import numpy as np
import pytest
from made import as_trimesh, ball, mesh_of, moved, sheet, together, with_opening

from recon3d.geometry import Mesh
from recon3d.mesh.change import Change
from recon3d.mesh.clean import STEPS, clean
from recon3d.settings import MeshSettings

OFF = MeshSettings(repair=False, min_component=0, max_spike=0, max_hole=0, smoothing=0, normals=False)


def faulty():
    """A ball with a crumb beside it, one triangle turned over, a spike, a small hole and a large opening."""
    body = with_opening(with_opening(ball(4), [0, 0, 1], 0.15), [0, 0, -1], 0.6)
    vertices, triangles = body.vertices.copy(), body.triangles.copy()
    triangles[300] = triangles[300, ::-1]
    inner = np.flatnonzero(np.abs(body.vertices[:, 2]) < 0.1)[0]
    vertices[inner] *= 1.4
    return together(mesh_of(vertices, triangles, body.colors), moved(ball(1, 0.01), [2, 0, 0]))


def test_every_fault_is_mended_and_told():
    cleaned, changes = clean(faulty(), MeshSettings())
    told = {change.what: (change.before, change.after) for change in changes}
    assert told["pieces"] == (2, 1)
    assert told["triangles_turned_over"] == (1, 0)
    assert told["spikes"] == (1, 0)
    assert told["holes"] == (1, 0) and told["rims"] == (2, 1)
    assert told["non_manifold_edges"] == (0, 0) and told["non_manifold_vertices"] == (0, 0)
    assert told["roughness_m"][1] < told["roughness_m"][0]
    assert as_trimesh(cleaned).is_winding_consistent
    assert np.abs(np.linalg.norm(cleaned.vertices, axis=1) - 1).max() < 0.03
    assert np.einsum("vc,vc->v", cleaned.normals, cleaned.vertices).min() > 0.9


def test_the_steps_come_in_their_order():
    order = ["repair", "pieces", "spikes", "holes", "smooth", "decimate", "normals"]
    assert list(STEPS) == order
    seen = []
    clean(
        faulty(), MeshSettings(triangles=1000), lambda title, done, total, photo="": seen.append((title, done, total))
    )
    assert seen == [("mesh", done, 7) for done in range(8)]


def test_a_crumb_s_hole_costs_nothing_as_crumbs_go_first():
    crumb = moved(with_opening(ball(3, 0.01), [0, 0, 1], 0.3), [3, 0, 0])
    told = {change.what: change for change in clean(together(ball(3), crumb), MeshSettings())[1]}
    assert told["pieces"].before == 2 and told["holes"].before == 0


def test_everything_off_changes_nothing():
    mesh = faulty()
    mesh = Mesh(mesh.vertices, mesh.triangles, mesh.colors, np.tile(np.float32([0, 0, 1]), (len(mesh.vertices), 1)))
    same, changes = clean(mesh, OFF)
    for name in ("vertices", "triangles", "colors", "normals"):
        assert np.array_equal(getattr(same, name), getattr(mesh, name)), name
    assert all(change.before == change.after for change in changes)


@pytest.mark.parametrize("key, value", [("triangles", 500), ("max_error", 0.01)])
def test_decimated_meshes_have_normals_even_without_being_asked(key, value):
    cleaned, changes = clean(faulty(), dataclasses.replace(OFF, **{key: value}))
    assert cleaned.normals is not None
    assert {"triangles", "decimation_error_m"} <= {change.what for change in changes}


def test_a_clean_mesh_stays_nearly_as_it_is():
    once, _ = clean(faulty(), MeshSettings())
    twice, changes = clean(once, MeshSettings())
    assert np.array_equal(once.triangles, twice.triangles)
    assert np.abs(once.vertices - twice.vertices).max() < 0.01
    assert {change.after for change in changes if change.what in ("holes", "spikes", "triangles_turned_over")} == {0}


@pytest.mark.parametrize("settings", [MeshSettings(), OFF, MeshSettings(triangles=1, max_error=1.0, max_hole=1e9)])
def test_an_empty_mesh_and_one_triangle_come_through(settings):
    empty = Mesh(np.empty((0, 3)), np.empty((0, 3), np.int32), np.empty((0, 3), np.uint8))
    assert len(clean(empty, settings)[0].triangles) == 0
    one = mesh_of(np.eye(3), [[0, 1, 2]])
    assert np.array_equal(clean(one, settings)[0].vertices, one.vertices)
    flat = mesh_of([[0, 0, 0], [1, 1, 1], [2, 2, 2]], [[0, 1, 2]])
    assert len(clean(flat, settings)[0].triangles) == 0


def test_equal_meshes_are_cleaned_alike():
    settings = MeshSettings(triangles=1500)
    one, other = (clean(faulty(), settings)[0] for _ in range(2))
    assert np.array_equal(one.vertices, other.vertices) and np.array_equal(one.colors, other.colors)


def test_a_flat_sheet_keeps_its_edge():
    cleaned, _ = clean(sheet(20), MeshSettings())
    assert (cleaned.vertices.min(axis=0) == 0).all() and cleaned.vertices.max() == 20


def test_a_change_is_told_with_its_unit():
    assert str(Change("non_manifold_edges", 4, 0)) == "non manifold edges 4 → 0"
    assert str(Change("roughness_m", 0.0036568, 0.00119)) == "roughness 0.00366 → 0.00119 m"
    assert str(Change("normals_off_deg", 3.29, 0.0)) == "normals off 3.29 → 0 degrees"
