"""Kernel of the CPU: one frame's depths into the voxels of the blocks that it touches, compiled by numba."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from recon3d.fusion.buffers import BLOCK, Buffers
from recon3d.geometry.arrays import Array

PARTS_PER_THREAD = 4
"""Shares that the blocks are dealt out in: blocks beside the surface cost less than those on it."""
MOST_COUNTED = 65535
"""Largest number that a voxel's uint16 count holds."""


def observe(
    slots: Array, blocks: Array, pixel_from_voxel: Array, pixels: Array, truncation: float, into: Buffers
) -> None:
    """Averages what one frame says of each voxel into the grid's buffers, in place.

    A voxel takes the pixel that its centre falls into, and nothing where that is out of the image or without depth, or
    where the voxel lies further behind the pixel's surface than the truncation. Its signed distance along z,
    at most the truncation, goes into the running mean with the pixel's weight. Blocks don't know of each other: any
    share of them, on any number of threads, gives the same bits.

    Args:
        slots: (B,) int32, where each block lies in the buffers; no two the same.
        blocks: (B, 3) int32 block coordinates.
        pixel_from_voxel: (3, 4) float64 projection of voxel indices; pixel (0, 0) spans 0 to 1.
        pixels: (H, W, 5) float32: depth [m], weight, red, green, blue.
        truncation: the distance that is stored as 1 [m].
        into: numpy views of the grid's buffers.
    """
    threads = numba.config.NUMBA_NUM_THREADS
    shares = np.array_split(np.argsort(slots), threads * PARTS_PER_THREAD)  # in the order of memory

    def work(share: Array) -> None:
        _observe(
            slots[share],
            blocks[share],
            pixel_from_voxel,
            pixels,
            np.float32(truncation),
            into.tsdf,
            into.weight,
            into.color,
            into.evidence,
        )

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, shares))


def _observe_blocks(  # type: ignore[no-untyped-def]
    slots, blocks, pixel_from_voxel, pixels, truncation, tsdf, count, color, evidence
):
    """The loop of `observe` over some blocks; compiled below, and plain Python as it stands."""
    height, width = pixels.shape[:2]
    last_u, last_v = np.float32(width - 1), np.float32(height - 1)
    step = pixel_from_voxel.astype(np.float32)
    for n in range(len(slots)):
        corner = np.empty(3, np.float32)
        for axis in range(3):
            place = pixel_from_voxel[axis, 3]
            for i in range(3):
                place += pixel_from_voxel[axis, i] * (blocks[n, i] * BLOCK)
            corner[axis] = place
        for z in range(BLOCK):
            for y in range(BLOCK):
                left_u = corner[0] + np.float32(z) * step[0, 2] + np.float32(y) * step[0, 1]
                left_v = corner[1] + np.float32(z) * step[1, 2] + np.float32(y) * step[1, 1]
                left_z = corner[2] + np.float32(z) * step[2, 2] + np.float32(y) * step[2, 1]
                for x in range(BLOCK):
                    behind = left_z + np.float32(x) * step[2, 0]
                    if behind <= 0:
                        continue
                    u = (left_u + np.float32(x) * step[0, 0]) / behind
                    v = (left_v + np.float32(x) * step[1, 0]) / behind
                    if not (0 <= u <= last_u and 0 <= v <= last_v):
                        continue
                    pixel = pixels[int(v), int(u)]
                    distance = pixel[0] - behind
                    if pixel[0] <= 0 or distance < -truncation:
                        continue
                    voxel = (z * BLOCK + y) * BLOCK + x
                    total = evidence[slots[n], voxel] + pixel[1]
                    share = pixel[1] / total
                    evidence[slots[n], voxel] = total
                    count[slots[n], voxel] = min(count[slots[n], voxel] + 1, MOST_COUNTED)
                    old = tsdf[slots[n], voxel]
                    tsdf[slots[n], voxel] = old + share * (min(distance, truncation) / truncation - old)
                    for channel in range(3):
                        # 255 times the grey level in uint16, so that rounding a running mean loses none of the 256
                        tint = np.float32(color[slots[n], voxel, channel])
                        tint += share * (np.float32(255) * pixel[2 + channel] - tint)
                        color[slots[n], voxel, channel] = np.uint16(tint + np.float32(0.5))


_observe = numba.njit(nogil=True, error_model="numpy")(_observe_blocks)
