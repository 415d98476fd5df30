"""Spikes: vertices that stand far out of the ring of their neighbours."""

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges

ROUNDS = 20
"""A spike of several vertices comes down one after another, the tip first."""


def spikes(mesh: Mesh, max_spike: float) -> int:
    """How many vertices stand out of their ring so far; none where `max_spike` is 0."""
    if not max_spike or not len(mesh.triangles):
        return 0
    edges = Edges.of(mesh.triangles)
    _, height, radius = _rings(mesh.vertices, edges.ends)
    return int(np.count_nonzero(~edges.on_boundary(len(mesh.vertices)) & (height > max_spike * radius)))


def without_spikes(mesh: Mesh, max_spike: float) -> Mesh:
    """Lays vertices that stand out by more than `max_spike` times the radius of their ring into its middle.

    Vertices on the boundary stay.

    Args:
        mesh: any mesh.
        max_spike: a tip of 30 degrees from axis to side stands out 1.7 times; 0 lets all be.
    """
    if not spikes(mesh, max_spike):
        return mesh
    edges = Edges.of(mesh.triangles)
    free = ~edges.on_boundary(len(mesh.vertices))
    vertices = mesh.vertices.copy()
    for _ in range(ROUNDS):
        middle, height, radius = _rings(vertices, edges.ends)
        tips = free & (height > max_spike * radius)
        if not tips.any():
            break
        vertices[tips] = middle[tips]
    return Mesh(vertices, mesh.triangles, mesh.colors, mesh.normals)


def _rings(vertices: Array, ends: Array) -> tuple[Array, Array, Array]:
    """Middle (V, 3) of each vertex' neighbours, its distance from there (V,), and their mean distance from there."""
    here, there = np.concatenate([ends, ends[:, ::-1]]).T
    count = np.maximum(np.bincount(here, minlength=len(vertices)), 1)
    total: Array = np.stack([np.bincount(here, vertices[there, axis], len(vertices)) for axis in range(3)], axis=1)
    middle = total / count[:, None]
    apart = np.linalg.norm(vertices[there] - middle[here], axis=1)
    return middle, np.linalg.norm(vertices - middle, axis=1), np.bincount(here, apart, len(vertices)) / count
