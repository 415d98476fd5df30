"""Kernel of the CPU: one frame's depths into the voxels of the blocks that it touches, compiled by numba."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from recon3d.fusion.buffers import BLOCK, Buffers
from recon3d.fusion.projection import Projection
from recon3d.geometry.arrays import Array

PARTS_PER_THREAD = 4
"""Shares that the blocks are dealt out in: blocks beside the surface cost less than those on it."""
MOST_COUNTED = 65535
"""Largest number that a voxel's uint16 count holds."""


def observe(slots: Array, blocks: Array, projection: Projection, pixels: Array, into: Buffers) -> None:
    """Averages what one frame says of each voxel into the grid's buffers, in place.

    A voxel takes the pixel that its centre falls into, and nothing where that is out of the image or without depth, or
    where the voxel lies further behind the pixel's surface than the truncation. Its signed distance along z,
    at most the truncation, goes into the running mean with the pixel's weight. Blocks don't know of each other: any
    share of them, on any number of threads, gives the same bits. With weights of 1 the distances are Open3D's.

    Args:
        slots: (B,) int32, where each block lies in the buffers; no two the same.
        blocks: (B, 3) int32 block coordinates.
        projection: into the photo.
        pixels: (H, W, 5) float32: depth [m], weight, red, green, blue.
        into: numpy views of the grid's buffers.
    """
    threads = numba.config.NUMBA_NUM_THREADS
    shares = np.array_split(np.argsort(slots), threads * PARTS_PER_THREAD)  # in the order of memory

    def work(share: Array) -> None:
        _observe(
            slots[share],
            blocks[share],
            projection.cam_from_world,
            projection.intrinsics,
            projection.voxel_size,
            projection.truncation,
            pixels,
            into.tsdf,
            into.weight,
            into.color,
            into.evidence,
        )

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, shares))


def _observe_blocks(  # type: ignore[no-untyped-def]
    slots,
    blocks,
    cam_from_world,
    intrinsics,
    voxel_size,
    truncation,
    pixels,
    tsdf,
    count,
    color,
    evidence,
):
    """The loop of `observe` over some blocks; compiled below, and plain Python as it stands."""
    height, width = pixels.shape[:2]
    last_u, last_v = np.float32(width - 1), np.float32(height - 1)
    fx, fy, cx, cy = intrinsics
    shift_x, shift_y, shift_z = cam_from_world[:, 3]
    # what a step along each axis of the block adds to each coordinate in the camera: by axis, voxel, coordinate
    part = np.empty((3, BLOCK, 3), np.float32)
    for n in range(len(slots)):
        for axis in range(3):
            for step in range(BLOCK):
                place = np.float32(blocks[n, axis] * BLOCK + step) * voxel_size
                for i in range(3):
                    part[axis, step, i] = place * cam_from_world[i, axis]
        for z in range(BLOCK):
            zx, zy, zz = part[2, z]
            for y in range(BLOCK):
                yx, yy, yz = part[1, y]
                for x in range(BLOCK):
                    behind = ((part[0, x, 2] + yz) + zz) + shift_z
                    if behind <= 0:
                        continue
                    inverse = np.float32(1) / behind
                    right = ((part[0, x, 0] + yx) + zx) + shift_x
                    below = ((part[0, x, 1] + yy) + zy) + shift_y
                    u, v = fx * right * inverse + cx, fy * below * inverse + cy
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
