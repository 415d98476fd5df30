"""Initial points of Gaussian splats: the dense cloud, thinned."""

import numpy as np

from recon3d.geometry.surface import PointCloud

COUNT = 200_000
"""More slow training down and change little: splats are split where they are needed."""


def initial_points(cloud: PointCloud, count: int = COUNT) -> PointCloud:
    """At most `count` points of a cloud, drawn evenly with seed 0, in their order."""
    if len(cloud.points) <= count:
        return cloud
    kept = np.sort(np.random.default_rng(0).choice(len(cloud.points), count, replace=False))
    normals = None if cloud.normals is None else cloud.normals[kept]
    return PointCloud(cloud.points[kept], cloud.colors[kept], normals)
