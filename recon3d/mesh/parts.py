"""Parts of a mesh: vertices range after range, with the triangles round them, so that a step works on few at a time.

What a step finds of a part's own vertices is what it would find of them in the whole mesh, to the bit: all triangles
round them are there, and triangles and vertices keep their order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges

VERTICES = 50_000
"""Of a part."""
ROWS = 100_000
"""Triangles that are looked at together. Those of fused surfaces lie in the order of their vertices: few parts need the
same."""


@dataclass(frozen=True, eq=False)
class Part:
    """The vertices from `low` up to `high`, and all triangles with a corner among them.

    Attributes:
        low: first vertex.
        high: vertex after the last.
        rows: (N,) int64 which triangles of the mesh, in their order.
        triangles: (N, 3) those.
    """

    low: int
    high: int
    rows: Array
    triangles: Array

    def holds(self, vertices: Array) -> Array:
        """Which vertices, of any shape, are the part's own."""
        inside: Array = (vertices >= self.low) & (vertices < self.high)
        return inside

    def sides(self, local: Array) -> Array:
        """Sides (or corners) of the mesh, for those of `triangles`."""
        found: Array = self.rows[local // 3] * 3 + local % 3
        return found

    def edges(self) -> Edges:
        """The edges whose lower vertex is the part's own: each of the mesh's is in one part. Sides are the mesh's."""
        every = Edges.of(self.triangles)
        own = self.holds(every.ends[:, 0])
        return Edges(every.ends[own], every.count[own], every.first[own], self.sides(every.sides))


def parts_of(triangles: Array, vertex_count: int) -> Iterator[Part]:
    """Goes through a mesh, in the order of its vertices.

    Args:
        triangles: (T, 3).
        vertex_count: V; vertices that no triangle uses are in a part, too.
    """
    number = -(-vertex_count // VERTICES)
    chunks = [triangles[begin : begin + ROWS] for begin in range(0, len(triangles), ROWS)]
    reached = [np.bincount((some // VERTICES).reshape(-1), minlength=number) > 0 for some in chunks]
    for part in range(number):
        low, high = part * VERTICES, min((part + 1) * VERTICES, vertex_count)
        rows = [np.empty(0, np.int64)]
        for index, some in enumerate(chunks):
            if reached[index][part]:
                rows.append(index * ROWS + np.flatnonzero(((some >= low) & (some < high)).any(axis=1)))
        chosen = np.concatenate(rows)
        yield Part(low, high, chosen, triangles[chosen])


def edges_of(triangles: Array, vertex_count: int) -> Iterator[Edges]:
    """The edges of a mesh, part after part; see `Part.edges`."""
    return (part.edges() for part in parts_of(triangles, vertex_count))


def non_manifold_edges(triangles: Array, vertex_count: int) -> int:
    """Edges at which more than two triangles meet."""
    return sum(edges.non_manifold for edges in edges_of(triangles, vertex_count))


def on_boundary(triangles: Array, vertex_count: int) -> Array:
    """(V,) bool: vertices at which the surface ends, or that it doesn't reach."""
    inside, open_ = np.zeros(vertex_count, bool), np.zeros(vertex_count, bool)
    for edges in edges_of(triangles, vertex_count):
        inside[edges.ends] = True
        open_[edges.ends[edges.count == 1]] = True
    return open_ | ~inside


def usual_edge(vertices: Array, triangles: Array) -> float:
    """The median length of an edge [m]; 0 where there is none."""
    lengths, filled = np.empty(3 * len(triangles)), 0  # pages that are not filled take no memory
    for edges in edges_of(triangles, len(vertices)):
        ends = edges.ends
        lengths[filled : filled + len(ends)] = np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1)
        filled += len(ends)
    return float(np.median(lengths[:filled], overwrite_input=True)) if filled else 0.0


def areas(vertices: Array, triangles: Array) -> Array:
    """(T,) areas of triangles (T, 3) [m²]."""
    found = np.empty(len(triangles))
    for begin in range(0, len(triangles), ROWS):
        a, b, c = (vertices[triangles[begin : begin + ROWS, corner]] for corner in range(3))
        found[begin : begin + ROWS] = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return found
