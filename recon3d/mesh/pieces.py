"""Pieces of a mesh: what hangs together, and what is a crumb beside it."""

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import areas, groups


def pieces(mesh: Mesh) -> tuple[int, Array]:
    """The number of connected pieces, and (T,) the piece of each triangle; pieces hang together by vertices."""
    triangles = mesh.triangles
    labels = groups(np.concatenate([triangles[:, :2], triangles[:, 1:]]), len(mesh.vertices))[1][triangles[:, 0]]
    used, labels = np.unique(labels, return_inverse=True)
    return len(used), labels


def without_crumbs(mesh: Mesh, min_component: float) -> Mesh:
    """Drops the pieces whose area is less than this share of the largest piece's; 0 keeps all."""
    if not len(mesh.triangles):
        return mesh
    _, piece = pieces(mesh)
    sizes = np.bincount(piece, areas(mesh.vertices, mesh.triangles))
    return mesh.part(mesh.triangles[sizes[piece] >= min_component * sizes.max()])
