"""Exact meshes for tests: sheets and balls, whole or with faults."""

import numpy as np
import trimesh

from recon3d.geometry import Mesh


def mesh_of(vertices, triangles, colors=None):
    vertices = np.asarray(vertices, float)
    if colors is None:
        colors = (np.arange(3 * len(vertices)) % 251).reshape(-1, 3)
    return Mesh(vertices, np.asarray(triangles), np.asarray(colors, np.uint8))


def sheet(cells, height=0.0):
    """A sheet of cells x cells squares of side 1, two triangles each, facing z; `height` is that of its waves."""
    x, y = np.meshgrid(np.arange(cells + 1.0), np.arange(cells + 1.0))
    vertices = np.stack([x, y, height * np.sin(x / 4) * np.cos(y / 5)], axis=-1).reshape(-1, 3)
    index = np.arange(x.size).reshape(x.shape)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    return mesh_of(vertices, np.concatenate([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)]))


def ball(subdivisions=4, radius=1.0):
    """A closed ball, facing outwards; its colour follows the place."""
    made = trimesh.creation.icosphere(subdivisions, radius)
    return mesh_of(made.vertices, made.faces, np.rint(127.5 + 127 * made.vertices / radius))


def together(*meshes):
    """Several meshes as one, their vertices apart."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return mesh_of(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=True)]),
        np.concatenate([mesh.colors for mesh in meshes]),
    )


def moved(mesh, by):
    return mesh_of(mesh.vertices + by, mesh.triangles, mesh.colors)


def with_opening(mesh, towards, angle):
    """A ball without the triangles that lie within an angle of a direction, seen from its middle."""
    middle = mesh.vertices[mesh.triangles].mean(axis=1)
    cosine = middle @ towards / np.linalg.norm(middle, axis=1) / np.linalg.norm(towards)
    return mesh.part(cosine < np.cos(angle))


def as_trimesh(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
