"""Made-up captures of the room: exact ties, and depth that is wrong in known ways."""

from dataclasses import dataclass

import cv2
import numpy as np
from synthetic import room_frames

from recon3d.geometry import Frame
from recon3d.scale.ties import Ties


@dataclass(frozen=True)
class Capture:
    """Exact frames, and ties of each to points that several of them see."""

    frames: list[Frame]
    ties: list[Ties]


def capture(count: int, *, points: int = 240, width: int = 80, height: int = 60) -> Capture:
    """Frames of the room and the exact ties of random points of its surfaces."""
    frames = room_frames(count, width, height)
    rng = np.random.default_rng(0)
    world = []
    for frame in frames:
        seen = frame.world_from_cam @ frame.camera.backproject(frame.depth).reshape(-1, 3).astype(float)
        world.append(seen[rng.choice(len(seen), points // count, replace=False)])
    everything = np.concatenate(world)
    return Capture(frames, [_ties(frame, everything) for frame in frames])


def _ties(frame: Frame, points: np.ndarray) -> Ties:
    local = frame.world_from_cam.inverse() @ points
    local = local[local[:, 2] > 0.1]
    uv = frame.camera.project(local)
    u, v = np.rint(uv).astype(int).T
    inside = (u >= 0) & (u < frame.camera.width) & (v >= 0) & (v < frame.camera.height)
    uv, z, u, v = uv[inside], local[inside, 2], u[inside], v[inside]
    seen = np.abs(frame.depth[v, u] / z - 1) < 0.02
    return Ties(uv[seen], z[seen], np.ones(np.count_nonzero(seen)))


def injected(depth: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Depth of a bad network: times the factor, 5 % low-frequency noise, blurred edges, 2 % outliers."""
    height, width = depth.shape
    waves = cv2.resize(rng.normal(0, 1, (4, 5)), (width, height), interpolation=cv2.INTER_CUBIC)
    waves = 0.05 * (waves - waves.mean()) / waves.std()
    wrong = cv2.GaussianBlur(depth, (0, 0), 1.0) * np.exp(waves) * factor
    astray = rng.random(depth.shape) < 0.02
    wrong[astray] *= rng.uniform(0.3, 3.0, np.count_nonzero(astray))
    return wrong.astype(np.float32)
