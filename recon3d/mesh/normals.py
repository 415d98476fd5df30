"""Normals of a mesh from its triangles."""

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.parts import Part, parts_of


def normals_of(mesh: Mesh) -> Array:
    """(V, 3) float32 unit normals of the vertices: those of the triangles, by the angle that each takes there.

    Thürmer and Wüthrich, Computing vertex normals from polygonal facets, Journal of Graphics Tools 1998. A vertex of
    nothing but folded triangles gets z.
    """
    normals = np.empty((len(mesh.vertices), 3), np.float32)
    for part in parts_of(mesh.triangles, len(mesh.vertices)):
        normals[part.low : part.high] = _of_part(mesh.vertices, part)
    return normals


def _of_part(vertices: Array, part: Part) -> Array:
    """(n, 3) of the vertices of a part."""
    total = np.zeros((part.high - part.low, 3))
    corners = vertices[part.triangles]
    faces = _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    for corner in range(3):
        ahead = _unit(corners[:, (corner + 1) % 3] - corners[:, corner])
        behind = _unit(corners[:, (corner + 2) % 3] - corners[:, corner])
        angle = np.arccos(np.clip(np.einsum("tc,tc->t", ahead, behind), -1, 1))
        own = part.holds(part.triangles[:, corner])
        at = part.triangles[own, corner] - part.low
        for axis in range(3):
            total[:, axis] += np.bincount(at, angle[own] * faces[own, axis], len(total))
    total[np.linalg.norm(total, axis=1) < 1e-9] = (0, 0, 1)
    return _unit(total)


def _unit(vectors: Array) -> Array:
    """(N, 3) of length 1, or 0 where there was none."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(length, 1e-300)
    return unit
