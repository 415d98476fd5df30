"""Smoothing that neither shrinks a surface nor moves its boundary."""

import numpy as np
from scipy.sparse import csr_array, diags_array

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges

INWARD, OUTWARD = 0.5, -0.53
"""Taubin's λ and μ: a step that smooths and shrinks, one that swells; between them waves longer than some ten edges
pass."""


def smoothed(mesh: Mesh, rounds: int) -> Mesh:
    """Moves each vertex towards the middle of its neighbours and, a little more, back.

    Taubin, A signal processing approach to fair surface design, SIGGRAPH 1995. Vertices on the boundary stay.
    """
    if not rounds or not len(mesh.triangles):
        return mesh
    towards = _towards_middle(mesh)
    vertices = mesh.vertices
    for _ in range(rounds):
        for step in (INWARD, OUTWARD):
            vertices = vertices + step * (towards @ vertices)
    return Mesh(vertices, mesh.triangles, mesh.colors, mesh.normals)


def roughness(mesh: Mesh) -> float:
    """Root mean square distance of the vertices inside the surface from the middle of their neighbours [m]."""
    if not len(mesh.triangles):
        return 0.0
    inside = ~Edges.of(mesh.triangles).on_boundary(len(mesh.vertices))
    off = np.square(_towards_middle(mesh) @ mesh.vertices).sum(axis=1)[inside]
    return float(np.sqrt(off.mean())) if len(off) else 0.0


def _towards_middle(mesh: Mesh) -> csr_array:
    """(V, V): times the vertices, the way from each to the middle of its neighbours; none for those on the boundary."""
    edges, count = Edges.of(mesh.triangles), len(mesh.vertices)
    joined = edges.neighbours(count)
    free: Array = ~edges.on_boundary(count)
    share = free / np.maximum(joined.sum(axis=1), 1)
    return (diags_array(share) @ joined - diags_array(free.astype(float))).tocsr()
