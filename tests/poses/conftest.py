import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from synthetic import room_frames, write_photos

from recon3d.geometry import SE3, Calibration, Camera, Frame
from recon3d.poses.matching import Matching
from recon3d.poses.sfm import reconstruct
from recon3d.settings import PosesSettings

SETTINGS = PosesSettings(features=800)


@dataclass(frozen=True)
class Capture:
    """Photos of the made-up room, and what is known about them."""

    frames: list[Frame]
    photos: dict[str, Path]
    guess: dict[str, Calibration]
    truth: dict[str, Calibration]
    world_from_cam: dict[str, SE3]


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """Five photos of the room; the first two have names that trouble file formats."""
    folder = tmp_path_factory.mktemp("room")
    frames = room_frames(5, 256, 192)
    write_photos(folder, frames)
    names = ["# Ünser Bild 1 %20", 'it\'s.a "name"', *[frame.name for frame in frames[2:]]]
    photos = {}
    for name, frame in zip(names, frames, strict=True):
        photos[name] = (folder / f"{frame.name}.png").rename(folder / f"{name}.png")
    guess = Calibration(Camera.from_fov(256, 192, math.radians(60)))
    truth = Calibration(frames[0].camera, source="calib file")
    return Capture(
        frames,
        photos,
        dict.fromkeys(photos, guess),
        dict.fromkeys(photos, truth),
        {name: frame.world_from_cam for name, frame in zip(names, frames, strict=True)},
    )


@pytest.fixture(scope="session")
def placed(room: Capture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the room with nothing known about the camera."""
    return reconstruct(Matching.of(room.photos, room.guess, SETTINGS), tmp_path_factory.mktemp("placed") / "sparse")


@pytest.fixture(scope="session")
def triangulated(room: Capture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the room with poses and camera given."""
    folder = tmp_path_factory.mktemp("given") / "sparse"
    return reconstruct(Matching.of(room.photos, room.truth, SETTINGS, given=room.world_from_cam), folder)
