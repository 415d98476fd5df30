"""Survey: a few depths of each frame, from which the fusion is planned."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError, StageError
from recon3d.fusion.reach import Reach
from recon3d.fusion.tiles import FAR
from recon3d.fusion.trust import Trust, cosines
from recon3d.geometry import Frame
from recon3d.geometry.arrays import Array

SAMPLES_PER_FRAME = 3000
"""Depths per frame that the plan is made from."""
NOISE_PERCENTILE = 90
"""Share of the depths whose sigma the truncation must hold: the far ones are noisy, and theirs is most of the area."""
BAND_STEPS = 8
"""The truncation is at most this many half cells where blocks are counted; deeper ones are counted in larger."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of the frames before they are fused.

    Attributes:
        samples: of each frame with depth.
        reaches: where each frame with depth has it.
    """

    samples: "list[Sample]"
    reaches: tuple[Reach, ...]

    @classmethod
    def of(cls, frames: Iterable[Frame]) -> "Survey":
        """Looks at frames, one at a time.

        Raises:
            StageError: no frame has any depth.
        """
        samples, reaches = [], []
        for frame in frames:
            if not frame.depth.any():
                continue
            reaches.append(Reach.of(frame))
            sample = Sample.of(frame)
            if len(sample.depth):  # a frame may have depth at none of the pixels that are looked at
                samples.append(sample)
        if not samples:
            raise StageError("fuse: no photo has any depth left; see what refine dropped, or loosen its settings")
        return cls(samples, tuple(reaches))

    @property
    def views(self) -> int:
        """Frames with depth."""
        return len(self.samples)

    def footprint(self) -> float:
        """Median width of a pixel on the surface [m]."""
        return float(np.median(np.concatenate([sample.footprint for sample in self.samples])))

    def median_depth(self) -> float:
        """[m]."""
        return float(np.median(np.concatenate([sample.depth for sample in self.samples])))

    def extent(self) -> float:
        """Longest side of the box around all but the outermost points [m]."""
        low, high = np.percentile(np.concatenate([sample.points() for sample in self.samples]), [1, 99], axis=0)
        return float((high - low).max())

    def noise(self) -> float:
        """What nine of ten sigmas stay under [m]; 0 where the frames have none."""
        return float(np.percentile(np.concatenate([sample.sigma for sample in self.samples]), NOISE_PERCENTILE))

    def trust(self, least_sigma: float) -> Trust | None:
        """How observations are weighted; None where no frame has a sigma."""
        known = [sample for sample in self.samples if sample.has_sigma]
        if not known:
            return None
        cosine, depth, sigma = (
            np.concatenate([getattr(sample, name) for sample in known]) for name in ("cosine", "depth", "sigma")
        )
        return Trust.from_samples(cosine, depth, sigma, least_sigma)

    def blocks(self, block_size: float, truncation: float) -> tuple[Array, int, float, int]:
        """Where the frames' surfaces are, in cells of one block or, where samples are sparser than blocks, of several.

        Args:
            block_size: edge of a block [m].
            truncation: distance from the surface that is touched, too [m].

        Returns:
            (N, 3) int64 coordinates of the cells; the blocks along a cell's edge; the blocks that a cell stands for;
            and the most cells that one frame touches.

        Raises:
            InputError: a frame sees something too far away to be counted in blocks.
        """
        spacing = float(np.median(np.concatenate([sample.footprint * sample.stride for sample in self.samples])))
        per_edge = max(1, math.ceil(max(spacing, 4 * truncation / BAND_STEPS) / block_size))
        cell = block_size * per_edge
        offsets = np.linspace(-truncation, truncation, 1 + math.ceil(4 * truncation / cell))
        at_once, known, fresh = 0, np.empty(0, np.int64), []
        for sample in self.samples:
            touched = np.unique(np.concatenate([_keys(sample, float(offset), cell) for offset in offsets]))
            at_once = max(at_once, len(touched))
            fresh.append(touched)
            if len(fresh) == 64:
                known, fresh = np.unique(np.concatenate([known, *fresh])), []
        known = np.unique(np.concatenate([known, *fresh]))
        # A surface takes four blocks for one when they are half as large, and the band around it twice as many layers.
        layers = (1 + 2 * truncation / block_size) / (1 + 2 * truncation / cell)
        return _cells(known), per_edge, per_edge**2 * layers, at_once


@dataclass(frozen=True, eq=False)
class Sample:
    """A few depths of one frame.

    Attributes:
        name: of the frame.
        centre: (3,) of the camera [m].
        directions: (N, 3) float32, in the world, one unit of depth long.
        depth: (N,) float32 [m].
        footprint: (N,) float32, width of a pixel at that depth [m].
        sigma: (N,) float32 [m], 0 where it is unknown.
        cosine: (N,) float32 of the angle between ray and normal.
        has_sigma: whether the frame has a sigma.
        stride: pixels from one sample to the next.
    """

    name: str
    centre: Array
    directions: Array
    depth: Array
    footprint: Array
    sigma: Array
    cosine: Array
    has_sigma: bool
    stride: int

    @classmethod
    def of(cls, frame: Frame) -> "Sample":
        """Depths on a regular grid of pixels."""
        stride = max(1, math.isqrt(frame.depth.size // SAMPLES_PER_FRAME))
        depth = frame.depth[::stride, ::stride]
        cosine = cosines(depth, frame.camera)
        valid = depth > 0
        depth = depth[valid]
        directions = frame.camera.rays()[::stride, ::stride][valid] @ frame.world_from_cam.R.T.astype(np.float32)
        sigma = np.zeros_like(depth) if frame.sigma is None else frame.sigma[::stride, ::stride][valid]
        return cls(
            frame.name,
            frame.world_from_cam.t,
            directions,
            depth,
            depth / np.float32(frame.camera.fx),
            sigma,
            cosine[valid],
            frame.sigma is not None,
            stride,
        )

    def points(self, offset: float = 0.0) -> Array:
        """(N, 3) points of the world [m], `offset` behind the surface along z [m]."""
        points: Array = self.centre + self.directions * np.maximum(self.depth + np.float32(offset), 0)[:, None]
        return points


def _keys(sample: Sample, offset: float, cell: float) -> Array:
    """(N,) int64 key of the cell that each point of a sample lies in."""
    cells = np.floor(sample.points(offset) / cell)
    if np.abs(cells).max() >= FAR:
        raise InputError(
            f"{sample.name}: sees points {np.abs(cells).max() * cell:.3g} m from the origin, beyond {FAR} blocks of "
            f"{cell:.3g} m; wanted poses nearer to the origin, or a larger fuse.voxel_size"
        )
    keys: Array = (cells + FAR).astype(np.int64) @ np.array([4 * FAR**2, 2 * FAR, 1])
    return keys


def _cells(keys: Array) -> Array:
    """(N, 3) int64: the cells that keys stand for."""
    return np.stack([keys // (4 * FAR**2), keys // (2 * FAR) % (2 * FAR), keys % (2 * FAR)], axis=1) - FAR
