"""Pieces of a mesh: what hangs together, and what is a crumb beside it."""

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import lowest
from recon3d.mesh.parts import ROWS, areas


def pieces(mesh: Mesh) -> tuple[int, Array]:
    """The number of connected pieces, and (T,) int32 the piece of each triangle; pieces hang together by vertices."""
    number, piece = pieces_of_vertices(mesh)
    return number, piece[mesh.triangles[:, 0]]


def pieces_of_vertices(mesh: Mesh) -> tuple[int, Array]:
    """The number of connected pieces, and (V,) int32 the piece of each vertex, -1 of those that no triangle uses."""
    used = np.zeros(len(mesh.vertices), bool)
    chunks = [mesh.triangles[begin : begin + ROWS] for begin in range(0, len(mesh.triangles), ROWS)]
    for some in chunks:
        used[some] = True
    lower = lowest((np.concatenate([some[:, :2], some[:, 1:]]) for some in chunks), len(used))
    first = used & (lower == np.arange(len(lower), dtype=np.int32))
    piece = (np.cumsum(first, dtype=np.int32) - 1)[lower]
    piece[~used] = -1
    return int(np.count_nonzero(first)), piece


def piece_areas(mesh: Mesh, number: int, piece: Array) -> Array:
    """(P,) area of each piece [m²], of `number` that `piece` (V,) tells of each vertex."""
    found = np.zeros(number)
    for begin in range(0, len(mesh.triangles), ROWS):
        some = mesh.triangles[begin : begin + ROWS]
        np.add.at(found, piece[some[:, 0]], areas(mesh.vertices, some))
    return found


def without_crumbs(mesh: Mesh, min_component: float) -> Mesh:
    """Drops the pieces whose area is less than this share of the largest piece's; 0 keeps all."""
    if not len(mesh.triangles):
        return mesh
    number, piece = pieces_of_vertices(mesh)
    sizes = piece_areas(mesh, number, piece)
    large = sizes >= min_component * sizes.max()
    if large.all() and piece.min() >= 0:
        return mesh
    return mesh.part(large[piece][mesh.triangles[:, 0]])
