"""Fewer triangles: to a count, or as few as an error allows; boundary and colours kept."""

import fast_simplification
import numpy as np
import open3d as o3d
from scipy.spatial import cKDTree

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.manifold import manifold, sound
from recon3d.mesh.parts import usual_edge

EDGE = 0.01
"""Length that usual edges are scaled to meanwhile: the library's thresholds are absolute."""
PATIENCE = (3, 5, 7)
"""Its thresholds from careful to coarse; the next where one doesn't reach the count."""
TRIALS = 7
"""Counts that are tried for an error bound; each halves what the count is off by, as a factor."""
FEWEST = 256
"""The first of them is this part of the triangles, unless a count is set."""


def decimated(mesh: Mesh, triangles: int | None, max_error: float | None) -> tuple[Mesh, float]:
    """Merges vertices where the surface is flat (Garland and Heckbert, SIGGRAPH 1997; fast-simplification).

    The vertices on the boundary stay where they are. Each vertex gets the mean colour of those that it stands for.

    Args:
        mesh: manifold.
        triangles: count wanted; more stay where only the boundary is left, or where the error would be too large.
        max_error: largest distance between both surfaces at the vertices of either [m].

    Returns:
        The mesh and that distance [m]; without a count and an error the mesh as it is.
    """
    if not len(mesh.triangles) or (triangles is None and max_error is None):
        return mesh, 0.0
    if max_error is None:
        fewer = _simplified(mesh, triangles or 0)
        return _coloured(fewer, mesh), apart(fewer, mesh)
    high, low = len(mesh.triangles), triangles or max(len(mesh.triangles) // FEWEST, 1)
    best, error = mesh, 0.0
    for trial in range(TRIALS):
        count = low if trial == 0 else int(np.sqrt(low * high))
        fewer = _simplified(mesh, count)
        off = apart(fewer, mesh)
        if off > max_error:
            low = count
        else:
            best, error, high = fewer, off, count
        if trial == 0 and off <= max_error:
            break
    return _coloured(best, mesh), error


def apart(one: Mesh, other: Mesh) -> float:
    """Largest distance of a vertex of either mesh from the other's surface [m]."""
    return max(_farthest(one.vertices, other), _farthest(other.vertices, one))


def _farthest(points: Array, mesh: Mesh) -> float:
    """Largest distance of points (N, 3) from a mesh [m]."""
    middle = mesh.vertices.mean(axis=0)  # float32 is finest near zero
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor.from_numpy((mesh.vertices - middle).astype(np.float32)),
        o3d.core.Tensor.from_numpy(mesh.triangles.astype(np.uint32)),
    )
    found = scene.compute_distance(o3d.core.Tensor.from_numpy((points - middle).astype(np.float32)))
    return float(found.numpy().max())


def _simplified(mesh: Mesh, count: int) -> Mesh:
    """At most so many triangles, if that can be; manifold, without colours."""
    if count >= len(mesh.triangles):
        return mesh
    middle, scale = mesh.vertices.mean(axis=0), EDGE / max(usual_edge(mesh.vertices, mesh.triangles), 1e-12)
    vertices, faces = (mesh.vertices - middle) * scale, np.array(mesh.triangles)
    for patience in PATIENCE:
        points, found = fast_simplification.simplify(
            vertices, faces, target_count=max(count, 1), agg=patience, preserve_border=True
        )
        if len(found) <= count:
            break
    colors = np.zeros((len(points), 3), np.uint8)
    fewer = manifold(sound(Mesh(points / scale + middle, found, colors)))
    return fewer if len(fewer.triangles) else mesh


def _coloured(fewer: Mesh, mesh: Mesh) -> Mesh:
    """Gives each vertex the mean colour of the old vertices nearest to it."""
    if fewer is mesh:
        return mesh
    nearest = cKDTree(fewer.vertices).query(mesh.vertices)[1]
    count = np.bincount(nearest, minlength=len(fewer.vertices))
    total = [np.bincount(nearest, mesh.colors[:, band], len(count)) for band in range(3)]
    colors = np.rint(np.stack(total, axis=1) / np.maximum(count, 1)[:, None]).astype(np.uint8)
    alone = np.flatnonzero(count == 0)  # a cut-apart twin at the same place, or one between two old ones
    colors[alone] = mesh.colors[cKDTree(mesh.vertices).query(fewer.vertices[alone])[1]]
    return Mesh(fewer.vertices, fewer.triangles, colors)
