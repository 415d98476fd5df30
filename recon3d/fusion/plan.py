"""Fusion plan: voxel size, truncation, thresholds, weights and tiles, chosen from the frames before any is fused."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.fusion.buffers import BLOCK, BYTES_PER_VOXEL
from recon3d.fusion.reach import Reach
from recon3d.fusion.survey import Survey
from recon3d.fusion.tiles import WHOLE, Tile, tiles_of
from recon3d.fusion.trust import Trust
from recon3d.geometry import Frame
from recon3d.settings import FuseSettings

BYTES_PER_BLOCK = BLOCK**3 * (BYTES_PER_VOXEL + 4 * 4)
"""One block: what it holds, and four int32 per voxel while the mesh is extracted."""
CELLS_ACROSS = 512
"""Voxels along the longest side of the scene, unless the photos are coarser."""
TRUNCATION_VOXELS = 4
"""Least truncation, in voxels: both sides of the surface hold a gradient."""
BAND_VOXELS = 8
"""Most voxels that the truncation of noisy depths is worth: finer ones would only hold the noise."""
MAX_TRUNCATION = 0.05
"""Largest truncation that is chosen, of the median depth. Of a network 20 % off, 0.1 m to 0.2 m made the best mesh of a
room seen from 2.3 m, and twice its noise, 0.9 m, one a third worse."""
SPARE = 1.2
"""Blocks beyond those that the samples touch: thin places between samples."""
COARSER = 1.1
"""Step by which voxels grow until they fit the memory."""
LEAST_GIB = 0.01
"""Memory of a tile that holds a few blocks."""
SURELY = 4.0
"""Depths that are not yet refined lie beside each other: they take up to so many times the blocks of one surface."""


@dataclass(frozen=True)
class FusePlan:
    """How a set of frames is fused.

    Attributes:
        voxel_size: edge of one cell [m].
        truncation: distance from the surface within which cells are updated [m]. One for all depths: where certain
            depths spoke less far than noisy ones, the noisy ones' walls stood alone behind theirs.
        min_weight: observations above which a surface is kept; each counts one, however much it weighs in the mean.
        block_count: blocks of 16³ cells that are allocated for a tile.
        views: frames with depth.
        noise_m: what depths are off by [m]; with a truncation below it walls may come out double.
        max_memory_gib: memory that must not be exceeded [GiB].
        reasons: why each number is what it is, a line each.
        trust: how observations are weighted; None = all the same.
        tiles: boxes of blocks that are fused one after another, each with its surroundings within the memory.
        reaches: where each frame has depth.
    """

    voxel_size: float
    truncation: float
    min_weight: float
    block_count: int
    views: int
    noise_m: float
    max_memory_gib: float
    reasons: tuple[str, ...] = ()
    trust: Trust | None = None
    tiles: tuple[Tile, ...] = (WHOLE,)
    reaches: tuple[Reach, ...] = ()

    def near(self, tile: Tile) -> tuple[str, ...]:
        """Names of the frames that may have a say in a tile; the others can be left out of it, and nothing changes."""
        size = BLOCK * self.voxel_size
        return tuple(reach.name for reach in self.reaches if reach.touches(tile, self.truncation, size))

    def may_double(self, capacity: int) -> bool:
        """Whether a grid of `capacity` blocks may grow to twice that; old and new buffers live together meanwhile."""
        return 3 * capacity * BYTES_PER_BLOCK <= self.max_memory_gib * 2**30


def plan_fusion(frames: Iterable[Frame], settings: FuseSettings, shares: int = 1) -> FusePlan:
    """Chooses how to fuse frames, by a look at a few depths of each.

    The voxel is the largest of the median pixel footprint, a 512th of the scene and an eighth of the truncation:
    finer would only hold noise. The truncation is four voxels, or twice the noise if that is more, else walls come out
    double or in shreds. The noise is the sigma that nine of ten depths stay under; but no truncation is chosen beyond a
    twentieth of the median depth, as it would swallow the things themselves.

    What the memory doesn't hold at once is fused in tiles; where there would be too many, voxels that were not set
    grow.

    Args:
        frames: those that will be fused.
        settings: values that are set are taken as they are.
        shares: workers that fuse at a time: the plan is of so many tiles at least, though the memory may hold more at
            once; the surface is the same.

    Raises:
        InputError: the voxel size that was set needs more than `fuse.max_tiles` times `fuse.max_memory_gib`, or the
            poses of a frame lead out of any world.
        StageError: no frame has any depth.
    """
    if not LEAST_GIB <= settings.max_memory_gib < math.inf:  # false for NaN as well
        raise InputError(f"fuse.max_memory_gib: got {settings.max_memory_gib} GiB, wanted at least {LEAST_GIB:g}")
    survey = Survey.of(frames)
    noise = survey.noise()
    band = min(2 * noise, MAX_TRUNCATION * survey.median_depth())
    reasons = []
    if settings.voxel_size is not None:
        voxel = _positive("fuse.voxel_size", settings.voxel_size)
        reasons.append(f"voxels of {voxel:.4g} m: as set")
    else:
        voxel, why = _voxel(survey, band, noise)
        reasons.append(f"voxels of {voxel:.4g} m: {why}")
    most = int(settings.max_memory_gib * 2**30 / BYTES_PER_BLOCK)
    while True:
        truncation = _truncation(settings, voxel, band)
        tiles, blocks, in_all = _tiles(survey, voxel, truncation, most, settings.max_tiles)
        if tiles:
            break
        if settings.voxel_size is not None:
            raise InputError(_too_fine(settings, survey, in_all))
        voxel *= COARSER
        reasons[0] = (
            f"voxels of {voxel:.4g} m: as fine as fits fuse.max_memory_gib = {settings.max_memory_gib:g} in "
            f"fuse.max_tiles = {settings.max_tiles}"
        )
    reasons.append(_why_truncation(settings, voxel, truncation, noise, band))
    if settings.min_weight is not None:
        min_weight = settings.min_weight
        reasons.append(f"surfaces kept that were measured more than {min_weight:g} times: as set")
    else:
        min_weight = _min_weight(survey.views)
        how_often = "at all" if min_weight < 1 else "by two photos or more"
        reasons.append(f"surfaces kept that were measured {how_often}: {survey.views} photos have depth")
    trust = survey.trust(voxel / 2) if settings.weighting else None
    if trust is not None:
        reasons.append("depths weighted by their sigma, distance and slant")
    reasons.append(_why_blocks(settings, len(tiles), blocks, in_all))
    if len(tiles) < shares:
        tiles = _shared(survey, voxel, truncation, shares)
    return FusePlan(
        voxel,
        truncation,
        min_weight,
        blocks,
        survey.views,
        noise,
        settings.max_memory_gib,
        tuple(reasons),
        trust,
        tiles,
        survey.reaches,
    )


def check_voxels(frames: Iterable[Frame], settings: FuseSettings) -> None:
    """Refuses a voxel size that will not fit the memory, whatever becomes of the depths until they are fused.

    Args:
        frames: some of those that will be fused, with depths as far as they are known.
        settings: with a voxel size.

    Raises:
        InputError: the voxels take far more than `fuse.max_tiles` times `fuse.max_memory_gib`.
        StageError: no frame has any depth.
    """
    survey, voxel = Survey.of(frames), _positive("fuse.voxel_size", settings.voxel_size or 0.0)
    cells, _, blocks_each, _ = survey.blocks(voxel * BLOCK, _truncation(settings, voxel, 0.0))
    blocks = math.ceil(blocks_each * len(cells))
    if blocks * BYTES_PER_BLOCK > SURELY * settings.max_tiles * settings.max_memory_gib * 2**30:
        raise InputError(_too_fine(settings, survey, blocks))


def voxel_of(frames: Iterable[Frame]) -> float:
    """The voxel size [m] that `plan_fusion` would choose with all the memory in the world."""
    survey = Survey.of(frames)
    noise = survey.noise()
    return _voxel(survey, min(2 * noise, MAX_TRUNCATION * survey.median_depth()), noise)[0]


def _voxel(survey: Survey, band: float, noise: float) -> tuple[float, str]:
    """Voxel size [m], and why."""
    extent = survey.extent()
    return max(
        (survey.footprint(), "the median pixel footprint"),
        (extent / CELLS_ACROSS, f"a {CELLS_ACROSS}th of {extent:.3g} m"),
        (band / BAND_VOXELS, f"an eighth of the truncation for a noise of {noise:.3g} m"),
    )


def _tiles(
    survey: Survey, voxel: float, truncation: float, most: int, max_tiles: int
) -> tuple[tuple[Tile, ...], int, int]:
    """Tiles that hold at most so many blocks each; none where there would be too many.

    Returns:
        The tiles, the blocks of the largest of them, and the blocks in all; a spare share is counted in.
    """
    cells, per_edge, blocks_each, at_once = survey.blocks(voxel * BLOCK, truncation)
    spare = SPARE * blocks_each
    in_all = math.ceil(spare * (len(cells) + at_once)) + 64
    if in_all <= most:
        return (WHOLE,), in_all, in_all
    # the grid wants room for a frame's blocks in the tile even where it knows them: for all of the tile's at worst
    room = int((most - 64) / spare)
    room = max(room - at_once, room // 2)
    if room < 1 or in_all > max_tiles * most:
        return (), 0, in_all
    tiles = tiles_of(cells, room)
    largest = max(int(np.count_nonzero(tile.holds(cells, halo=1))) for tile in tiles)
    if len(tiles) > max_tiles or largest > room:
        return (), 0, in_all
    return (
        tuple(tile.scaled(per_edge) for tile in tiles),
        math.ceil(spare * (largest + min(largest, at_once))) + 64,
        in_all,
    )


def _shared(survey: Survey, voxel: float, truncation: float, shares: int) -> tuple[Tile, ...]:
    """So many tiles at least, where there are blocks enough."""
    cells, per_edge, _, _ = survey.blocks(voxel * BLOCK, truncation)
    room = len(cells)
    while len(tiles := tiles_of(cells, room)) < shares and room > 1:
        room = room * 3 // 4
    return tuple(tile.scaled(per_edge) for tile in tiles)


def _too_fine(settings: FuseSettings, survey: Survey, blocks: int) -> str:
    """Why the voxel size that was set is refused."""
    return (
        f"fuse.voxel_size: got {settings.voxel_size:g} m for {survey.extent():.3g} m of scene seen with pixels of "
        f"{survey.footprint():.2g} m, which needs about {blocks * BYTES_PER_BLOCK / 2**30:.3g} GiB ({blocks} blocks), "
        f"wanted at most fuse.max_memory_gib = {settings.max_memory_gib:g} in each of fuse.max_tiles = "
        f"{settings.max_tiles} tiles; raise any of the three"
    )


def _why_truncation(settings: FuseSettings, voxel: float, truncation: float, noise: float, band: float) -> str:
    """The truncation's line for people."""
    if settings.truncation is not None:
        return f"truncation {truncation:.3g} m: as set"
    if truncation > TRUNCATION_VOXELS * voxel:
        why = f"twice the depths' noise of {noise:.3g} m"
        if band < 2 * noise:
            why = f"a twentieth of the median depth, less than {why}"
        return f"truncation {truncation:.3g} m: {why}"
    return f"truncation {truncation:.3g} m: {TRUNCATION_VOXELS} voxels"


def _why_blocks(settings: FuseSettings, tiles: int, blocks: int, in_all: int) -> str:
    """The line for people of the memory that is taken."""
    gib, all_gib = (count * BYTES_PER_BLOCK / 2**30 for count in (blocks, in_all))
    if tiles == 1:
        return (
            f"{blocks} blocks of {BLOCK}³ voxels, {gib:.2g} GiB: all within the truncation of a depth, a fifth to spare"
        )
    return (
        f"{tiles} tiles of up to {blocks} blocks of {BLOCK}³ voxels, {gib:.2g} GiB: all {in_all} blocks at once would "
        f"take about {all_gib:.2g} GiB, over fuse.max_memory_gib = {settings.max_memory_gib:g}"
    )


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


def _positive(name: str, value: float) -> float:
    """`value`, refused if it is not above 0."""
    if not value > 0:
        raise InputError(f"{name}: got {value} m, wanted more than 0")
    return value
