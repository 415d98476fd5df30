"""Normals of a mesh from its triangles."""

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array


def normals_of(mesh: Mesh) -> Array:
    """(V, 3) float32 unit normals of the vertices: those of the triangles, by the angle that each takes there.

    Thürmer and Wüthrich, Computing vertex normals from polygonal facets, Journal of Graphics Tools 1998. A vertex of
    nothing but folded triangles gets z.
    """
    total = np.zeros((len(mesh.vertices), 3))
    corners = mesh.vertices[mesh.triangles]
    faces = _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    for corner in range(3):
        ahead = _unit(corners[:, (corner + 1) % 3] - corners[:, corner])
        behind = _unit(corners[:, (corner + 2) % 3] - corners[:, corner])
        angle = np.arccos(np.clip(np.einsum("tc,tc->t", ahead, behind), -1, 1))
        for axis in range(3):
            total[:, axis] += np.bincount(mesh.triangles[:, corner], angle * faces[:, axis], len(total))
    total[np.linalg.norm(total, axis=1) < 1e-9] = (0, 0, 1)
    return _unit(total).astype(np.float32)


def _unit(vectors: Array) -> Array:
    """(N, 3) of length 1, or 0 where there was none."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(length, 1e-300)
    return unit
