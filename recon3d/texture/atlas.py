"""The atlas: charts laid out in one square picture, side by side with room between them."""

from dataclasses import dataclass

import numba
import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.texture.adjacency import face_normals
from recon3d.texture.charts import Charts, chart

PADDING = 4
"""Texels between charts, so that two mip levels down they still don't touch."""
FILLED = 0.6
"""Share of the picture that charts are expected to fill."""
TRIES = 4
"""Sizes that are tried for the charts; each second one about halves what is still free."""
LARGEST_CHART = 0.95
"""Width and height of the largest chart, of the picture's."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """Where the triangles of a mesh lie in a picture.

    Attributes:
        uv: (T, 3, 2) float32 in [0, 1], as `TexturedMesh` has it.
        size: width and height of the picture [px].
        charts: their number.
        density: texels per metre, where the surface lies flat on its chart's plane.
    """

    uv: Array
    size: int
    charts: int
    density: float


def atlas(mesh: Mesh, size: int) -> Atlas:
    """Lays a mesh out in a picture of `size` x `size` px, as large as it will fit.

    Args:
        mesh: at least one triangle with an area.
        size: [px].
    """
    density = density_for(mesh, size)
    pieces = chart(mesh, density, int(LARGEST_CHART * size))
    order = np.argsort(pieces.chart, kind="stable")  # triangles, chart by chart
    starts = np.searchsorted(pieces.chart[order], np.arange(pieces.chart.max() + 2))
    turned = _turned(pieces, order, starts)
    fits: tuple[float, Array] | None = None
    too_large, scale = np.inf, density
    for _ in range(TRIES):
        places, used = _place(turned[order] * scale, starts, size, PADDING)
        if used <= size:
            fits = (scale, places)
            scale = min(scale * float(np.sqrt(0.98 * size / used)), (scale + too_large) / 2)
        else:
            too_large = scale
            scale = scale * float(np.sqrt(0.98 * size / used)) if fits is None else (scale + fits[0]) / 2
        if fits is not None and scale / fits[0] < 1.01:
            break
    while fits is None:  # charts with more padding than surface
        scale *= 0.5
        places, used = _place(turned[order] * scale, starts, size, PADDING)
        fits = (scale, places) if used <= size else None
    density, places = fits
    low = _lows(turned, pieces.chart, len(places))
    uv = ((turned - low[pieces.chart][:, None]) * density + places[pieces.chart][:, None]) / size
    return Atlas(np.clip(uv, 0, 1).astype(np.float32), size, len(places), density)


def density_for(mesh: Mesh, size: int) -> float:
    """Texels per metre that a picture of this size is expected to have room for."""
    area = float(face_normals(mesh.vertices, mesh.triangles)[1].sum())
    return float(np.sqrt(FILLED * size**2 / area))


def _turned(pieces: Charts, order: Array, starts: Array) -> Array:
    """The charts' places, each chart turned by a right angle where it would stand upright, all from 0 up [m]."""
    low, high = _lows(pieces.uv, pieces.chart, len(starts) - 1), -_lows(-pieces.uv, pieces.chart, len(starts) - 1)
    upright = (high - low)[:, 1] > (high - low)[:, 0]
    quarter = np.stack([-pieces.uv[..., 1], pieces.uv[..., 0]], axis=-1)
    uv = np.where(upright[pieces.chart][:, None, None], quarter, pieces.uv)
    return np.asarray(uv - _lows(uv, pieces.chart, len(starts) - 1)[pieces.chart][:, None])


def _lows(uv: Array, label: Array, count: int) -> Array:
    """(C, 2) the smallest coordinates in each chart."""
    low = np.full((count, 2), np.inf)
    np.minimum.at(low, label, uv.min(axis=1))
    return low


def _place(corners: Array, starts: Array, size: int, padding: int) -> tuple[Array, float]:
    """(C, 2) places of charts [px], and the height that they take; corners (T, 3, 2) from 0 up, chart by chart."""
    largest = np.maximum.reduceat(corners.max(axis=1), starts[:-1], axis=0)
    if largest[:, 0].max() + 2 * padding > size:
        return np.zeros_like(largest), float(size * (largest[:, 0].max() + 2 * padding) / size + size)
    order = np.lexsort((-largest[:, 0], -np.ceil(largest[:, 1])))
    places, used = _drop(corners, starts, order, np.ceil(largest).astype(np.int64) + 1, size, padding)
    return places, float(used)


def _drop_charts(corners, starts, order, sizes, size, padding):  # type: ignore[no-untyped-def]
    """Drops chart after chart onto those that lie there, each where it comes to rest highest up; compiled below."""
    floor = np.zeros(size, np.int64)
    places = np.zeros((len(order), 2))
    top, bottom = np.empty(size, np.int64), np.empty(size, np.int64)
    for piece in order:
        width = sizes[piece, 0] + padding
        top[:width] = size * 64
        bottom[:width] = 0
        for face in range(starts[piece], starts[piece + 1]):
            left = min(corners[face, 0, 0], corners[face, 1, 0], corners[face, 2, 0])
            right = max(corners[face, 0, 0], corners[face, 1, 0], corners[face, 2, 0])
            high = int(min(corners[face, 0, 1], corners[face, 1, 1], corners[face, 2, 1]))
            low = int(max(corners[face, 0, 1], corners[face, 1, 1], corners[face, 2, 1])) + 1 + padding
            for column in range(max(int(left) - padding, 0), min(int(right) + 1 + padding, width)):
                top[column] = min(top[column], high)
                bottom[column] = max(bottom[column], low)
        step = max(1, width // 32)
        best, best_waste, best_x = size * 64, size * 64 * size, 0
        for x in range(0, size - width + 1, step):
            y = padding // 2
            for column in range(width):
                y = max(y, floor[x + column] - top[column])
                if y > best:
                    break
            if y > best:
                continue
            waste = 0
            for column in range(width):
                if bottom[column] > 0:
                    waste += y + top[column] - floor[x + column]
            if y < best or waste < best_waste:
                best, best_waste, best_x = y, waste, x
        places[piece, 0], places[piece, 1] = best_x + padding // 2, best
        for column in range(width):
            if bottom[column] > 0:
                floor[best_x + column] = max(floor[best_x + column], best + bottom[column])
    return places, floor.max()


_drop = numba.njit(nogil=True)(_drop_charts)
