"""Clean meshes: without crumbs, degenerate or doubled triangles and loose vertices."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array


def clean(mesh: Mesh, min_component: float) -> Mesh:
    """Drops what no surface is made of.

    Degenerate triangles (a vertex twice, or no area), triangles there twice, connected pieces of fewer triangles
    than `min_component` of the largest piece, and vertices that no triangle uses.

    Args:
        mesh: any mesh.
        min_component: share of the largest piece's triangle count; 0 keeps all pieces.
    """
    triangles = mesh.triangles
    a, b, c = (mesh.vertices[triangles[:, corner]] for corner in range(3))
    twice_area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    triangles = triangles[twice_area > 0]
    _, first = np.unique(np.sort(triangles, axis=1), axis=0, return_index=True)
    triangles = triangles[np.sort(first)]
    if len(triangles) and min_component > 0:
        piece = _pieces(triangles, len(mesh.vertices))
        sizes = np.bincount(piece)
        triangles = triangles[sizes[piece] >= min_component * sizes.max()]
    return mesh.part(triangles)


def _pieces(triangles: Array, vertex_count: int) -> Array:
    """(T,) number of the connected piece that each triangle belongs to; pieces hang together by vertices."""
    rows = np.concatenate([triangles[:, 0], triangles[:, 1]])
    columns = np.concatenate([triangles[:, 1], triangles[:, 2]])
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(vertex_count, vertex_count))
    labels: Array = connected_components(graph, directed=False)[1]
    return labels[triangles[:, 0]]
