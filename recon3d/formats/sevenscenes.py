"""7-Scenes folders: photos, depth and poses side by side, frame by frame."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.untrusted import floats, naming, pose_numbers, read_text
from recon3d.geometry.arrays import Array
from recon3d.geometry.se3 import SE3

PHOTO = re.compile(r"frame-\d+\.color\.(jpg|jpeg|png)", re.IGNORECASE)
DEPTH_UNIT_M = 0.001
K_FILE = "camera-intrinsics.txt"


@dataclass(frozen=True, eq=False)
class SevenScenes:
    """One sequence.

    Attributes:
        photos: frame-N.color.jpg or .png, by frame number.
        world_from_cam: [m], by photo; photos without a pose, or with one of NaN (tracking was lost), are left out.
        depth: frame-N.depth.png by photo where there is one: uint16 mm, 0 and 65535 = none.
        K: (3, 3) [px], pixel centres at integers; empty (0, 0) where there is no camera-intrinsics.txt.
        files: every file but the photos.
    """

    photos: tuple[Path, ...]
    world_from_cam: dict[Path, SE3]
    depth: dict[Path, Path]
    K: Array
    files: tuple[Path, ...]


def is_sevenscenes(folder: Path) -> bool:
    """Whether `folder` holds frame-N.color photos with depth or poses beside them."""
    return any(_beside(path, end).is_file() for path in _photos(folder) for end in (".pose.txt", ".depth.png"))


def read_sevenscenes(folder: Path) -> SevenScenes:
    """Reads the poses of a 7-Scenes folder, and finds its photos and depth maps.

    Raises:
        InputError: no frames, or a pose or K that can't be, naming the file.
    """
    photos = _photos(folder)
    if not photos:
        raise InputError(f"{folder}: got no frame-N.color.jpg or .png, wanted a sequence of 7-Scenes")
    poses = {photo: _beside(photo, ".pose.txt") for photo in photos if _beside(photo, ".pose.txt").is_file()}
    depth = {photo: _beside(photo, ".depth.png") for photo in photos if _beside(photo, ".depth.png").is_file()}
    matrices = {photo: _numbers(path, (4, 4)) for photo, path in poses.items()}
    world_from_cam = {}
    for photo, matrix in matrices.items():
        if np.isfinite(matrix).all():
            with naming(poses[photo]):
                world_from_cam[photo] = SE3.from_matrix(pose_numbers(matrix))
    files = [*poses.values(), *depth.values()]
    K = np.zeros((0, 0))
    if (folder / K_FILE).is_file():
        K = _numbers(folder / K_FILE, (3, 3))
        files.append(folder / K_FILE)
    return SevenScenes(tuple(photos), world_from_cam, depth, K, tuple(files))


def _photos(folder: Path) -> list[Path]:
    """Photos by frame number."""
    found = [path for path in folder.iterdir() if PHOTO.fullmatch(path.name)]
    return sorted(found, key=lambda path: (int(path.name.partition(".")[0][6:]), path.name))


def _beside(photo: Path, end: str) -> Path:
    """The file of the same frame that ends so."""
    return photo.with_name(photo.name.partition(".")[0] + end)


def _numbers(path: Path, shape: tuple[int, int]) -> Array:
    """A matrix in a text file."""
    values = floats(read_text(path).replace(",", " ").split(), str(path))
    if len(values) != shape[0] * shape[1]:
        raise InputError(f"{path}: got {len(values)} numbers, wanted a {shape[0]}x{shape[1]} matrix")
    return np.array(values).reshape(shape)
