"""Fusion plan: voxel size, truncation, weight threshold and memory, chosen from the frames before anything is fused."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError, StageError
from recon3d.geometry import Frame
from recon3d.geometry.arrays import Array
from recon3d.settings import FuseSettings

BLOCK = 16
"""Voxels along the edge of one block."""
BYTES_PER_BLOCK = BLOCK**3 * (4 + 2 + 3 * 2 + 4 * 4)
"""One block: float32 distance, uint16 weight and colours, and four int32 per voxel while the mesh is extracted."""
CELLS_ACROSS = 512
"""Voxels along the longest side of the scene, unless the photos are coarser."""
TRUNCATION_VOXELS = 4
"""Least truncation, in voxels: both sides of the surface hold a gradient."""
BAND_VOXELS = 8
"""Most voxels that the truncation of noisy depths is worth: finer ones would only hold the noise."""
MAX_TRUNCATION = 0.05
"""Largest truncation that is chosen, of the median depth. Of a network 20 % off, 0.1 m to 0.2 m made the best mesh of a
room seen from 2.3 m, and twice its noise, 0.9 m, one a third worse."""
NOISE_PERCENTILE = 90
"""Share of the depths whose sigma the truncation must hold: the far ones are noisy, and theirs is most of the area."""
SAMPLES_PER_FRAME = 3000
"""Depths per frame that the plan is made from."""
SPARE = 1.2
"""Blocks beyond those that the samples touch: thin places between samples."""
COARSER = 1.1
"""Step by which voxels grow until they fit the memory."""


@dataclass(frozen=True)
class FusePlan:
    """How a set of frames is fused.

    Attributes:
        voxel_size: edge of one cell [m].
        truncation: distance from the surface within which cells are updated [m].
        min_weight: observations above which a surface is kept.
        block_count: blocks of 16³ cells that are allocated.
        views: frames with depth.
        noise_m: what depths are off by [m]; with a truncation below it walls may come out double.
        max_memory_gib: memory that must not be exceeded [GiB].
        reasons: why each number is what it is, a line each.
    """

    voxel_size: float
    truncation: float
    min_weight: float
    block_count: int
    views: int
    noise_m: float
    max_memory_gib: float
    reasons: tuple[str, ...] = ()

    def may_double(self, capacity: int) -> bool:
        """Whether a grid of `capacity` blocks may grow to twice that; old and new buffers live together meanwhile."""
        return 3 * capacity * BYTES_PER_BLOCK <= self.max_memory_gib * 2**30


def plan_fusion(frames: Iterable[Frame], settings: FuseSettings, *, residual_m: float = 0.0) -> FusePlan:
    """Chooses how to fuse frames, by a look at a few depths of each.

    The voxel is the largest of the median pixel footprint, a 512th of the scene and an eighth of the truncation:
    finer would only hold noise. The truncation is four voxels, or twice the noise if that is more, else walls come out
    double or in shreds. The noise is `residual_m`, or the sigma that nine of ten depths stay under if that is more; but
    no truncation is chosen beyond a twentieth of the median depth, as it would swallow the things themselves.

    Args:
        frames: those that will be fused.
        settings: values that are set are taken as they are.
        residual_m: what the depths of different views about one surface are known to disagree by [m].

    Raises:
        InputError: the voxel size that was set needs more than `fuse.max_memory_gib`.
        StageError: no frame has any depth.
    """
    samples = [sample for sample in map(_Sample.of, frames) if len(sample.depth)]
    if not samples:
        raise StageError("fuse: no photo has any depth left; see what refine dropped, or loosen its settings")
    footprint = float(np.median(np.concatenate([sample.footprint for sample in samples])))
    low, high = np.percentile(np.concatenate([sample.points() for sample in samples]), [1, 99], axis=0)
    extent = float((high - low).max())
    noise = max(residual_m, _sigma(samples))
    median_depth = float(np.median(np.concatenate([sample.depth for sample in samples])))
    band = min(2 * noise, MAX_TRUNCATION * median_depth)
    reasons = []
    if settings.voxel_size is not None:
        voxel = _positive("fuse.voxel_size", settings.voxel_size)
        reasons.append(f"voxels of {voxel:.4g} m: as set")
    else:
        voxel, why = max(
            (footprint, "the median pixel footprint"),
            (extent / CELLS_ACROSS, f"a {CELLS_ACROSS}th of {extent:.3g} m"),
            (band / BAND_VOXELS, f"an eighth of the truncation for a noise of {noise:.3g} m"),
        )
        reasons.append(f"voxels of {voxel:.4g} m: {why}")
    budget = settings.max_memory_gib * 2**30
    while True:
        truncation = _truncation(settings, voxel, band)
        blocks = _block_count(samples, voxel, truncation)
        needed = blocks * BYTES_PER_BLOCK
        if needed <= budget:
            break
        if settings.voxel_size is not None:
            raise InputError(
                f"fuse.voxel_size: got {voxel:g} m, which needs about {needed / 2**30:.1f} GiB ({blocks} blocks), "
                f"wanted at most fuse.max_memory_gib = {settings.max_memory_gib:g}; raise either"
            )
        voxel *= COARSER
        reasons[0] = f"voxels of {voxel:.4g} m: as fine as fits fuse.max_memory_gib = {settings.max_memory_gib:g}"
    if settings.truncation is not None:
        reasons.append(f"truncation {truncation:.3g} m: as set")
    elif truncation > TRUNCATION_VOXELS * voxel:
        why = f"twice the depths' noise of {noise:.3g} m"
        if band < 2 * noise:
            why = f"a twentieth of the median depth, less than {why}"
        reasons.append(f"truncation {truncation:.3g} m: {why}")
    else:
        reasons.append(f"truncation {truncation:.3g} m: {TRUNCATION_VOXELS} voxels")
    if settings.min_weight is not None:
        min_weight = settings.min_weight
        reasons.append(f"surfaces seen more than {min_weight:g} times: as set")
    else:
        min_weight = _min_weight(len(samples))
        reasons.append(f"surfaces seen more than {min_weight:g} times: {len(samples)} views")
    return FusePlan(voxel, truncation, min_weight, blocks, len(samples), noise, settings.max_memory_gib, tuple(reasons))


@dataclass(frozen=True, eq=False)
class _Sample:
    """A few depths of one frame.

    Attributes:
        centre: (3,) of the camera [m].
        directions: (N, 3) float32, in the world, one unit of depth long.
        depth: (N,) float32 [m].
        footprint: (N,) float32, width of a pixel at that depth [m].
        sigma: (N,) float32 [m], 0 where it is unknown.
    """

    centre: Array
    directions: Array
    depth: Array
    footprint: Array
    sigma: Array

    @classmethod
    def of(cls, frame: Frame) -> "_Sample":
        """Depths on a regular grid of pixels."""
        stride = max(1, math.isqrt(frame.depth.size // SAMPLES_PER_FRAME))
        depth = frame.depth[::stride, ::stride]
        valid = depth > 0
        depth = depth[valid]
        directions = frame.camera.rays()[::stride, ::stride][valid] @ frame.world_from_cam.R.T.astype(np.float32)
        sigma = np.zeros_like(depth) if frame.sigma is None else frame.sigma[::stride, ::stride][valid]
        return cls(frame.world_from_cam.t, directions, depth, depth / np.float32(frame.camera.fx), sigma)

    def points(self, offset: float = 0.0) -> Array:
        """(N, 3) points of the world [m], `offset` behind the surface along z [m]."""
        points: Array = self.centre + self.directions * np.maximum(self.depth + np.float32(offset), 0)[:, None]
        return points


def _sigma(samples: list[_Sample]) -> float:
    """What nine of ten sigmas stay under [m]; 0 where the frames have none."""
    return float(np.percentile(np.concatenate([sample.sigma for sample in samples]), NOISE_PERCENTILE))


def _truncation(settings: FuseSettings, voxel: float, band: float) -> float:
    """Truncation distance [m]."""
    if settings.truncation is None:
        return max(TRUNCATION_VOXELS * voxel, band)
    truncation = _positive("fuse.truncation", settings.truncation)
    if truncation < voxel:
        raise InputError(f"fuse.truncation: got {truncation:g} m, wanted at least one voxel ({voxel:g} m)")
    return truncation


def _min_weight(views: int) -> float:
    """Up to three views, all that was seen; from four on a surface must have been measured twice."""
    return 0.0 if views <= 3 else 1.0


def _block_count(samples: list[_Sample], voxel: float, truncation: float) -> int:
    """Blocks that the frames will touch, and those of one more frame: the grid wants room for them even if known."""
    block = BLOCK * voxel
    steps = 1 + math.ceil(2 * truncation / (block / 2))
    largest = 0
    known = np.empty(0, np.int64)
    fresh: list[Array] = []
    for sample in samples:
        keys = [_keys(sample.points(offset), block) for offset in np.linspace(-truncation, truncation, steps)]
        touched = np.unique(np.concatenate(keys))
        largest = max(largest, len(touched))
        fresh.append(touched)
        if len(fresh) == 64:
            known, fresh = np.unique(np.concatenate([known, *fresh])), []
    known = np.unique(np.concatenate([known, *fresh]))
    return math.ceil(SPARE * (len(known) + largest)) + 64


def _keys(points: Array, block: float) -> Array:
    """(N,) int64 key of the block that each point (N, 3) lies in."""
    cells = np.floor(points / block).astype(np.int64)
    keys: Array = (cells[:, 0] * 2**42) ^ ((cells[:, 1] & 0x1FFFFF) * 2**21) ^ (cells[:, 2] & 0x1FFFFF)
    return keys


def _positive(name: str, value: float) -> float:
    """`value`, refused if it is not above 0."""
    if not value > 0:
        raise InputError(f"{name}: got {value} m, wanted more than 0")
    return value
