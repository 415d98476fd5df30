"""Double walls of a mesh: one surface that was built twice, a little apart."""

import numpy as np
import open3d as o3d

from recon3d.geometry import Mesh
from recon3d.metrics.surface import sample_with_normals

PARALLEL = 0.87
"""Cosine of the angle between two normals up to which sheets are parallel: 30 degrees."""
SAMPLES = 20_000
"""Points that are looked behind."""


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
    caster = o3d.t.geometry.RaycastingScene()
    vertices, triangles = mesh.vertices.astype(np.float32), mesh.triangles.astype(np.uint32)
    caster.add_triangles(o3d.core.Tensor.from_numpy(vertices), o3d.core.Tensor.from_numpy(triangles))
    rays = np.concatenate([points - near_m * normals, -normals], axis=1).astype(np.float32)
    hits = caster.list_intersections(o3d.core.Tensor.from_numpy(rays))
    ray, hit = hits["ray_ids"].numpy().astype(np.intp), hits["primitive_ids"].numpy().astype(np.intp)
    a, b, c = (mesh.vertices[mesh.triangles[hit, corner]] for corner in range(3))
    faces = np.cross(b - a, c - a)
    lengths = np.maximum(np.linalg.norm(faces, axis=1), 1e-30)
    same = np.einsum("nc,nc->n", faces, normals[ray]) > PARALLEL * lengths
    same &= hits["t_hit"].numpy() <= far_m - near_m
    return len(np.unique(ray[same])) / samples
