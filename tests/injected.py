"""Made-up captures of the room: exact ties, and depth that is wrong in known ways."""

from dataclasses import dataclass

import cv2
import numpy as np
from synthetic import room_frames

from recon3d.geometry import Calibration, Frame
from recon3d.poses.sparse import Sparse
from recon3d.scale.ties import Ties


@dataclass(frozen=True)
class Capture:
    """Exact frames, points that they see, and the ties between them."""

    frames: list[Frame]
    points: np.ndarray
    ties: list[Ties]

    def sparse(self, unit: float = 1.0) -> Sparse:
        """The sparse model of it, a unit of which is so many metres."""
        seen = [_seen(frame, self.points) for frame in self.frames]
        photo = np.concatenate([np.full(len(index), i) for i, index in enumerate(seen)])
        return Sparse(
            {frame.name: Calibration(frame.camera, source="SfM") for frame in self.frames},
            {frame.name: frame.world_from_cam.scaled(1 / unit) for frame in self.frames},
            self.points / unit,
            np.concatenate(seen),
            photo,
            np.concatenate([ties.uv for ties in self.ties]),
            np.full(len(photo), 0.3),
        )


def capture(count: int, *, points: int = 240, width: int = 80, height: int = 60) -> Capture:
    """Frames of the room and the exact ties of random points of its surfaces."""
    frames = room_frames(count, width, height)
    rng = np.random.default_rng(0)
    world = []
    for frame in frames:
        seen = frame.world_from_cam @ frame.camera.backproject(frame.depth).reshape(-1, 3).astype(float)
        world.append(seen[rng.choice(len(seen), points // count, replace=False)])
    everything = np.concatenate(world)
    return Capture(frames, everything, [_ties(frame, everything) for frame in frames])


def _ties(frame: Frame, points: np.ndarray) -> Ties:
    local = frame.world_from_cam.inverse() @ points[_seen(frame, points)]
    return Ties(frame.camera.project(local), local[:, 2].copy(), np.ones(len(local)))


def _seen(frame: Frame, points: np.ndarray) -> np.ndarray:
    """Which points the frame sees: those inside of it whose depth is that of its surface."""
    local = frame.world_from_cam.inverse() @ points
    u, v = np.rint(frame.camera.project(np.where(local[:, 2:] > 0.1, local, [0, 0, 1]))).astype(int).T
    inside = (local[:, 2] > 0.1) & (u >= 0) & (u < frame.camera.width) & (v >= 0) & (v < frame.camera.height)
    depth = frame.depth[np.where(inside, v, 0), np.where(inside, u, 0)]
    return np.flatnonzero(inside & (np.abs(depth / np.where(inside, local[:, 2], 1) - 1) < 0.02))


def injected(depth: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Depth of a bad network: times the factor, 5 % low-frequency noise, blurred edges, 2 % outliers."""
    height, width = depth.shape
    waves = cv2.resize(rng.normal(0, 1, (4, 5)), (width, height), interpolation=cv2.INTER_CUBIC)
    waves = 0.05 * (waves - waves.mean()) / waves.std()
    wrong = cv2.GaussianBlur(depth, (0, 0), 1.0) * np.exp(waves) * factor
    astray = rng.random(depth.shape) < 0.02
    wrong[astray] *= rng.uniform(0.3, 3.0, np.count_nonzero(astray))
    return wrong.astype(np.float32)
