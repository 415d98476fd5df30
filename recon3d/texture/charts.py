"""Charts: the pieces of a surface that are nearly flat, each drawn straight onto a plane of its own."""

import math
from dataclasses import dataclass

import numba
import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.texture.adjacency import face_normals, neighbours, smooth_normals

BEND_DEG = 50.0
"""Smoothed normals of a chart differ from its plane's by less than this; at the limit it is drawn 0.64 as wide."""
SLANT_DEG = 84.0
"""Nor may a single triangle be steeper than this on the chart's plane."""
BROAD = 50.0
"""Triangles larger than this [texels] stand for themselves: their normals are not smoothed."""
TINY = 0.25
"""Triangles smaller than this [texels] go with the chart around them, however they lie: nothing is seen of them."""


@dataclass(frozen=True, eq=False)
class Charts:
    """A surface in pieces.

    Attributes:
        chart: (T,) int32, the chart of each triangle; every number from 0 up is there.
        uv: (T, 3, 2) float64 [m]: each corner on its chart's plane, u to the right and v down as seen from outside.
    """

    chart: Array
    uv: Array


def chart(mesh: Mesh, density: float, extent: int) -> Charts:
    """Cuts a mesh into charts, growing them from the flattest places.

    Within a chart no texel's centre lies in two triangles: what would fold over goes into a chart of its own.

    Args:
        mesh: at least one triangle.
        density: texels per metre that overlaps are looked for at.
        extent: largest width and height of a chart [texels].
    """
    normals, areas = face_normals(mesh.vertices, mesh.triangles)
    smooth = smooth_normals(mesh.triangles, normals, areas, len(mesh.vertices))
    flatness = np.linalg.norm(smooth, axis=1)
    order = np.argsort(-np.round(flatness, 3), kind="stable")  # rounded, so that rounding decides no seed
    unit = smooth / np.maximum(flatness, 1e-12)[:, None]
    unit = np.where((areas * density**2 > BROAD)[:, None], normals, unit)
    label, axes = _grow(
        order,
        neighbours(mesh.triangles),
        normals,
        unit,
        areas,
        mesh.vertices * density,
        mesh.triangles,
        TINY / density**2,
        extent,
        np.cos(np.radians(BEND_DEG)),
        np.cos(np.radians(SLANT_DEG)),
    )
    corners = mesh.vertices[mesh.triangles]
    uv = np.einsum("tij,tkj->tki", axes[label], corners)
    return Charts(label, uv)


