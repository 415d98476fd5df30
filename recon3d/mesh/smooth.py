"""Smoothing that neither shrinks a surface nor moves its boundary."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges
from recon3d.mesh.parts import Part, on_boundary, parts_of

INWARD, OUTWARD = 0.5, -0.53
"""Taubin's λ and μ: a step that smooths and shrinks, one that swells; between them waves longer than some ten edges
pass."""


def smoothed(mesh: Mesh, rounds: int) -> Mesh:
    """Moves each vertex towards the middle of its neighbours and, a little more, back.

    Taubin, A signal processing approach to fair surface design, SIGGRAPH 1995. Vertices on the boundary stay.
    """
    if not rounds or not len(mesh.triangles):
        return mesh
    rings = _rings(mesh)
    vertices, moved = mesh.vertices, np.empty_like(mesh.vertices)
    for _ in range(rounds):
        for step in (INWARD, OUTWARD):
            for ring in rings:
                own = slice(ring.low, ring.high)
                np.add(vertices[own], step * ring.towards_middle(vertices), out=moved[own])
            vertices, moved = moved, np.empty_like(moved) if vertices is mesh.vertices else vertices
    return Mesh(vertices, mesh.triangles, mesh.colors, mesh.normals)


def roughness(mesh: Mesh) -> float:
    """Root mean square distance of the vertices inside the surface from the middle of their neighbours [m]."""
    if not len(mesh.triangles):
        return 0.0
    fixed = on_boundary(mesh.triangles, len(mesh.vertices))
    off = np.empty(len(mesh.vertices))
    for part in parts_of(mesh.triangles, len(mesh.vertices)):
        way = _Ring.of(part, fixed).towards_middle(mesh.vertices)
        off[part.low : part.high] = np.square(way).sum(axis=1)
    off = off[~fixed]
    return float(np.sqrt(off.mean())) if len(off) else 0.0


def _rings(mesh: Mesh) -> "list[_Ring]":
    fixed = on_boundary(mesh.triangles, len(mesh.vertices))
    return [_Ring.of(part, fixed) for part in parts_of(mesh.triangles, len(mesh.vertices))]


@dataclass(frozen=True, eq=False)
class _Ring:
    """The free vertices of a part with their neighbours; those on the boundary have none.

    Attributes:
        low: first vertex of the part.
        high: vertex after its last.
        first: (high - low + 1,) int32 where the members of each vertex begin.
        members: (N,) int32: each free vertex and its neighbours, in their order.
    """

    low: int
    high: int
    first: Array
    members: Array

    @classmethod
    def of(cls, part: Part, fixed: Array) -> "_Ring":
        """Of a part of a mesh whose vertices (V,) are `fixed` where its surface ends."""
        ends = Edges.of(part.triangles).ends
        free = part.low + np.flatnonzero(~fixed[part.low : part.high])
        here = np.concatenate([ends[:, 0], ends[:, 1], free])
        there = np.concatenate([ends[:, 1], ends[:, 0], free])
        own = part.holds(here)
        own[own] = ~fixed[here[own]]
        here, there = here[own] - part.low, there[own]
        order = np.lexsort([there, here])
        first = np.concatenate([[0], np.cumsum(np.bincount(here, minlength=part.high - part.low))])
        return cls(part.low, part.high, first.astype(np.int32), there[order].astype(np.int32))

    def towards_middle(self, vertices: Array) -> Array:
        """(high - low, 3) way from each vertex to the middle of its neighbours [m]; none for those on the boundary."""
        count = np.diff(self.first)
        share = np.repeat(1 / np.maximum(count - 1, 1), count)
        share[self.members == np.repeat(np.arange(self.low, self.high), count)] = -1
        matrix = csr_array((share, self.members, self.first), shape=(len(count), len(vertices)))
        way: Array = matrix @ vertices
        return way
