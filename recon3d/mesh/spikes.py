"""Spikes: vertices that stand far out of the ring of their neighbours."""

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges
from recon3d.mesh.parts import Part, on_boundary, parts_of

ROUNDS = 20
"""A spike of several vertices comes down one after another, the tip first."""


def spikes(mesh: Mesh, max_spike: float) -> int:
    """How many vertices stand out of their ring so far; none where `max_spike` is 0."""
    if not max_spike or not len(mesh.triangles):
        return 0
    fixed = on_boundary(mesh.triangles, len(mesh.vertices))
    parts = parts_of(mesh.triangles, len(mesh.vertices))
    return sum(len(_tips(mesh.vertices, fixed, part, max_spike)[0]) for part in parts)


def without_spikes(mesh: Mesh, max_spike: float) -> Mesh:
    """Lays vertices that stand out by more than `max_spike` times the radius of their ring into its middle.

    Vertices on the boundary stay.

    Args:
        mesh: any mesh.
        max_spike: a tip of 30 degrees from axis to side stands out 1.7 times; 0 lets all be.
    """
    if not spikes(mesh, max_spike):
        return mesh
    fixed = on_boundary(mesh.triangles, len(mesh.vertices))
    vertices = mesh.vertices.copy()
    moved = np.ones(len(vertices), bool)
    for _ in range(ROUNDS):
        parts = parts_of(mesh.triangles, len(vertices))
        # where nothing moved in the last round nothing stands out in this
        found = [_tips(vertices, fixed, part, max_spike) for part in parts if moved[part.triangles].any()]
        moved[:] = False
        for tips, middle in found:
            vertices[tips], moved[tips] = middle, True
        if not moved.any():
            break
    return Mesh(vertices, mesh.triangles, mesh.colors, mesh.normals)


def _tips(vertices: Array, fixed: Array, part: Part, max_spike: float) -> tuple[Array, Array]:
    """The vertices of a part that stand out, and the middle (N, 3) of the ring of each."""
    lower, upper = Edges.of(part.triangles).ends.T
    as_lower, as_upper = part.holds(lower), part.holds(upper)
    here = np.concatenate([lower[as_lower], upper[as_upper]])
    there = np.concatenate([upper[as_lower], lower[as_upper]])
    middle, height, radius = _rings(vertices, here, there, part)
    tips = np.flatnonzero(~fixed[part.low : part.high] & (height > max_spike * radius))
    return tips + part.low, middle[tips]


def _rings(vertices: Array, here: Array, there: Array, part: Part) -> tuple[Array, Array, Array]:
    """Middle (n, 3) of each vertex' neighbours, its distance from there (n,), and their mean distance from there."""
    own, here = vertices[part.low : part.high], here - part.low
    count = np.maximum(np.bincount(here, minlength=len(own)), 1)
    total: Array = np.stack([np.bincount(here, vertices[there, axis], len(own)) for axis in range(3)], axis=1)
    middle = total / count[:, None]
    apart = np.linalg.norm(vertices[there] - middle[here], axis=1)
    return middle, np.linalg.norm(own - middle, axis=1), np.bincount(here, apart, len(own)) / count
