"""Distances of points to a surface, exact ones where it has triangles."""

import numpy as np
import open3d as o3d
from scipy.spatial import cKDTree

from recon3d.geometry import Mesh, PointCloud
from recon3d.geometry.arrays import Array


def distances_to(points: Array, surface: Mesh | PointCloud) -> Array:
    """(N,) float64 [m]: how far points (N, 3) are from the nearest place of a mesh, or the nearest point of a cloud."""
    if isinstance(surface, PointCloud):
        distances: Array = cKDTree(surface.points).query(points, workers=-1)[0]
        return distances
    middle = surface.vertices.mean(axis=0)  # single precision counts from there
    caster = o3d.t.geometry.RaycastingScene()
    from_numpy = o3d.core.Tensor.from_numpy
    vertices = (surface.vertices - middle).astype(np.float32)
    caster.add_triangles(from_numpy(vertices), from_numpy(surface.triangles.astype(np.uint32)))
    found = caster.compute_distance(from_numpy((points - middle).astype(np.float32)))
    return np.asarray(found.numpy(), np.float64)
