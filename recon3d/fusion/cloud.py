"""Point cloud: the depths of all photos as one set of coloured points, merged per voxel."""

from collections.abc import Iterable

import numpy as np

from recon3d.errors import InputError, StageError
from recon3d.geometry import Frame, PointCloud
from recon3d.geometry.arrays import Array
from recon3d.refine.normals import normals_of

CELLS = 2**20
"""Voxels to each side of the origin along an axis that a key can tell apart."""
WAITING = 500_000
"""New voxels of single frames that may wait before they are merged with the rest."""


def cloud_of(frames: Iterable[Frame], voxel_size: float) -> PointCloud:
    """Merges the depths of frames into one point per voxel: mean position, colour and normal.

    Frames are taken one at a time and only sums per voxel are held, so that memory grows with the surface and not
    with the number of photos.

    Args:
        frames: in any order; those without depth add nothing.
        voxel_size: edge of the cubes within which points are merged [m].

    Returns:
        Points of the world with normals turned towards the cameras that saw them.

    Raises:
        InputError: the voxel size is not positive, or too small for the extent of the scene.
        StageError: no frame has any depth.
    """
    if not voxel_size > 0:
        raise InputError(f"voxel size of the cloud: got {voxel_size} m, wanted more than 0")
    keys, sums = np.empty(0, np.int64), np.empty((0, 10), np.float32)
    fresh: list[tuple[Array, Array]] = []
    for frame in frames:
        fresh.append(_without_known(keys, sums, *_sums_per_voxel(frame, voxel_size)))
        if sum(len(part[0]) for part in fresh) > max(WAITING, len(keys) // 2):  # seldom: each time all is sorted again
            keys, sums = _merged([(keys, sums), *fresh])
            fresh = []
    keys, sums = _merged([(keys, sums), *fresh])
    if not len(keys):
        raise StageError("cloud: no photo has any depth left; see what refine dropped, or loosen its settings")
    means = sums[:, :6] / sums[:, 9:]
    points = (_cells(keys) + means[:, :3]) * voxel_size
    normals = sums[:, 6:9] / np.maximum(np.linalg.norm(sums[:, 6:9], axis=1, keepdims=True), np.float32(1e-12))
    return PointCloud(points, np.rint(means[:, 3:]).astype(np.uint8), normals)


def _sums_per_voxel(frame: Frame, voxel_size: float) -> tuple[Array, Array]:
    """Voxels of one frame.

    Returns:
        (N,) int64 keys, sorted; and (N, 10) float32 sums per voxel: place within the voxel in voxels, colour,
        normal, count.
    """
    valid = frame.depth > 0
    points = frame.world_from_cam @ frame.camera.backproject(frame.depth)[valid].astype(np.float64)
    points /= voxel_size
    cells = np.floor(points)
    if len(cells) and np.abs(cells).max() >= CELLS:
        raise InputError(
            f"{frame.name}: points {np.abs(points).max() * voxel_size:.3g} m from the origin are beyond {CELLS} voxels "
            f"of {voxel_size:g} m; wanted a larger cloud.voxel_size"
        )
    values = np.empty((len(points), 10), np.float32)
    values[:, :3] = points - cells
    values[:, 3:6] = frame.image[valid]
    values[:, 6:9] = normals_of(frame.depth, frame.camera)[valid] @ frame.world_from_cam.R.T.astype(np.float32)
    values[:, 9] = 1
    keys = (cells + CELLS).astype(np.int64) @ np.array([4 * CELLS**2, 2 * CELLS, 1])
    order = np.argsort(keys)
    return _summed(keys[order], values[order])


def _cells(keys: Array) -> Array:
    """(N, 3) float64 whole numbers: the voxels that keys (N,) stand for."""
    digits = np.stack([keys // (4 * CELLS**2), keys // (2 * CELLS) % (2 * CELLS), keys % (2 * CELLS)], axis=1)
    cells: Array = (digits - CELLS).astype(np.float64)
    return cells


def _without_known(keys: Array, sums: Array, new_keys: Array, new_sums: Array) -> tuple[Array, Array]:
    """Adds voxels that are known to `sums`, in place; returns the others."""
    if not len(keys):
        return new_keys, new_sums
    at = np.minimum(np.searchsorted(keys, new_keys), len(keys) - 1)
    known = keys[at] == new_keys
    sums[at[known]] += new_sums[known]
    return new_keys[~known], new_sums[~known]


def _merged(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Adds up sets of voxels."""
    keys = np.concatenate([part[0] for part in parts])
    order = np.argsort(keys, kind="stable")
    return _summed(keys[order], np.concatenate([part[1] for part in parts])[order])


def _summed(keys: Array, values: Array) -> tuple[Array, Array]:
    """Sums rows of equal, sorted keys."""
    if not len(keys):
        return keys, values
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(values, starts, axis=0)
