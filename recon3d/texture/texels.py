"""Texels of an atlas: which triangle each shows, and where in the world it lies."""

import math

import numba
import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.texture.adjacency import face_normals

CHUNK = 1_000_000
"""Texels that are placed at a time."""


def texel_faces(uv: Array, size: int) -> Array:
    """(S, S) int32: the triangle in which each texel's centre lies, -1 = none.

    A triangle that holds no centre, alone in its chart, gets the texel in its middle where that is free.

    Args:
        uv: (T, 3, 2) in [0, 1].
        size: width and height of the texture [px].
    """
    faces = np.full((size, size), -1, np.int32)
    _raster(np.asarray(uv, np.float64) * size, faces)
    return faces


def texel_points(mesh: Mesh, uv: Array, faces: Array, texels: Array) -> tuple[Array, Array, Array]:
    """Where texels lie.

    Args:
        mesh: the surface.
        uv: (T, 3, 2) its atlas.
        faces: (S, S) as `texel_faces` gives them.
        texels: (N,) flat indices of texels that show a triangle.

    Returns:
        (N, 3) float32 points [m] and normals, smooth across triangles; (N, 3) float32 weights of triangle corners.
    """
    size = len(faces)
    normals = vertex_normals(mesh)
    points = np.empty((len(texels), 3), np.float32)
    directions = np.empty((len(texels), 3), np.float32)
    weights = np.empty((len(texels), 3), np.float32)
    for start in range(0, len(texels), CHUNK):
        part = slice(start, start + CHUNK)
        face = faces.reshape(-1)[texels[part]]
        corner = uv[face].astype(np.float64) * size
        centre = np.stack([texels[part] % size, texels[part] // size], axis=-1) + 0.5
        weight = _corner_weights(corner, centre)
        points[part] = np.einsum("nk,nkc->nc", weight, mesh.vertices[mesh.triangles[face]])
        normal = np.einsum("nk,nkc->nc", weight, normals[mesh.triangles[face]])
        directions[part] = normal / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)[:, None]
        weights[part] = weight
    return points, directions, weights


def vertex_normals(mesh: Mesh) -> Array:
    """(V, 3) float64 unit normals: the mean of the triangles around each vertex by their areas."""
    normals, areas = face_normals(mesh.vertices, mesh.triangles)
    total = np.zeros((len(mesh.vertices), 3))
    for axis in range(3):
        for corner in range(3):
            total[:, axis] += np.bincount(mesh.triangles[:, corner], normals[:, axis] * areas, len(total))
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1), 1e-300)[:, None])


def _corner_weights(corner: Array, centre: Array) -> Array:
    """(N, 3) barycentric weights of places (N, 2) in triangles (N, 3, 2), held inside the triangle."""
    a, b, c = corner[:, 0], corner[:, 1], corner[:, 2]
    twice = _cross(b - a, c - a)
    safe = np.where(np.abs(twice) > 1e-12, twice, 1.0)
    second, third = _cross(centre - a, c - a) / safe, _cross(b - a, centre - a) / safe
    weight = np.clip(np.stack([1 - second - third, second, third], axis=1), 0, 1)
    weight[np.abs(twice) <= 1e-12] = 1 / 3
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _cross(a: Array, b: Array) -> Array:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _raster_faces(corners, faces):  # type: ignore[no-untyped-def]
    """The loop of `texel_faces`, corners in texels; compiled below."""
    size = len(faces)
    for face in range(len(corners)):
        ax, ay = corners[face, 0]
        bx, by = corners[face, 1]
        cx, cy = corners[face, 2]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        any_texel = False
        if area != 0:
            first, last = math.ceil(min(ax, bx, cx) - 0.5), math.floor(max(ax, bx, cx) - 0.5)
            for row in range(
                max(math.ceil(min(ay, by, cy) - 0.5), 0), min(math.floor(max(ay, by, cy) - 0.5), size - 1) + 1
            ):
                for column in range(max(first, 0), min(last, size - 1) + 1):
                    x, y = column + 0.5, row + 0.5
                    u = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
                    v = ((cx - bx) * (y - by) - (cy - by) * (x - bx)) / area
                    w = ((ax - cx) * (y - cy) - (ay - cy) * (x - cx)) / area
                    if min(u, v, w) >= -1e-9:
                        any_texel = True
                        if faces[row, column] < 0:
                            faces[row, column] = face
        if not any_texel:
            row, column = min(int((ay + by + cy) / 3), size - 1), min(int((ax + bx + cx) / 3), size - 1)
            if faces[row, column] < 0:
                faces[row, column] = face


_raster = numba.njit(nogil=True)(_raster_faces)
