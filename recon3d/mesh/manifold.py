"""Manifold meshes: at most two triangles at an edge, one sheet at a vertex, neighbours that face the same way."""

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges, areas, groups

ROUNDS = 10
"""Each round drops triangles where more than two meet; one is nearly always enough."""


def sound(mesh: Mesh) -> Mesh:
    """Drops triangles without an area, triangles there twice, and vertices that no triangle uses."""
    triangles = mesh.triangles[areas(mesh.vertices, mesh.triangles) > 0]
    low, middle, high = np.sort(triangles, axis=1).astype(np.int64).T
    keys = low * len(mesh.vertices) + middle
    order = np.lexsort([high, keys])  # stable: of equal ones the first stays
    again = (np.diff(keys[order]) == 0) & (np.diff(high[order]) == 0)
    keep = np.ones(len(triangles), bool)
    keep[order[1:][again]] = False
    return mesh.part(triangles[keep])


def non_manifold_vertices(mesh: Mesh) -> int:
    """Vertices at which several sheets touch that share no edge there."""
    fans, _, vertex = _fans(mesh)
    return int(np.count_nonzero(np.bincount(vertex, minlength=1) > 1)) if fans else 0


def manifold(mesh: Mesh) -> Mesh:
    """Cuts sheets apart that touch in a vertex or an edge alone: each gets vertices of its own, at the same place.

    Where more than two triangles still meet at an edge, the two largest stay. After Guéziec et al., Converting sets of
    polygons to manifold surfaces by cutting and stitching, IEEE Visualization 1998, section 4.
    """
    for _ in range(ROUNDS):
        mesh = _cut(mesh)
        crowded = _beyond_two(mesh)
        if not len(crowded):
            break
        mesh = mesh.part(np.delete(mesh.triangles, crowded, axis=0))
    return mesh


def _fans(mesh: Mesh) -> tuple[int, Array, Array]:
    """Fans of triangles that hang together by edges round a vertex.

    Returns:
        Their number, the fan of each corner (3 T,), and the vertex of each fan.
    """
    corners = mesh.triangles.reshape(-1)
    start = Edges.of(mesh.triangles).pairs()
    end = start - start % 3 + (start + 1) % 3
    facing = corners[start[:, 0]] == corners[end[:, 1]]  # the two sides run opposite ways, as they should
    start[~facing, 1], end[~facing, 1] = end[~facing, 1], start[~facing, 1]
    links = np.concatenate([np.stack([start[:, 0], end[:, 1]], axis=1), np.stack([end[:, 0], start[:, 1]], axis=1)])
    number, fan = groups(links, len(corners))
    vertex = np.empty(number, np.int64)
    vertex[fan] = corners
    return number, fan, vertex


def _cut(mesh: Mesh) -> Mesh:
    """The same triangles with a vertex for each fan."""
    _, fan, vertex = _fans(mesh)
    order = np.argsort(vertex, kind="stable")
    further = np.diff(vertex[order], prepend=-1) == 0
    if not further.any():
        return mesh
    index = vertex.copy()
    copies = order[further]
    index[copies] = len(mesh.vertices) + np.arange(len(copies))
    origin = np.concatenate([np.arange(len(mesh.vertices)), vertex[copies]])
    normals = None if mesh.normals is None else mesh.normals[origin]
    return Mesh(mesh.vertices[origin], index[fan].reshape(-1, 3), mesh.colors[origin], normals)


def _beyond_two(mesh: Mesh) -> Array:
    """(N,) the triangles that an edge is crowded by, but for its two largest."""
    edges = Edges.of(mesh.triangles)
    crowded = np.repeat(edges.count > 2, edges.count)
    triangle = edges.sides[crowded] // 3
    edge = np.repeat(np.arange(len(edges.count)), edges.count)[crowded]
    order = np.lexsort([triangle, -areas(mesh.vertices, mesh.triangles[triangle]), edge])
    place = np.arange(len(order)) - np.searchsorted(edge[order], edge[order])
    return np.unique(triangle[order[place >= 2]])


def facing_one_way(mesh: Mesh) -> tuple[Mesh, int]:
    """Turns triangles over that face otherwise than those around them; in each piece the larger part stays.

    Pieces that have but one side, as a Möbius strip, stay as they are.

    Returns:
        The mesh, and how many triangles were turned.
    """
    corners, count = mesh.triangles.reshape(-1), len(mesh.triangles)
    pairs = Edges.of(mesh.triangles).pairs()
    opposed = corners[pairs[:, 0]] == corners[pairs[:, 1]]
    if not opposed.any():
        return mesh, 0
    # Every triangle twice, as it is and turned over; those that fit together hang together.
    one, other = (pairs // 3).T
    turned = other + count * opposed
    back = other + count * ~opposed
    links = np.concatenate([np.stack([one, turned], axis=1), np.stack([one + count, back], axis=1)])
    number, label = groups(links, 2 * count)
    as_it_is, over = label[:count], label[count:]
    share = np.bincount(as_it_is, areas(mesh.vertices, mesh.triangles), minlength=number)
    flip = (share[as_it_is] < share[over]) | ((share[as_it_is] == share[over]) & (as_it_is > over))
    triangles = np.where(flip[:, None], mesh.triangles[:, ::-1], mesh.triangles)
    return Mesh(mesh.vertices, triangles, mesh.colors, mesh.normals), int(np.count_nonzero(flip))
