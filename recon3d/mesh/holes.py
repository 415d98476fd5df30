"""Holes up to a bounded size, closed; larger openings and the boundary stay."""

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges
from recon3d.mesh.parts import ROWS, usual_edge
from recon3d.mesh.patch import patched
from recon3d.mesh.rims import Rims
from recon3d.mesh.triangulate import across

USUAL_RIM = 24
"""Rims of at most this many usual edges are closed, unless a length is set: some eight edges across."""
MOST_CORNERS = 100
"""Rims of more corners stay open: the work grows with the cube."""
AT_ONCE = 2_000_000
"""Pairs of corners that are looked at together: bounds the memory."""


def rims_and_holes(mesh: Mesh, max_hole: float | None) -> tuple[int, int]:
    """How many rims a mesh has, and how many of them are holes that `without_holes` closes."""
    rims = Rims.of(mesh)
    return len(rims.count), len(rims.holes(max_length(mesh, max_hole)))


def max_length(mesh: Mesh, max_hole: float | None) -> float:
    """The length [m] up to which rims are closed."""
    return USUAL_RIM * usual_edge(mesh.vertices, mesh.triangles) if max_hole is None else max_hole


def without_holes(mesh: Mesh, max_hole: float | None) -> Mesh:
    """Closes holes with a rim of at most `max_hole`, by triangles as fine as those around.

    What could be where a piece of the surface ends, by the area that its rim could hold, is no hole.

    Args:
        mesh: manifold, its triangles facing one way.
        max_hole: longest rim [m]; None = by the usual edge; 0 closes none.
    """
    longest = max_length(mesh, max_hole)
    if not longest:
        return mesh
    rims = Rims.of(mesh)
    holes = rims.holes(longest)
    holes = holes[rims.count[holes] <= MOST_CORNERS]
    if not len(holes):
        return mesh
    chords = _chords(mesh, rims, holes)
    patches = [_patch(mesh, rims, holes[rims.count[holes] == count], chords) for count in np.unique(rims.count[holes])]
    return patched(mesh, np.concatenate(patches), usual_edge(mesh.vertices, mesh.triangles))


def _patch(mesh: Mesh, rims: Rims, holes: Array, chords: Array) -> Array:
    """(P, 3) triangles across holes whose rims have equally many corners."""
    count = int(rims.count[holes[0]])
    step = max(1, AT_ONCE // count**2)
    found = []
    for begin in range(0, len(holes), step):
        some = holes[begin : begin + step]
        # against the sense of the triangles beside the hole, so that the patch faces as they do
        vertices = rims.vertices[rims.first[some][:, None] + np.arange(count - 1, -1, -1)]
        rim, i, j = chords[:, np.isin(chords[0], some)]
        barred = np.zeros((len(some), count, count), bool)
        barred[np.searchsorted(some, rim), count - 1 - j, count - 1 - i] = True
        triangles = across(mesh.vertices[vertices], barred)
        spanned = triangles[:, 0, 0] >= 0
        rows = np.arange(len(some))[spanned, None, None]
        found.append(vertices[rows, triangles[spanned]].reshape(-1, 3))
    return np.concatenate(found)


def _chords(mesh: Mesh, rims: Rims, holes: Array) -> Array:
    """(3, N) rim and places i < j of its corners that an edge of the mesh joins: a second one would crowd it."""
    rim, place = np.full(len(mesh.vertices), -1, np.int32), np.zeros(len(mesh.vertices), np.int32)
    rim[rims.vertices] = np.repeat(np.arange(len(rims.count)), rims.count)
    place[rims.vertices] = np.arange(len(rims.vertices)) - np.repeat(rims.first, rims.count)
    rim[rims.vertices[~np.isin(rim[rims.vertices], holes)]] = -1
    chunks = (mesh.triangles[begin : begin + ROWS] for begin in range(0, len(mesh.triangles), ROWS))
    near = [some[(rim[some] >= 0).sum(axis=1) > 1] for some in chunks]
    ends = Edges.of(np.concatenate(near)).ends
    ends = ends[(rim[ends[:, 0]] >= 0) & (rim[ends[:, 0]] == rim[ends[:, 1]])]
    return np.concatenate([rim[ends[:, :1]], np.sort(place[ends], axis=1)], axis=1).T
