"""Tiles: the blocks of a scene in boxes that fit the memory one at a time, and one mesh of the surfaces in them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array

FAR = 2**20
"""Blocks lie within this many of the origin along each axis: their numbers must fit float32 and 21 bits."""


@dataclass(frozen=True)
class Tile:
    """A box of blocks; the boxes of a scene fill all space and don't overlap.

    Attributes:
        low: first block along x, y, z.
        high: block after the last.
    """

    low: tuple[int, int, int] = (-FAR, -FAR, -FAR)
    high: tuple[int, int, int] = (FAR, FAR, FAR)

    def holds(self, blocks: Array, halo: int = 0) -> Array:
        """(N,) bool: which blocks (N, 3) lie in the box, or within `halo` blocks of it."""
        inside = (blocks >= np.array(self.low) - halo) & (blocks < np.array(self.high) + halo)
        every: Array = np.all(inside, axis=1)
        return every

    def cut(self, axis: int, at: int) -> tuple["Tile", "Tile"]:
        """The parts below and from block `at` on."""
        below, above = list(self.high), list(self.low)
        below[axis] = above[axis] = at
        return Tile(self.low, (below[0], below[1], below[2])), Tile((above[0], above[1], above[2]), self.high)

    def scaled(self, factor: int) -> "Tile":
        """The same box counted in blocks `factor` times as small."""
        low, high = (np.array(end) * factor for end in (self.low, self.high))
        low, high = np.maximum(low, -FAR).tolist(), np.minimum(high, FAR).tolist()
        return Tile((low[0], low[1], low[2]), (high[0], high[1], high[2]))


WHOLE = Tile()
"""All of space."""


def tiles_of(blocks: Array, most: int) -> tuple[Tile, ...]:
    """Cuts space into boxes that hold at most so many blocks, with the ones around that meshing them takes.

    Each box that holds too many is cut across its longest side, so that half its blocks lie to either side.

    Args:
        blocks: (N, 3) int coordinates of the blocks with surface, no two the same.
        most: blocks per tile; tiles of a single block may have more.
    """
    done, todo = [], [WHOLE]
    while todo:
        tile = todo.pop()
        halves = halved(tile, blocks) if np.count_nonzero(tile.holds(blocks, halo=1)) > most else ()
        if halves:
            todo += halves[::-1]
        else:
            done.append(tile)
    return tuple(done)


def halved(tile: Tile, blocks: Array) -> tuple[Tile, ...]:
    """The box cut across its longest side, half its blocks (N, 3) to either side; nothing of a single block."""
    own = blocks[tile.holds(blocks)]
    sides = np.ptp(own, axis=0) if len(own) else np.zeros(3, int)
    if not sides.any():
        return ()
    axis = int(sides.argmax())
    return tile.cut(axis, max(int(np.median(own[:, axis])), int(own[:, axis].min()) + 1))


def part_of(mesh: Mesh, tile: Tile, block_size: float) -> Mesh:
    """The triangles whose middle lies in the tile, with their vertices.

    Neighbouring tiles mesh the blocks around their border both, to the same bits; each triangle is then kept by one.

    Args:
        mesh: of a tile and the blocks around it.
        tile: the box.
        block_size: edge of a block [m].
    """
    a, b, c = (mesh.vertices[mesh.triangles[:, corner]] for corner in range(3))
    blocks = np.floor((a + b + c) / (3 * block_size)).astype(np.int64)
    return mesh.part(tile.holds(blocks))


def joined(meshes: Iterable[Mesh]) -> Mesh:
    """All meshes with normals as one; vertices at one place are not yet made one."""
    parts = list(meshes)
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.triangles + np.int32(start) for part, start in zip(parts, starts, strict=True)]),
        np.concatenate([part.colors for part in parts]),
        np.concatenate([part.normals for part in parts if part.normals is not None]),
    )
