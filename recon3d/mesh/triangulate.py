"""Triangles across closed lines in space."""

import numpy as np

from recon3d.geometry.arrays import Array

EQUILATERAL = 4 * np.sqrt(3)
"""Sum of the squared sides of an equilateral triangle over its area."""


def across(points: Array, barred: Array) -> Array:
    """Spans closed lines of equally many points by small, well-shaped triangles.

    The best of all triangulations, by dynamic programming: Barequet and Sharir, Filling gaps in the boundary of a
    polyhedron, CAGD 1995. What is made small is the sum of the areas, and of the areas that equilateral
    triangles of the same sides would have, so that of flat ones those without slivers win.

    Args:
        points: (L, n, 3), the corners of each line in turn.
        barred: (L, n, n) bool: pairs of corners i < j that no triangle may join by an edge.

    Returns:
        (L, n - 2, 3) corners of the triangles, in the lines' sense; -1 where a line can't be spanned.
    """
    lines, count = points.shape[:2]
    rows = np.arange(lines)[:, None, None]
    cost = np.zeros((lines, count, count))
    through = np.zeros((lines, count, count), np.int64)
    for span in range(2, count):
        i = np.arange(count - span)
        j = i + span
        k = i[:, None] + np.arange(1, span)
        far, near = np.broadcast_to(j[:, None], k.shape), np.broadcast_to(i[:, None], k.shape)
        total = _cost(points[:, near], points[:, k], points[:, far]) + cost[rows, near, k] + cost[rows, k, far]
        best = total.argmin(axis=2)
        through[:, i, j] = i + 1 + best
        cost[:, i, j] = np.take_along_axis(total, best[..., None], axis=2)[..., 0]
        if span < count - 1:
            cost[:, i, j] = np.where(barred[:, i, j], np.inf, cost[:, i, j])
    triangles = _triangles(through)
    triangles[~np.isfinite(cost[:, 0, -1])] = -1
    return triangles


def _cost(a: Array, b: Array, c: Array) -> Array:
    """What a triangle costs [m²]."""
    ab, bc, ca = b - a, c - b, a - c
    squares = sum(np.einsum("...c,...c->...", side, side) for side in (ab, bc, ca))
    cost: Array = np.linalg.norm(np.cross(ab, ca), axis=-1) / 2 + squares / EQUILATERAL
    return cost


def _triangles(through: Array) -> Array:
    """(L, n - 2, 3) triangles from the corner (L, n, n) that each pair's triangle has beside the two."""
    lines, count = through.shape[:2]
    found = np.empty((lines, count - 2, 3), np.int64)
    line = np.arange(lines)
    todo = [(line, np.zeros(lines, np.int64), np.full(lines, count - 1))]
    filled = np.zeros(lines, np.int64)
    while todo:
        line, i, j = todo.pop()
        wide = j - i > 1
        line, i, j = line[wide], i[wide], j[wide]
        if len(line):
            k = through[line, i, j]
            found[line, filled[line]] = np.stack([i, k, j], axis=1)
            filled[line] += 1
            todo += [(line, i, k), (line, k, j)]
    return found
