"""Captures of the made-up room with something amiss, run to the mesh and scored against the room as it is."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from synthetic import Array, Box, color_at, render, write_photos

from recon3d.files import write_json
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.scene_poses import poses_as_json
from recon3d.geometry import SE3, Frame
from recon3d.metrics.surface import SurfaceErrors, sample_surface, surface_errors
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.chain import run
from recon3d.stages.job import Job

PERSON = np.array([0.45, 0.45, 1.7])
"""Size of who walks through the room [m]."""


@dataclass(frozen=True)
class Capture:
    """A capture on disk.

    Attributes:
        photos: folder of them.
        settings: that hand in the poses, the camera and the depth maps.
    """

    photos: Path
    settings: tuple[str, ...]

    def mesh(self, root: Path, *more: str, model=None, until: str = "mesh") -> Scene:
        """The scene with its mesh, or as far as another stage leaves it."""
        job = Job(Settings().with_assignments([*self.settings, *more]), "cpu", model)
        for outcome in run(self.photos, root, job):
            if outcome.stage == until:
                break
        return Scene.open(root)


def written(folder: Path, frames: Sequence[Frame], poses: dict[str, SE3] | None = None) -> Capture:
    """Writes photos, poses (of the frames, or others), camera, and depth maps as a network's: blurred, off, wavy."""
    poses = {frame.name: frame.world_from_cam for frame in frames} | (poses or {})
    write_photos(folder / "photos", frames)
    write_json(folder / "poses.json", poses_as_json(poses))
    np.savetxt(folder / "K.txt", frames[0].camera.K)
    (folder / "maps").mkdir()
    rng = np.random.default_rng(0)
    for frame in frames:
        np.save(folder / "maps" / f"{frame.name}.npy", as_predicted(frame.depth, rng))
    files = {"poses.file": "poses.json", "photos.camera": "K.txt", "depth.maps": "maps"}
    return Capture(folder / "photos", tuple(f"{name}={folder / file}" for name, file in files.items()))


def as_predicted(depth: Array, rng: np.random.Generator) -> Array:
    """Depth as a network gives it: edges blurred, a tenth off as a whole, a twentieth in slow waves."""
    waves = cv2.resize(rng.normal(0, 0.05, (3, 4)), depth.shape[::-1], interpolation=cv2.INTER_CUBIC)
    spoilt = cv2.GaussianBlur(depth, (0, 0), 1.5) * np.exp(rng.normal(0, 0.1) + waves)
    return spoilt.astype(np.float32)


def exposed(frame: Frame, stops: float) -> Frame:
    """The photo with so many times twice the light: what is too bright for sRGB's 255 is clipped."""
    grey = frame.image / 255.0
    light = np.where(grey <= 0.04045, grey / 12.92, ((grey + 0.055) / 1.055) ** 2.4)
    light = np.minimum(light * 2.0**stops, 1)
    grey = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return dataclasses.replace(frame, image=np.rint(255 * grey).astype(np.uint8))


def visited(frame: Frame, place: Sequence[float]) -> Frame:
    """The photo with a person who stands on the floor at (x, y) [m], in clothes of a pattern that walks along."""
    low = np.array([*place, 0.0])
    body = Box(low, low + PERSON)
    alone = render(frame.name, body, frame.camera, frame.world_from_cam)
    rays = frame.camera.rays().astype(np.float64) @ frame.world_from_cam.R.T
    points = frame.world_from_cam.t + rays * alone.depth[..., None] - low
    clothes = color_at(points, np.maximum(alone.depth, 1e-3) / frame.camera.fx, seed=7)
    before = (alone.depth > 0) & (alone.depth < frame.depth)
    image = np.where(before[..., None], clothes, frame.image)
    depth = np.where(before, alone.depth, frame.depth)
    return dataclasses.replace(frame, image=image, depth=depth)


def surface(frames: Sequence[Frame], spacing: float = 0.01) -> Array:
    """(N, 3) every point that a pixel shows, one for each cube of an edge [m]."""
    points = np.concatenate([f.world_from_cam @ f.camera.backproject(f.depth).reshape(-1, 3) for f in frames])
    return points[np.unique(np.floor(points / spacing).astype(int), axis=0, return_index=True)[1]]


def errors(scene: Scene, truth: Array, limit_m: float = 0.05) -> SurfaceErrors:
    """Of the scene's mesh."""
    return surface_errors(sample_surface(read_mesh(scene.file("mesh.ply")), 50_000), truth, (limit_m,))
