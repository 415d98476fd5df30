"""TSDF: depth maps of many views averaged into one surface, tile by tile."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from recon3d.errors import StageError
from recon3d.fusion.buffers import BLOCK
from recon3d.fusion.grid import Grid, Outgrown
from recon3d.fusion.plan import FusePlan
from recon3d.fusion.tiles import WHOLE, Tile, joined, part_of
from recon3d.geometry import Frame, Mesh
from recon3d.progress import Report, silent


@dataclass(frozen=True, eq=False)
class Fused:
    """A surface, or the part of it in one tile.

    Attributes:
        mesh: with colours and normals; not cleaned.
        seen: voxels beside the surface that were observed at all.
        kept: those of them that were observed more often than the plan's `min_weight`.
    """

    mesh: Mesh
    seen: int
    kept: int


def fuse(frames: Iterable[Frame], plan: FusePlan, device: str = "cpu", report: Report = silent) -> Mesh:
    """Fuses depth maps into a triangle mesh of the world.

    Args:
        frames: one at a time, in any order and of any sizes; those without depth add nothing. Gone through once for
            each tile of the plan.
        plan: of `plan_fusion`, from the same frames.
        device: "auto" or "cuda" fuses on the GPU where Open3D can use one; else on the CPU. The surface is the same.
        report: told after each frame.

    Returns:
        A mesh with colours and normals; not cleaned.

    Raises:
        InputError: the surface outgrows the planned memory.
        StageError: no surface came out; says the likely cause.
    """
    return fused([fuse_tile(frames, plan, tile, device, report) for tile in plan.tiles], plan).mesh


def fuse_tile(
    frames: Iterable[Frame], plan: FusePlan, tile: Tile = WHOLE, device: str = "cpu", report: Report = silent
) -> Fused:
    """Fuses the part of the surface that lies in one tile; see `fuse`.

    Blocks are fused each on their own and triangles are kept by the tile that they lie in: together the tiles give the
    surface that one grid would, bit by bit. Frames that don't come near the tile (`FusePlan.near`) may be left out.
    """
    grid = Grid.empty(plan, device, tile)
    part = f" {1 + plan.tiles.index(tile)} of {len(plan.tiles)}" if len(plan.tiles) > 1 and tile in plan.tiles else ""
    wanted = plan.views if tile == WHOLE else len(plan.near(tile))
    report(f"fuse{part}", 0, wanted)
    any_depth = False
    for done, frame in enumerate(frames if tile == WHOLE else _near(frames, plan, tile), 1):
        any_depth |= grid.integrate(frame)
        report(f"fuse{part}", done, wanted, frame.name)
    if tile == WHOLE and not any_depth:
        raise StageError("fuse: no photo has any depth left; see what refine dropped, or loosen its settings")
    mesh = grid.extract(plan.min_weight)
    mesh = mesh if tile == WHOLE else part_of(mesh, tile, BLOCK * plan.voxel_size)
    return Fused(mesh, *grid.observed(plan.min_weight))


def fuse_within(
    frames_of: Callable[[Tile], Iterable[Frame]], plan: FusePlan, tile: Tile, device: str, report: Report = silent
) -> Fused:
    """`fuse_tile`, in halves and halves of those where the tile takes more memory than the plan foresaw.

    Args:
        frames_of: gives the frames near a tile.
        plan: as of `fuse`.
        tile: to fuse.
        device: as of `fuse`.
        report: as of `fuse`.
    """
    try:
        return fuse_tile(frames_of(tile), plan, tile, device, report)
    except Outgrown as outgrown:
        halves = outgrown.halves
        if not halves:
            raise
    parts = [fuse_within(frames_of, plan, half, device, report) for half in halves]
    return Fused(
        joined(part.mesh for part in parts), sum(part.seen for part in parts), sum(part.kept for part in parts)
    )


def _near(frames: Iterable[Frame], plan: FusePlan, tile: Tile) -> Iterator[Frame]:
    """Those of the frames that the tile needs."""
    names = set(plan.near(tile))
    return (frame for frame in frames if frame.name in names)


def fused(tiles: Iterable[Fused], plan: FusePlan) -> Fused:
    """All tiles as one, seams not yet closed (`in_order` does).

    Raises:
        StageError: there is no surface in any.
    """
    parts = list(tiles)
    mesh = joined(part.mesh for part in parts)
    if not len(mesh.triangles):
        raise no_surface(plan)
    return Fused(mesh, sum(part.seen for part in parts), sum(part.kept for part in parts))


def no_surface(plan: FusePlan) -> StageError:
    """What is said where nothing came out of any tile."""
    return StageError(
        f"fuse: no surface came out of {plan.views} photos: none was measured more than {plan.min_weight:g} times at "
        "one place; the poses may be wrong or the photos may not overlap; fuse.min_weight=0 keeps all there is"
    )
