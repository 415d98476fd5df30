"""Manifold meshes: at most two triangles at an edge, one sheet at a vertex, neighbours that face the same way."""

from collections.abc import Iterator

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.edges import Edges, groups, lowest
from recon3d.mesh.parts import Part, areas, edges_of, parts_of

ROUNDS = 10
"""Each round drops triangles where more than two meet; one is nearly always enough."""


def sound(mesh: Mesh) -> Mesh:
    """Drops triangles without an area, triangles there twice, and vertices that no triangle uses."""
    keep = areas(mesh.vertices, mesh.triangles) > 0
    used = np.zeros(len(mesh.vertices), bool)
    for part in parts_of(mesh.triangles, len(mesh.vertices)):
        corners = np.sort(part.triangles, axis=1)
        mine = np.flatnonzero(part.holds(corners[:, 0]) & keep[part.rows])
        low, middle, high = corners[mine].astype(np.int64).T
        keys = low * len(mesh.vertices) + middle
        order = np.lexsort([high, keys])  # stable: of equal ones the first stays
        again = (np.diff(keys[order]) == 0) & (np.diff(high[order]) == 0)
        keep[part.rows[mine[order[1:][again]]]] = False
        used[part.triangles[keep[part.rows]]] = True
    return mesh if keep.all() and used.all() else mesh.part(keep)


def non_manifold_vertices(mesh: Mesh) -> int:
    """Vertices at which several sheets touch that share no edge there."""
    found = 0
    for part in parts_of(mesh.triangles, len(mesh.vertices)):
        _, vertex = _fans(part)
        found += int(np.count_nonzero(np.bincount(vertex[part.holds(vertex)] - part.low) > 1))
    return found


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
        keep = np.ones(len(mesh.triangles), bool)
        keep[crowded] = False
        mesh = mesh.part(keep)
    return mesh


def _fans(part: Part) -> tuple[Array, Array]:
    """Fans of triangles that hang together by edges round a vertex of the part; those round others may be torn.

    Returns:
        The fan of each corner (3 N,), and the vertex of each fan.
    """
    corners = part.triangles.reshape(-1)
    start = Edges.of(part.triangles).pairs()
    end = start - start % 3 + (start + 1) % 3
    facing = corners[start[:, 0]] == corners[end[:, 1]]  # the two sides run opposite ways, as they should
    start[~facing, 1], end[~facing, 1] = end[~facing, 1], start[~facing, 1]
    links = np.concatenate([np.stack([start[:, 0], end[:, 1]], axis=1), np.stack([end[:, 0], start[:, 1]], axis=1)])
    number, fan = groups(links, len(corners))
    vertex = np.empty(number, np.int64)
    vertex[fan] = corners
    return fan, vertex


def _cut(mesh: Mesh) -> Mesh:
    """The same triangles with a vertex for each fan."""
    corners, origins, count = [], [], len(mesh.vertices)
    for part in parts_of(mesh.triangles, len(mesh.vertices)):
        fan, vertex = _fans(part)
        order = np.argsort(vertex, kind="stable")
        copies = order[np.diff(vertex[order], prepend=-1) == 0]
        copies = copies[part.holds(vertex[copies])]
        index = np.full(len(vertex), -1, np.int64)
        index[copies] = count + np.arange(len(copies))
        moved = np.flatnonzero(index[fan] >= 0)
        corners.append(np.stack([part.sides(moved), index[fan[moved]]]))
        origins.append(vertex[copies])
        count += len(copies)
    if count == len(mesh.vertices):
        return mesh
    triangles = np.array(mesh.triangles).reshape(-1)
    corner, anew = np.concatenate(corners, axis=1)
    triangles[corner] = anew
    origin = np.concatenate(origins)
    vertices, colors = (np.concatenate([values, values[origin]]) for values in (mesh.vertices, mesh.colors))
    normals = None if mesh.normals is None else np.concatenate([mesh.normals, mesh.normals[origin]])
    return Mesh(vertices, triangles.reshape(-1, 3), colors, normals)


def _beyond_two(mesh: Mesh) -> Array:
    """(N,) the triangles that an edge is crowded by, but for its two largest."""
    found = [np.empty(0, np.int64)]
    for edges in edges_of(mesh.triangles, len(mesh.vertices)):
        crowded = np.flatnonzero(edges.count > 2)
        edge = np.repeat(crowded, edges.count[crowded])
        place = np.arange(len(edge)) - np.searchsorted(edge, edge)
        triangle = edges.sides[edges.first[edge] + place] // 3
        order = np.lexsort([triangle, -areas(mesh.vertices, mesh.triangles[triangle]), edge])
        found.append(triangle[order[place >= 2]])
    return np.unique(np.concatenate(found))


def facing_one_way(mesh: Mesh) -> tuple[Mesh, int]:
    """Turns triangles over that face otherwise than those around them; in each piece the larger part stays.

    Pieces that have but one side, as a Möbius strip, stay as they are.

    Returns:
        The mesh, and how many triangles were turned.
    """
    opposed = np.concatenate([np.empty((0, 2), np.int64), *(pairs[over] for pairs, over in _neighbours(mesh))])
    if not len(opposed):
        return mesh, 0
    # Those that agree hang together; each such set stands twice, as it is and turned over, and what fits together of
    # those hangs together.
    lower = lowest((pairs[~over] for pairs, over in _neighbours(mesh)), len(mesh.triangles))
    is_first = lower == np.arange(len(lower), dtype=np.int32)
    member, count = (np.cumsum(is_first, dtype=np.int32) - 1)[lower], int(np.count_nonzero(is_first))
    one, other = member[opposed].T
    links = np.concatenate([np.stack([one, other + count], axis=1), np.stack([one + count, other], axis=1)])
    number, label = groups(links, 2 * count)
    as_it_is, over = label[:count], label[count:]
    share = np.bincount(as_it_is[member], areas(mesh.vertices, mesh.triangles), minlength=number)
    flip = (share[as_it_is] < share[over]) | ((share[as_it_is] == share[over]) & (as_it_is > over))
    turned = flip[member]
    triangles = np.array(mesh.triangles)
    triangles[turned] = triangles[turned, ::-1]
    return Mesh(mesh.vertices, triangles, mesh.colors, mesh.normals), int(np.count_nonzero(turned))


def _neighbours(mesh: Mesh) -> Iterator[tuple[Array, Array]]:
    """Pairs of triangles (N, 2) that share an edge, and whether both run the same way along it, some after others."""
    corners = mesh.triangles.reshape(-1)
    for edges in edges_of(mesh.triangles, len(mesh.vertices)):
        pairs = edges.pairs()
        yield pairs // 3, corners[pairs[:, 0]] == corners[pairs[:, 1]]
