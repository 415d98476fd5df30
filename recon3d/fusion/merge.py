"""Merge: the tiles of a scene as one surface in order, a slab of space at a time, so that memory holds no more."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from recon3d.fusion.order import order_of, sorted_triangles
from recon3d.geometry.arrays import Array

SLAB = 300_000
"""Vertices that are sorted together, about; more where more lie at one x."""
SAMPLED = 64
"""Each so-manieth vertex tells how wide slabs are."""

Part = Callable[[str], Array]
"""Gives an array of a tile by its name: vertices, triangles, colors or normals; asked for again and again."""


@dataclass(frozen=True, eq=False)
class Merge:
    """The surface of all parts, as `in_order` would give it.

    As vertices are sorted by x first, those between two planes across x stand together, and so do the triangles that
    begin there. The vertices are gone through first, then the triangles.

    Attributes:
        parts: the tiles.
        counts: vertices of each.
        spans: (P, 2) least and greatest x of each [m].
        planes: (S + 1,) x between the slabs, from -inf to inf [m].
        farthest: largest coordinate [m].
        places: where each vertex of each part came to stand; filled by `vertices`.
        first: where each slab's vertices begin; filled by `vertices`.
    """

    parts: Sequence[Part]
    counts: tuple[int, ...]
    spans: Array
    planes: Array
    farthest: float
    places: list[Array] = field(default_factory=list)
    first: list[int] = field(default_factory=lambda: [0])

    @classmethod
    def of(cls, parts: Sequence[Part]) -> "Merge":
        """Looks at where the parts lie."""
        counts, spans, samples, farthest = [], [], [np.empty(0)], 0.0
        for part in parts:
            vertices = part("vertices")
            x = vertices[:, 0]
            counts.append(len(x))
            spans.append((x.min(), x.max()) if len(x) else (np.inf, -np.inf))
            samples.append(x[::SAMPLED].copy())
            farthest = max(farthest, float(np.abs(vertices).max()) if len(x) else 0.0)
        some = np.sort(np.concatenate(samples))
        planes = np.unique(some[SLAB // SAMPLED :: SLAB // SAMPLED])
        return cls(parts, tuple(counts), np.array(spans), np.concatenate([[-np.inf], planes, [np.inf]]), farthest)

    def vertices(self) -> Iterator[tuple[Array, Array, Array]]:
        """Position [m], colour and normal of all vertices in their order, slab by slab."""
        self.places[:] = [np.empty(count, np.int32) for count in self.counts]
        self.first[:] = [0]
        for low, high in zip(self.planes[:-1], self.planes[1:], strict=True):
            inside, arrays = [], []
            for number in self._across(low, high):
                vertices = self.parts[number]("vertices")
                here = np.flatnonzero((vertices[:, 0] >= low) & (vertices[:, 0] < high))
                inside.append((number, here))
                arrays.append((vertices[here], *(self.parts[number](name)[here] for name in ("colors", "normals"))))
            if not arrays:
                self.first.append(self.first[-1])
                continue
            points, colors, normals = (np.concatenate(columns) for columns in zip(*arrays, strict=True))
            order, place = order_of(points, colors, normals)
            place += self.first[-1]
            for (number, here), mine in zip(inside, _split(place, [len(here) for _, here in inside]), strict=True):
                self.places[number][here] = mine
            self.first.append(self.first[-1] + len(order))
            yield points[order], colors[order], normals[order]

    def triangles(self) -> Iterator[Array]:
        """(T, 3) int32: the triangles in their order, slab by slab; after all vertices."""
        for slab, (low, high) in enumerate(zip(self.planes[:-1], self.planes[1:], strict=True)):
            found = []
            for number in self._across(low, high):
                triangles = self.places[number][self.parts[number]("triangles")]
                first = triangles.min(axis=1)
                found.append(triangles[(first >= self.first[slab]) & (first < self.first[slab + 1])])
            if found:
                yield sorted_triangles(np.concatenate(found))

    def _across(self, low: float, high: float) -> Array:
        """Numbers of the parts with vertices in a slab."""
        return np.flatnonzero((self.spans[:, 1] >= low) & (self.spans[:, 0] < high))


def _split(values: Array, lengths: list[int]) -> list[Array]:
    return np.split(values, np.cumsum(lengths)[:-1])
