"""Patches: triangles across holes cut as fine as the mesh around them, bent to a membrane."""

import numpy as np
from scipy.sparse import diags_array
from scipy.sparse.linalg import spsolve

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges

LONG = 1.6
"""Edges longer than this many usual ones are halved."""
ROUNDS = 8


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
    old, values = len(mesh.vertices), _values(mesh)
    for _ in range(ROUNDS):
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
    values[old:] = _film(values, patch, old)
    return _mesh(values, np.concatenate([mesh.triangles, patch]), with_normals=mesh.normals is not None)


def _values(mesh: Mesh) -> Array:
    """(V, 6 or 9): position, colour and normal of each vertex."""
    parts = [mesh.vertices, mesh.colors] + ([] if mesh.normals is None else [mesh.normals])
    return np.concatenate(parts, axis=1, dtype=np.float64)


def _mesh(values: Array, triangles: Array, *, with_normals: bool) -> Mesh:
    """The other way of `_values`."""
    normals = None
    if with_normals:
        length = np.linalg.norm(values[:, 6:], axis=1, keepdims=True)
        normals = (values[:, 6:] / np.maximum(length, 1e-12)).astype(np.float32)
    return Mesh(values[:, :3], triangles, np.rint(values[:, 3:6]).astype(np.uint8), normals)


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
