"""Tiles of the surface as work: each is fused by itself, and kept in a file until all are there."""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon3d.engine.work import Doer
from recon3d.errors import StageError
from recon3d.fusion.plan import FusePlan
from recon3d.fusion.tsdf import fuse_within
from recon3d.geometry.arrays import Array
from recon3d.scene import Scene
from recon3d.stages.frames import frames
from recon3d.stages.job import Job

FOLDER = "tiles"
"""Of the tiles that are done, while others are not."""
PARTS = ("vertices", "triangles", "colors", "normals")
"""Arrays of a tile's file, beside its counts of voxels."""


@dataclass(frozen=True)
class FusedTiles:
    """The tiles of a plan, by their number.

    Attributes:
        scene: with `refine` done.
        job: the stage's; its report is told of the photos of each tile.
        plan: how.
        key: of the stage: tiles of other settings are others.
    """

    scene: Scene
    job: Job
    plan: FusePlan
    key: str
    title: str = "tiles"
    block: int = 1

    def path(self, number: int) -> Path:
        """Where a tile is kept."""
        return self.scene.bare.file(FOLDER) / f"{self.key[:16]}-{number}-of-{len(self.plan.tiles)}.npz"

    def begin(self) -> Doer[int, None]:
        """Nothing is shared but the plan."""

        def do(numbers: Sequence[int]) -> Iterator[tuple[int, None]]:
            for number in numbers:
                self._fuse(number)
                yield number, None

        return do

    def is_done(self, item: int) -> bool:
        """Whether the tile is there."""
        return self.scene.has(self.path(item))

    def reads(self, item: int) -> tuple[Path, ...]:
        """Tiles need nothing of each other."""
        return ()

    def give_up(self, item: int, reason: str) -> None:
        """A surface has no holes of this kind."""
        raise StageError(f"fuse: tile {item + 1} of {len(self.plan.tiles)}: {reason}; lower fuse.max_memory_gib")

    def _fuse(self, number: int) -> None:
        tile = self.plan.tiles[number]
        part = fuse_within(
            lambda tile: frames(self.scene, names=self.plan.near(tile)),
            self.plan,
            tile,
            self.job.device,
            self.job.report,
        )
        arrays = {name: getattr(part.mesh, name) for name in PARTS}
        with self.scene.replacing(self.path(number)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays, counts=(part.seen, part.kept))


def tile_array(path: Path, name: str) -> Array:
    """One array of a tile that is done.

    Raises:
        StageError: the file is damaged, or gone.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            array: Array = arrays[name]
            return array
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StageError(f"{path}: missing or damaged ({error}); delete it and run the command again") from error
