"""One order of vertices and triangles for equal surfaces, whatever the threads did that made them."""

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array


def in_order(mesh: Mesh) -> Mesh:
    """The same surface with vertices sorted by position and triangles by vertex, so that equal work gives equal bytes.

    Vertices at one place become one, with the colour and normal that sort first: so the tiles of a scene hang together.
    """
    order, new_index = order_of(mesh.vertices, mesh.colors, mesh.normals)
    normals = None if mesh.normals is None else mesh.normals[order]
    return Mesh(mesh.vertices[order], sorted_triangles(new_index[mesh.triangles]), mesh.colors[order], normals)


def order_of(vertices: Array, colors: Array, normals: Array | None) -> tuple[Array, Array]:
    """How vertices (V, 3) are sorted and made one where they lie at one place; see `in_order`.

    Returns:
        The vertices that stay, in their order; and (V,) int32 the place of each among those.
    """
    order = np.lexsort(vertices.T[::-1])
    again = _as_before(vertices[order])
    if again.any():  # those at one place among each other
        shared = np.flatnonzero(again | np.append(again[1:], False))
        alike = order[shared]
        columns = [vertices, colors] + ([] if normals is None else [normals])
        order[shared] = alike[np.lexsort(np.concatenate([column[alike].T[::-1] for column in columns[::-1]]))]
    place = np.empty(len(order), np.int32)
    place[order] = np.cumsum(~again, dtype=np.int32) - 1
    return order[~again], place


def _as_before(places: Array) -> Array:
    """(V,) bool: where a row is the same as the one before."""
    again = np.zeros(len(places), bool)
    again[1:] = (places[1:] == places[:-1]).all(axis=1)
    return again


def sorted_triangles(triangles: Array) -> Array:
    """Triangles (T, 3) turned so that the smallest index comes first, which keeps their sense, and sorted."""
    first = triangles.argmin(axis=1).astype(np.int8)[:, None]
    turned = np.take_along_axis(triangles, (first + np.arange(3, dtype=np.int8)) % 3, axis=1)
    ordered: Array = turned[np.lexsort(turned.T[::-1])]
    return ordered
