import numpy as np
import pytest
from made import ball, mesh_of, moved, sheet, together, with_opening

from recon3d.geometry import Mesh
from recon3d.mesh import parts as module
from recon3d.mesh import pieces as pieces_module
from recon3d.mesh.clean import clean
from recon3d.mesh.edges import Edges
from recon3d.mesh.manifold import manifold, non_manifold_vertices, sound
from recon3d.mesh.parts import edges_of, on_boundary, parts_of, usual_edge
from recon3d.mesh.pieces import pieces, without_crumbs
from recon3d.settings import MeshSettings


def small_parts(monkeypatch, vertices, rows):
    monkeypatch.setattr(module, "VERTICES", vertices)
    monkeypatch.setattr(module, "ROWS", rows)
    monkeypatch.setattr(pieces_module, "ROWS", rows)


def faulty(seed):
    """Balls with openings, spikes, pinches, fins, doubled and flat triangles, crumbs; rough, in a random order."""
    rng = np.random.default_rng(seed)
    crumbs = [moved(ball(1, 0.02), [2, k, 0]) for k in range(3)]
    mesh = together(with_opening(ball(3), [0, 0, 1], 0.3), moved(ball(3), [3, 0, 0]), sheet(9, 0.4), *crumbs)
    count = len(mesh.vertices)
    vertices = mesh.vertices + rng.normal(0, 0.01, mesh.vertices.shape)
    vertices[rng.choice(count, 5)] *= 1.3
    triangles = mesh.triangles.copy()
    pinch, onto = rng.choice(count, (2, 4))
    triangles[np.isin(triangles, pinch)] = np.repeat(onto, 1)[0]
    fins = np.column_stack([triangles[rng.choice(len(triangles), 6), :2], rng.choice(count, 6)])
    triangles = np.concatenate([triangles, triangles[rng.choice(len(triangles), 5)], fins, np.full((2, 3), 7)])
    order = rng.permutation(count)
    triangles = np.argsort(order)[triangles[rng.permutation(len(triangles))]]
    made = mesh_of(vertices[order], triangles, mesh.colors[order])
    normals = rng.normal(size=vertices.shape).astype(np.float32)
    return Mesh(made.vertices, made.triangles, made.colors, normals)


def same(one, other):
    for name in ("vertices", "triangles", "colors", "normals"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None and b is None) or np.array_equal(a, b), name


@pytest.mark.parametrize(("vertices", "rows"), [(60, 33), (300, 10_000)])
def test_a_mesh_cleaned_part_by_part_is_the_mesh_cleaned_as_a_whole(monkeypatch, vertices, rows):
    mesh = faulty(1)
    settings = MeshSettings(normals=False)
    whole, changes = clean(mesh, settings)
    assert changes[0].before > changes[0].after and changes[1].before and changes[4].before > changes[4].after
    small_parts(monkeypatch, vertices, rows)
    found, others = clean(mesh, settings)
    same(found, whole)
    assert others == changes


@pytest.mark.parametrize("seed", range(4))
def test_each_step_finds_the_same_in_parts(monkeypatch, seed):
    mesh = faulty(seed)
    count = len(mesh.vertices)
    steps = (sound, manifold, lambda mesh: without_crumbs(mesh, 0.1))
    whole = [step(mesh) for step in steps]
    numbers = non_manifold_vertices(mesh), pieces(mesh), usual_edge(mesh.vertices, mesh.triangles)
    edge, free = Edges.of(mesh.triangles), on_boundary(mesh.triangles, count)
    small_parts(monkeypatch, 23, 41)
    for step, wanted in zip(steps, whole, strict=True):
        same(step(mesh), wanted)
    assert non_manifold_vertices(mesh) == numbers[0] > 0
    assert pieces(mesh)[0] == numbers[1][0] and np.array_equal(pieces(mesh)[1], numbers[1][1])
    assert usual_edge(mesh.vertices, mesh.triangles) == numbers[2]
    assert np.array_equal(on_boundary(mesh.triangles, count), free)
    found = list(edges_of(mesh.triangles, count))
    assert np.array_equal(np.concatenate([edges.ends for edges in found]), edge.ends)
    assert np.array_equal(np.concatenate([edges.count for edges in found]), edge.count)
    for name in ("pairs", "open_sides"):
        mine = np.concatenate([getattr(edges, name)() for edges in found])
        assert np.array_equal(np.sort(mine, axis=0), np.sort(getattr(edge, name)(), axis=0))


def test_pieces_are_what_a_search_from_triangle_to_triangle_finds(monkeypatch):
    small_parts(monkeypatch, 10, 7)
    rng = np.random.default_rng(0)
    mesh = mesh_of(np.zeros((400, 3)), rng.integers(0, 400, (110, 3)))
    number, piece = pieces(mesh)
    reached, by_vertex = np.full(len(mesh.triangles), -1), [set() for _ in range(400)]
    for triangle, corners in enumerate(mesh.triangles):
        for corner in corners:
            by_vertex[corner].add(triangle)
    for start in range(len(mesh.triangles)):
        todo = [start] if reached[start] < 0 else []
        while todo:
            triangle = todo.pop()
            if reached[triangle] < 0:
                reached[triangle] = start
                todo += [other for corner in mesh.triangles[triangle] for other in by_vertex[corner]]
    assert number == len(np.unique(reached)) == len(np.unique(piece)) > 5
    assert len(np.unique(np.stack([reached, piece]), axis=1).T) == number


def test_parts_hold_each_vertex_once_and_all_triangles_round_it(monkeypatch):
    small_parts(monkeypatch, 17, 30)
    mesh = faulty(2)
    end = 0
    for part in parts_of(mesh.triangles, len(mesh.vertices)):
        assert part.low == end and part.high > part.low
        end = part.high
        touching = ((mesh.triangles >= part.low) & (mesh.triangles < part.high)).any(axis=1)
        assert np.array_equal(part.rows, np.flatnonzero(touching))
    assert end == len(mesh.vertices)
