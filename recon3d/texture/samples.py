"""The best samples that photos give of each point, kept while the photos go by one at a time."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.texture.view import View

BEST = 8
"""Samples kept for each point: a mean of them foretells further photos best, and no passer-by moves their median."""
SLANT = 0.1
"""Cosine of the angle of sight below which a surface is not taken to be seen."""
SLACK_PX = 2.0
"""A point is seen where the mesh lies no further in front of it than this many pixels are wide there, slanted ..."""
SLACK = 0.005
"""... plus this share of its depth."""
SHARPER = 1.5
"""Power of the pixels per metre in a sample's weight: how much nearer and straighter photos go before others."""


@dataclass(frozen=True, eq=False)
class Samples:
    """For each of N points the samples of largest weight, in no order.

    Attributes:
        weight: (N, BEST) float32, 0 = no sample.
        color: (N, BEST, 3) uint8 sRGB as photographed.
        photo: (N, BEST) uint16 number of the photo.
    """

    weight: Array
    color: Array
    photo: Array

    @classmethod
    def none(cls, count: int) -> "Samples":
        """No sample yet of `count` points."""
        return cls(
            np.zeros((count, BEST), np.float32),
            np.zeros((count, BEST, 3), np.uint8),
            np.zeros((count, BEST), np.uint16),
        )

    def parted(self, count: int) -> tuple["Samples", "Samples"]:
        """Those of the first `count` points, and those of the others."""
        parts = [(array[:count], array[count:]) for array in (self.weight, self.color, self.photo)]
        return Samples(*(part[0] for part in parts)), Samples(*(part[1] for part in parts))


def take(view: View, number: int, points: Array, normals: Array, into: Samples) -> None:
    """Adds what one photo shows of each point, where that is better than the worst that is kept.

    Args:
        view: the photo.
        number: its number.
        points: (N, 3) float32 [m].
        normals: (N, 3) float32.
        into: changed in place.
    """
    threads = numba.config.NUMBA_NUM_THREADS
    parts = np.array_split(np.arange(len(points)), threads)
    camera, pose = view.camera, view.cam_from_world
    lens = np.array([camera.fx, camera.fy, camera.cx, camera.cy])

    def work(part: Array) -> None:
        if len(part):
            some = slice(part[0], part[-1] + 1)
            _take(
                points[some], normals[some], pose.R, pose.t, lens, view.image, view.depth, view.trust,
                number, into.weight[some], into.color[some], into.photo[some],
            )  # fmt: skip

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, parts))


@numba.njit(nogil=True)
def _cubic(t):  # type: ignore[no-untyped-def]
    """What four neighbours count at `t` past the second, by Catmull and Rom: sharper than between two."""
    return (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )


def _take_samples(  # type: ignore[no-untyped-def]
    points, normals, R, t, lens, image, depth, trust, number, weight, color, photo
):
    """The loop of `take`; compiled below."""
    height, width = depth.shape
    fx, fy, cx, cy = lens[0], lens[1], lens[2], lens[3]
    best = weight.shape[1]
    for index in range(len(points)):
        px, py, pz = points[index, 0], points[index, 1], points[index, 2]
        z = R[2, 0] * px + R[2, 1] * py + R[2, 2] * pz + t[2]
        if z <= 1e-6:
            continue
        x = R[0, 0] * px + R[0, 1] * py + R[0, 2] * pz + t[0]
        y = R[1, 0] * px + R[1, 1] * py + R[1, 2] * pz + t[1]
        u, v = fx * x / z + cx, fy * y / z + cy
        if not (0 <= u < width - 1 and 0 <= v < height - 1):
            continue
        nx, ny, nz = normals[index, 0], normals[index, 1], normals[index, 2]
        ahead = (R[0, 0] * nx + R[0, 1] * ny + R[0, 2] * nz) * x
        ahead += (R[1, 0] * nx + R[1, 1] * ny + R[1, 2] * nz) * y
        ahead += (R[2, 0] * nx + R[2, 1] * ny + R[2, 2] * nz) * z
        far = math.sqrt(x * x + y * y + z * z)
        cosine = -ahead / far
        if cosine < SLANT:
            continue
        there = depth[int(v + 0.5), int(u + 0.5)]
        if there == 0 or there < z - SLACK_PX * z / fx / cosine - SLACK * z:
            continue
        left, top = int(u), int(v)
        a, b = u - left, v - top
        believed = (1 - b) * ((1 - a) * trust[top, left] + a * trust[top, left + 1])
        believed += b * ((1 - a) * trust[top + 1, left] + a * trust[top + 1, left + 1])
        value = believed * (fx * cosine / far) ** SHARPER
        slot = 0
        for other in range(1, best):
            if weight[index, other] < weight[index, slot]:
                slot = other
        if value <= weight[index, slot]:
            continue
        weight[index, slot] = value
        photo[index, slot] = number
        rise, fall = _cubic(a), _cubic(b)
        for band in range(3):
            total = 0.0
            for down in range(4):
                row = min(max(top + down - 1, 0), height - 1)
                for right in range(4):
                    column = min(max(left + right - 1, 0), width - 1)
                    total += fall[down] * rise[right] * image[row, column, band]
            color[index, slot, band] = int(min(max(total, 0.0), 255.0) + 0.5)


_take = numba.njit(nogil=True)(_take_samples)
