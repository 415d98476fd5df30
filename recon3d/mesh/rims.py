"""Rims of a mesh: the closed lines along which its surface ends."""

from dataclasses import dataclass

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import groups
from recon3d.mesh.parts import edges_of
from recon3d.mesh.pieces import piece_areas, pieces_of_vertices

SHARE_OF_PIECE = 0.25
"""A rim that could hold more than this share of its piece's area is where the piece ends, no hole in it."""


@dataclass(frozen=True, eq=False)
class Rims:
    """Closed lines of vertices, one after another, each in the sense of the triangles beside it.

    Attributes:
        vertices: (N,) vertex of the mesh.
        first: (L,) where each rim begins.
        count: (L,) vertices of each.
        length: (L,) [m].
        area: (L,) of the piece that the rim belongs to [m²].
    """

    vertices: Array
    first: Array
    count: Array
    length: Array
    area: Array

    @classmethod
    def of(cls, mesh: Mesh) -> "Rims":
        """The rims of a manifold mesh; those that meet themselves, or whose triangles don't agree, are left out."""
        corners = mesh.triangles.reshape(-1)
        some = [edges.open_sides() for edges in edges_of(mesh.triangles, len(mesh.vertices))]
        sides = np.sort(np.concatenate([np.empty(0, np.int64), *some]))
        start, end = (corners[at].astype(np.int64) for at in (sides, sides - sides % 3 + (sides + 1) % 3))
        names, local = np.unique(np.concatenate([start, end]), return_inverse=True)
        start, end = local.reshape(2, -1)
        number, label = groups(np.stack([start, end], axis=1), len(names))
        once = (np.bincount(start, minlength=len(names)) == 1) & (np.bincount(end, minlength=len(names)) == 1)
        closed = np.ones(number, bool)
        closed[label[~once]] = False
        following = np.arange(len(names))
        following[start] = end
        order, label = _in_turn(label, following, closed)
        count = np.bincount(label, minlength=number)[closed]
        first = np.cumsum(count) - count
        vertices = names[order]
        here, there = mesh.vertices[vertices], mesh.vertices[names[following[order]]]
        length = np.bincount(label, np.linalg.norm(there - here, axis=1), minlength=number)[closed]
        return cls(vertices, first, count, length, _piece_areas(mesh, vertices[first]))

    def holes(self, max_length: float) -> Array:
        """(H,) the rims of at most this length [m] that are holes in their piece, not where it ends."""
        within = np.square(self.length) / (4 * np.pi) <= SHARE_OF_PIECE * self.area
        return np.flatnonzero((self.length <= max_length) & within)


def _in_turn(label: Array, following: Array, closed: Array) -> tuple[Array, Array]:
    """The members of closed rims, rim after rim, each from its lowest member on; and the rim of each.

    The place of each is found by pointer doubling: its distance to the member that the rim begins with.
    """
    _, leader = np.unique(label, return_index=True)
    jump, steps = following.copy(), np.ones(len(label), np.int64)
    jump[leader], steps[leader] = leader, 0
    for _ in range(len(label).bit_length()):
        steps += steps[jump]
        jump = jump[jump]
    steps[leader] = np.bincount(label)  # so that each begins its rim
    order = np.lexsort([-steps, label])
    order = order[closed[label[order]]]
    return order, label[order]


def _piece_areas(mesh: Mesh, vertices: Array) -> Array:
    """Area of the piece that each vertex belongs to [m²]."""
    number, piece = pieces_of_vertices(mesh)
    found: Array = piece_areas(mesh, number, piece)[piece[vertices]]
    return found
