"""Neighbourhoods of triangles, and normals that the noise of a scan is smoothed out of."""

import numpy as np
from scipy.sparse import csr_matrix

from recon3d.geometry.arrays import Array

SMOOTHINGS = 4
"""Times that normals are averaged with their neighbours': enough to see a wall through the ripples of a TSDF."""


def neighbours(triangles: Array) -> Array:
    """(T, 3) int32: the triangle across each edge (corners 0 1, 1 2, 2 0), -1 = none; of three at an edge two meet."""
    ends = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    key = ends[:, 0].astype(np.int64) << 32 | ends[:, 1]
    order = np.argsort(key, kind="stable")
    equal = key[order][1:] == key[order][:-1]
    equal[1:] &= ~equal[:-1]  # the second of a pair begins no other
    first, second = order[:-1][equal], order[1:][equal]
    across = np.full(len(key), -1, np.int32)
    across[first], across[second] = second // 3, first // 3
    return across.reshape(-1, 3)


def face_normals(vertices: Array, triangles: Array) -> tuple[Array, Array]:
    """(T, 3) float64 unit normals, 0 where there is no area, and (T,) areas [m²]."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    twice = np.linalg.norm(normals, axis=1)
    return normals / np.maximum(twice, 1e-300)[:, None], twice / 2


def smooth_normals(triangles: Array, normals: Array, areas: Array, vertex_count: int) -> Array:
    """(T, 3) normals averaged over some rings of triangles: shorter than 1 by how much the surface bends there."""
    corner = triangles.reshape(-1)
    face = np.repeat(np.arange(len(triangles)), 3)
    vertex_of = csr_matrix((np.repeat(areas, 3), (corner, face)), shape=(vertex_count, len(triangles)))
    total = np.maximum(np.asarray(vertex_of.sum(axis=1)).reshape(-1, 1), 1e-300)
    smooth = normals
    for _ in range(SMOOTHINGS):
        at_vertices = (vertex_of @ smooth) / total
        smooth = at_vertices[triangles].mean(axis=1)
    return np.asarray(smooth)
