"""Patches: triangles across holes cut as fine as the mesh around them, bent to a membrane."""

import numpy as np
from scipy.sparse import diags_array
from scipy.sparse.linalg import spsolve

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges
from recon3d.mesh.parts import ROWS

LONG = 1.6
"""Edges longer than this many usual ones are halved."""
HALVINGS = 8


def patched(mesh: Mesh, patch: Array, edge: float) -> Mesh:
    """Adds triangles across holes, cut so that no edge inside them is much longer than `edge`.

    The new vertices take position, colour and normal from those around them, as a soap film does.

    Args:
        mesh: with the holes.
        patch: (P, 3) triangles of its vertices.
        edge: length of a usual edge [m].
    """
    if not len(patch):
        return mesh
    rim, patch = np.unique(patch, return_inverse=True)
    old, values, patch = len(rim), _values(mesh, rim), patch.reshape(-1, 3)
    for _ in range(HALVINGS):
        edges = Edges.of(patch)
        length = np.linalg.norm(values[edges.ends[:, 0], :3] - values[edges.ends[:, 1], :3], axis=1)
        cut = (length > LONG * edge) & (edges.count == 2)  # the rim stays as the mesh has it
        if not cut.any():
            break
        halves = np.full(len(cut), -1)
        halves[cut] = len(values) + np.arange(np.count_nonzero(cut))
        values = np.concatenate([values, values[edges.ends[cut]].mean(axis=1)])
        of_side = np.empty(3 * len(patch), np.int64)
        of_side[edges.sides] = np.repeat(halves, edges.count)
        patch = _cut(patch, of_side.reshape(-1, 3))
    index = np.concatenate([rim, len(mesh.vertices) + np.arange(len(values) - old)]).astype(np.int32)
    return _with(mesh, _film(values, patch, old), index[patch])


def _values(mesh: Mesh, vertices: Array) -> Array:
    """(N, 6 or 9): position, colour and normal of some vertices."""
    parts = [mesh.vertices, mesh.colors] + ([] if mesh.normals is None else [mesh.normals])
    return np.concatenate([part[vertices] for part in parts], axis=1, dtype=np.float64)


def _with(mesh: Mesh, values: Array, patch: Array) -> Mesh:
    """The mesh with further vertices, of which `_values` would give these, and triangles."""
    normals = None
    if mesh.normals is not None:
        normals = np.concatenate([mesh.normals, values[:, 6:].astype(np.float32)])
        for begin in range(0, len(normals), ROWS):
            some = normals[begin : begin + ROWS].astype(np.float64)
            normals[begin : begin + ROWS] = some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-12)
    return Mesh(
        np.concatenate([mesh.vertices, values[:, :3]]),
        np.concatenate([mesh.triangles, patch]),
        np.concatenate([mesh.colors, np.rint(values[:, 3:6]).astype(np.uint8)]),
        normals,
    )


def _cut(triangles: Array, halves: Array) -> Array:
    """Cuts triangles where their sides are halved, into two, three or four.

    Args:
        triangles: (T, 3).
        halves: (T, 3) the vertex in the middle of each side, -1 = not halved.
    """
    many = (halves >= 0).sum(axis=1)
    # turned so that a single half lies on the first side, and of two none on the last
    turn = np.select([many == 1, many == 2], [(halves >= 0).argmax(axis=1), ((halves < 0).argmax(axis=1) + 1) % 3], 0)
    turned = (turn[:, None] + np.arange(3)) % 3
    triangles, halves = np.take_along_axis(triangles, turned, 1), np.take_along_axis(halves, turned, 1)
    (a, b, c), (ab, bc, ca) = triangles.T, halves.T
    parts = [
        (many == 0, [(a, b, c)]),
        (many == 1, [(a, ab, c), (ab, b, c)]),
        (many == 2, [(ab, b, bc), (a, ab, bc), (a, bc, c)]),
        (many == 3, [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]),
    ]
    return np.concatenate([np.stack(piece, axis=1)[here] for here, pieces in parts for piece in pieces])


def _film(values: Array, patch: Array, old: int) -> Array:
    """What the vertices from `old` on hold, when each holds the mean of its neighbours."""
    new = len(values) - old
    if not new:
        return values[old:]
    joined = Edges.of(patch).neighbours(len(values))[old:]
    matrix = diags_array(joined.sum(axis=1)) - joined[:, old:]
    return np.asarray(spsolve(matrix.tocsc(), joined[:, :old] @ values[:old])).reshape(new, -1)
