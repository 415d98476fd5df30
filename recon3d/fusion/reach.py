"""Reach: the box of the world that a frame's depths lie in, by which a tile knows the frames that it can do without."""

from dataclasses import dataclass

import numpy as np

from recon3d.fusion.tiles import Tile
from recon3d.geometry import Frame

CELL = 16
"""Pixels along the edge of the squares that the depths are looked at in."""


@dataclass(frozen=True)
class Reach:
    """Where a frame has depth; nothing of it lies outside, however its pixels are counted.

    Attributes:
        name: of the frame.
        low: least x, y, z of its depths [m].
        high: greatest.
        slope: longest way along a ray for one metre of depth [m].
    """

    name: str
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    slope: float

    @classmethod
    def of(cls, frame: Frame) -> "Reach":
        """The box round a frame with depth.

        Each square of pixels lies between its least and its greatest depth, within the rays through its corners: half
        a pixel out of the outermost centres, so that no convention of where a pixel stands makes a difference.
        """
        camera, (height, width) = frame.camera, frame.depth.shape
        rows, columns = -(-height // CELL), -(-width // CELL)
        squares = np.zeros((rows * CELL, columns * CELL), np.float32)
        squares[:height, :width] = frame.depth
        squares = squares.reshape(rows, CELL, columns, CELL)
        far = squares.max(axis=(1, 3))
        near = np.where(squares > 0, squares, np.inf).min(axis=(1, 3))
        used = far > 0
        u = (np.minimum(np.arange(columns + 1) * CELL, width) - 0.5 - camera.cx) / camera.fx
        v = (np.minimum(np.arange(rows + 1) * CELL, height) - 0.5 - camera.cy) / camera.fy
        corners = np.stack([*np.meshgrid(u, v), np.ones((rows + 1, columns + 1))], axis=2)
        rays = np.stack([corners[i : rows + i, j : columns + j][used] for i in (0, 1) for j in (0, 1)])
        points = np.concatenate([rays * depth[used][:, None] for depth in (near, far)]).reshape(-1, 3)
        points = frame.world_from_cam @ points.astype(np.float64)
        low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return cls(frame.name, tuple(low), tuple(high), float(np.linalg.norm(rays, axis=2).max()))

    def touches(self, tile: Tile, truncation: float, block_size: float) -> bool:
        """Whether the frame may have a say in a tile or the blocks around it.

        Args:
            tile: the box.
            truncation: distance from a depth, along z, that is touched, too [m].
            block_size: edge of a block [m].
        """
        further = truncation * self.slope + block_size  # a block more than it takes, as the grid rounds to float32
        first = np.floor((np.array(self.low) - further) / block_size)
        last = np.floor((np.array(self.high) + further) / block_size)
        return bool((last >= np.array(tile.low) - 1).all() and (first <= np.array(tile.high)).all())
