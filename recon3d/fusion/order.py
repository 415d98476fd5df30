"""One order of vertices and triangles for equal surfaces, whatever the threads did that made them."""

import numpy as np

from recon3d.geometry import Mesh


def in_order(mesh: Mesh) -> Mesh:
    """The same surface with vertices sorted by position and triangles by vertex, so that equal work gives equal bytes.

    Vertices at one place become one, with the colour and normal that sort first: so the tiles of a scene hang together.
    """
    columns = [mesh.vertices, mesh.colors] + ([] if mesh.normals is None else [mesh.normals])
    order = np.lexsort(np.concatenate([column.T[::-1] for column in columns[::-1]]))
    new_index = np.empty(len(order), np.int32)
    places = mesh.vertices[order]
    is_new = np.concatenate([np.ones(min(1, len(order)), bool), (places[1:] != places[:-1]).any(axis=1)])
    new_index[order] = np.cumsum(is_new, dtype=np.int32) - 1
    order = order[is_new]
    triangles = new_index[mesh.triangles]
    # turned so that the smallest index comes first: the sense stays
    first = triangles.argmin(axis=1)[:, None]
    triangles = np.take_along_axis(triangles, (first + np.arange(3)) % 3, axis=1)
    triangles = triangles[np.lexsort(triangles.T[::-1])]
    normals = None if mesh.normals is None else mesh.normals[order]
    return Mesh(mesh.vertices[order], triangles, mesh.colors[order], normals)
