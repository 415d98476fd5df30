"""Edges of a mesh: which triangles meet where, and where the surface ends."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from recon3d.geometry.arrays import Array


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of triangles, each once, however many triangles meet there.

    A side is one triangle's share of an edge: side 3 t + k runs from corner k of triangle t to the next.

    Attributes:
        ends: (E, 2) int64 vertices, the lower index first.
        count: (E,) triangles that meet at the edge.
        first: (E,) where the edge's sides begin in `sides`.
        sides: (3 T,) all sides, those of one edge together.
    """

    ends: Array
    count: Array
    first: Array
    sides: Array

    @classmethod
    def of(cls, triangles: Array) -> "Edges":
        """The edges of triangles (T, 3)."""
        start = triangles.reshape(-1).astype(np.int64)
        end = triangles[:, [1, 2, 0]].reshape(-1).astype(np.int64)
        size = int(start.max()) + 1 if len(start) else 1
        keys = np.minimum(start, end) * size + np.maximum(start, end)
        sides = np.argsort(keys, kind="stable")
        keys = keys[sides]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        keys = keys[first]
        return cls(np.stack([keys // size, keys % size], axis=1), np.diff(first, append=len(sides)), first, sides)

    @property
    def non_manifold(self) -> int:
        """Edges at which more than two triangles meet."""
        return int(np.count_nonzero(self.count > 2))

    def pairs(self) -> Array:
        """(P, 2) the two sides of each edge that has two."""
        at = self.first[self.count == 2]
        return np.stack([self.sides[at], self.sides[at + 1]], axis=1)

    def open_sides(self) -> Array:
        """(B,) sides at which the surface ends."""
        return np.sort(self.sides[self.first[self.count == 1]])

    def on_boundary(self, vertex_count: int) -> Array:
        """(V,) bool: vertices at which the surface ends, or that it doesn't reach."""
        inside = np.zeros(vertex_count, bool)
        inside[self.ends] = True
        inside[self.ends[self.count == 1]] = False
        return ~inside

    def neighbours(self, vertex_count: int) -> csr_array:
        """(V, V) float64: 1 where an edge joins two vertices."""
        rows, columns = np.concatenate([self.ends, self.ends[:, ::-1]]).astype(np.int32).T
        return coo_array((np.ones(len(rows)), (rows, columns)), shape=(vertex_count, vertex_count)).tocsr()


def groups(links: Array, count: int) -> tuple[int, Array]:
    """How `links` (N, 2) join `count` things: the number of groups, and (count,) the group of each, from 0."""
    joined = coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    number, labels = connected_components(joined, directed=False)
    return int(number), labels


def lowest(links: Iterable[Array], count: int) -> Array:
    """(count,) int32: the lowest of those that each of `count` things hangs together with, itself if it is alone.

    Each thing points to one that it hangs together with and that comes no later; where these ways end is joined.

    Args:
        links: (N, 2) each, some after others.
        count: of things.
    """
    lower = np.arange(count, dtype=np.int32)
    for some in links:
        ends = lower[some]
        while not np.array_equal(ends, further := lower[ends]):
            ends = further
        names, local = np.unique(ends, return_inverse=True)
        _, label = groups(local.reshape(-1, 2), len(names))
        _, leader = np.unique(label, return_index=True)  # the lowest, as the names are sorted
        lower[names] = names[leader[label]]
        lower[some] = lower[ends]
    while not np.array_equal(lower, further := lower[lower]):
        lower = further
    return lower