def _grow_charts(  # type: ignore[no-untyped-def]
    order, across, normals, smooth, areas, vertices, triangles, tiny, extent, cos_bend, cos_slant
):
    """The loop of `chart`, vertices in texels; compiled below. Returns labels (T,) and axes (C, 2, 3)."""
    count = len(triangles)
    label = np.full(count, -1, np.int32)
    seen = np.full(count, -1, np.int32)
    queue = np.empty(count, np.int32)
    side = extent + 2
    taken = np.full((side, side), -1, np.int32)
    axes = np.zeros((count, 2, 3))
    xs, ys = np.empty(3), np.empty(3)
    charts = 0
    for seed in order:
        if label[seed] >= 0:
            continue
        # The plane: across the mean normal of what grows from here by the seed's own.
        nx, ny, nz = smooth[seed]
        mx, my, mz = vertices[triangles[seed, 0]]
        sx, sy, sz = 0.0, 0.0, 0.0
        queue[0], head, tail = seed, 0, 1
        seen[seed] = 2 * charts
        while head < tail:
            face = queue[head]
            head += 1
            sx += areas[face] * smooth[face, 0]
            sy += areas[face] * smooth[face, 1]
            sz += areas[face] * smooth[face, 2]
            for edge in range(3):
                other = across[face, edge]
                if other < 0 or label[other] >= 0 or seen[other] == 2 * charts:
                    continue
                seen[other] = 2 * charts
                if _along(smooth, other, nx, ny, nz) > cos_bend:
                    queue[tail] = other
                    tail += 1
        length = math.sqrt(sx * sx + sy * sy + sz * sz)
        if length > 0 and _along(smooth, seed, sx, sy, sz) > cos_bend * length:
            nx, ny, nz = sx / length, sy / length, sz / length
        if areas[seed] > tiny and _along(normals, seed, nx, ny, nz) < cos_slant:
            nx, ny, nz = normals[seed]
        # u level where that says something, v down.
        rx, ry, rz = -ny, nx, 0.0
        if nx * nx + ny * ny < 0.04:
            rx, ry, rz = 1 - nx * nx, -nx * ny, -nx * nz
        length = math.sqrt(rx * rx + ry * ry + rz * rz)
        if length == 0:  # a seed without area is nothing to look at
            rx, ry, rz, length = 1.0, 0.0, 0.0, 1.0
        rx, ry, rz = rx / length, ry / length, rz / length
        dx, dy, dz = ry * nz - rz * ny, rz * nx - rx * nz, rx * ny - ry * nx
        axes[charts, 0, 0], axes[charts, 0, 1], axes[charts, 0, 2] = rx, ry, rz
        axes[charts, 1, 0], axes[charts, 1, 1], axes[charts, 1, 2] = dx, dy, dz
        u0 = mx * rx + my * ry + mz * rz
        v0 = mx * dx + my * dy + mz * dz
        left, right, top, bottom = 0.0, 0.0, 0.0, 0.0
        queue[0], head, tail = seed, 0, 1
        seen[seed] = 2 * charts + 1
        while head < tail:
            face = queue[head]
            head += 1
            for corner in range(3):
                xs[corner] = _along(vertices, triangles[face, corner], rx, ry, rz) - u0
                ys[corner] = _along(vertices, triangles[face, corner], dx, dy, dz) - v0
            west, east = min(left, xs[0], xs[1], xs[2]), max(right, xs[0], xs[1], xs[2])
            north, south = min(top, ys[0], ys[1], ys[2]), max(bottom, ys[0], ys[1], ys[2])
            fits = east - west <= extent and south - north <= extent
            seen_area = areas[face] > tiny
            if face != seed and (
                not fits
                or (seen_area and _along(normals, face, nx, ny, nz) < cos_slant)
                or _taken_texels(xs, ys, taken, charts, False) > 0
            ):
                continue
            if fits and seen_area:
                _taken_texels(xs, ys, taken, charts, True)
            left, right, top, bottom = west, east, north, south
            label[face] = charts
            for edge in range(3):
                other = across[face, edge]
                if other < 0 or label[other] >= 0 or seen[other] == 2 * charts + 1:
                    continue
                seen[other] = 2 * charts + 1
                if _along(smooth, other, nx, ny, nz) > cos_bend:
                    queue[tail] = other
                    tail += 1
        charts += 1
    return label, axes[:charts].copy()


def _row_along(rows, row, x, y, z):  # type: ignore[no-untyped-def]
    """Scalar product of a row with (x, y, z)."""
    return rows[row, 0] * x + rows[row, 1] * y + rows[row, 2] * z


def _count_taken(xs, ys, taken, stamp, mark):  # type: ignore[no-untyped-def]
    """Texels whose centres lie inside a triangle and are another's already; or marks them all as its own.

    Rows and columns go round: no chart is wider than what is kept.
    """
    side = len(taken)
    area = (xs[1] - xs[0]) * (ys[2] - ys[0]) - (xs[2] - xs[0]) * (ys[1] - ys[0])
    if area == 0:
        return 0
    count = 0
    columns = math.ceil(min(xs[0], xs[1], xs[2]) - 0.5), math.floor(max(xs[0], xs[1], xs[2]) - 0.5) + 1
    for row in range(math.ceil(min(ys[0], ys[1], ys[2]) - 0.5), math.floor(max(ys[0], ys[1], ys[2]) - 0.5) + 1):
        for column in range(columns[0], columns[1]):
            inside = True
            for corner in range(3):
                after = (corner + 1) % 3
                across = (xs[after] - xs[corner]) * (row + 0.5 - ys[corner])
                across -= (ys[after] - ys[corner]) * (column + 0.5 - xs[corner])
                inside &= across / area > 1e-9  # a centre on the edge is nobody's here
            if inside:
                if mark:
                    taken[row % side, column % side] = stamp
                elif taken[row % side, column % side] == stamp:
                    count += 1
    return count


_along = numba.njit(nogil=True)(_row_along)
_taken_texels = numba.njit(nogil=True)(_count_taken)
_grow = numba.njit(nogil=True)(_grow_charts)
