"""Double walls of a mesh: one surface that was built twice, a little apart."""

import numpy as np
import open3d as o3d

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.metrics.surface import sample_with_normals

PARALLEL = 0.87
"""Cosine of the angle between two normals up to which sheets are parallel: 30 degrees."""
SAMPLES = 20_000
"""Points that are looked behind."""
TRIANGLES = 500_000
"""Rays are cast at about so many at a time: those near them, as rays that matter are short."""


def double_wall_share(mesh: Mesh, *, near_m: float, far_m: float, samples: int = SAMPLES) -> float:
    """Share of a mesh's surface with a second sheet behind it that faces the same way.

    A point drawn uniformly by area is double if its normal, followed backwards from `near_m` to `far_m`, meets a sheet
    that is parallel and faces the same way: a wall that two groups of photos put at two places. The far side of a
    thin thing faces the other way and doesn't count.

    Args:
        mesh: with triangles that have an area.
        near_m: nearer sheets are one surface [m].
        far_m: farther ones are other things [m].
        samples: points drawn, seed 0.

    Raises:
        InputError: the mesh has no area.
    """
    points, normals = sample_with_normals(mesh, samples)
    order = np.argsort(points[:, 0], kind="stable")
    double = 0
    for some in np.array_split(order, 1 + len(mesh.triangles) // TRIANGLES):
        beside = _between(mesh, points[some, 0].min() - far_m, points[some, 0].max() + far_m)
        double += _doubled(mesh.vertices, beside, points[some], normals[some], near_m, far_m)
    return double / samples


def _between(mesh: Mesh, low: float, high: float) -> Array:
    """(N, 3) the triangles that reach between two planes across x [m]."""
    found = []
    for begin in range(0, len(mesh.triangles), TRIANGLES):
        some = mesh.triangles[begin : begin + TRIANGLES]
        x = mesh.vertices[:, 0][some]
        found.append(some[(x.max(axis=1) >= low) & (x.min(axis=1) <= high)])
    return np.concatenate(found)


def _doubled(vertices: Array, triangles: Array, points: Array, normals: Array, near_m: float, far_m: float) -> int:
    """How many of the points have a second sheet among the triangles."""
    used, local = np.unique(triangles, return_inverse=True)
    vertices, triangles = vertices[used], local.reshape(-1, 3)
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(
        o3d.core.Tensor.from_numpy(vertices.astype(np.float32)),
        o3d.core.Tensor.from_numpy(triangles.astype(np.uint32)),
    )
    rays = np.concatenate([points - near_m * normals, -normals], axis=1).astype(np.float32)
    hits = caster.list_intersections(o3d.core.Tensor.from_numpy(rays))
    ray, hit = hits["ray_ids"].numpy().astype(np.intp), hits["primitive_ids"].numpy().astype(np.intp)
    a, b, c = (vertices[triangles[hit, corner]] for corner in range(3))
    faces = np.cross(b - a, c - a)
    lengths = np.maximum(np.linalg.norm(faces, axis=1), 1e-30)
    same = np.einsum("nc,nc->n", faces, normals[ray]) > PARALLEL * lengths
    same &= hits["t_hit"].numpy() <= far_m - near_m
    return len(np.unique(ray[same]))
