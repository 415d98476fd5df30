"""COLMAP models: cameras and poses, from text and binary files."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recon3d.errors import InputError
from recon3d.formats.colmap_camera import MODEL_IDS, MODELS, calibration_from_colmap
from recon3d.formats.untrusted import floats, naming, pose_numbers, read_bytes, read_text
from recon3d.geometry.camera import Calibration
from recon3d.geometry.se3 import SE3

FOLDERS = (".", "sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse", "colmap")
"""Where a model is looked for, beside other numbers under sparse."""
MAX_BYTES = 8 * 2**30
"""Large models have images files of gigabytes: every feature of every photo stands in them."""


@dataclass(frozen=True)
class ColmapImage:
    """One registered photo.

    Attributes:
        name: its path relative to the image folder, as COLMAP has it.
        camera_id: key into the model's calibrations.
        world_from_cam: in the model's own unit.
    """

    name: str
    camera_id: int
    world_from_cam: SE3


@dataclass(frozen=True)
class ColmapModel:
    """Cameras and poses of a COLMAP model; its points are not read.

    Attributes:
        calibrations: of the cameras that images use, by camera id; pixel centres at integers.
        images: in the file's order.
        files: the files read.
    """

    calibrations: dict[int, Calibration]
    images: tuple[ColmapImage, ...]
    files: tuple[Path, ...]


def is_colmap_model(folder: Path) -> bool:
    """Whether `folder` itself holds cameras and images, .bin or .txt."""
    return any((folder / f"cameras{end}").is_file() and (folder / f"images{end}").is_file() for end in (".bin", ".txt"))


def find_colmap_model(folder: Path) -> Path:
    """The folder of the COLMAP model in or under `folder`; of several, the one with the most images.

    sparse/0 is not always the largest: COLMAP numbers its models as it finds them.

    Raises:
        InputError: there is none.
    """
    found = colmap_models(folder)
    if not found:
        raise InputError(
            f"{folder}: got no COLMAP model, wanted cameras and images (.bin or .txt) in it or in sparse/0"
        )
    return found[0] if len(found) == 1 else max(found, key=lambda path: len(_read_images(path)[1]))


def colmap_models(folder: Path) -> list[Path]:
    """Folders in the usual places under `folder` that hold a COLMAP model."""
    candidates = [folder / sub for sub in FOLDERS]
    for sub in ("sparse", "colmap/sparse"):
        if (folder / sub).is_dir():
            candidates += sorted(path for path in (folder / sub).iterdir() if path.name.isdecimal())
    return [path for path in dict.fromkeys(candidates) if is_colmap_model(path)]


def read_colmap(folder: Path) -> ColmapModel:
    """Reads cameras and images of a COLMAP model.

    COLMAP's cam_from_world is inverted, and its pixel centres at ½ become ours at integers (cx - ½, cy - ½). Models of
    COLMAP 3 and 4 (with rigs and frames beside) are read alike.

    Args:
        folder: holds cameras and images, .bin or .txt.

    Raises:
        InputError: a file is missing or broken, or a camera or pose can't be, naming file and entry.
    """
    images_path, images = _read_images(folder)
    cameras_path = folder / f"cameras{images_path.suffix}"
    raw = _binary_cameras(cameras_path) if images_path.suffix == ".bin" else _text_cameras(cameras_path)
    calibrations = {}
    for image in images:
        if image.camera_id not in raw:
            raise InputError(
                f"{images_path}: image {image.name}: got camera {image.camera_id}, which {cameras_path} lacks"
            )
        if image.camera_id not in calibrations:
            with naming(f"{cameras_path}: camera {image.camera_id}"):
                model, width, height, params = raw[image.camera_id]
                calibrations[image.camera_id] = calibration_from_colmap(model, params, width, height)
    return ColmapModel(calibrations, images, (cameras_path, images_path))


def _read_images(folder: Path) -> tuple[Path, tuple[ColmapImage, ...]]:
    """The images file that is read, and its images; binary files win where there are both."""
    if (folder / "images.bin").is_file() and (folder / "cameras.bin").is_file():
        path, read = folder / "images.bin", _binary_images
    else:
        path, read = folder / "images.txt", _text_images
    images = tuple(read(path))
    names: set[str] = set()
    for image in images:
        if image.name in names:
            raise InputError(f"{path}: image {image.name} is there twice, wanted names once")
        names.add(image.name)
    return path, images


def _image(name: str, camera_id: int, quat_wxyz: list[float], t: list[float]) -> ColmapImage:
    """An image from COLMAP's cam_from_world."""
    cam_from_world = SE3.from_quat_wxyz(pose_numbers(quat_wxyz), pose_numbers(t))
    return ColmapImage(name, camera_id, cam_from_world.inverse())


class _Binary:
    """Reads little-endian values from bytes, refusing to read past the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = read_bytes(path, limit=MAX_BYTES)
        self.at = 0

    def take(self, layout: str) -> tuple[float, ...]:
        """The next values of a `struct` layout."""
        size = struct.calcsize("<" + layout)
        self.skip(size)
        return struct.unpack_from("<" + layout, self.data, self.at - size)

    def skip(self, size: int) -> None:
        """Goes on by `size` bytes."""
        if size > len(self.data) - self.at:
            raise InputError(f"{self.path}: the file ends within an entry ({len(self.data)} bytes); is it whole?")
        self.at += size

    def count(self, smallest: int) -> int:
        """A count of entries of at least `smallest` bytes each, checked against what is left."""
        (count,) = self.take("Q")
        if count * smallest > len(self.data) - self.at:
            raise InputError(f"{self.path}: got a count of {count:.0f} entries, more than the file holds; is it whole?")
        return int(count)

    def text(self) -> str:
        """A text that ends with a zero byte."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise InputError(f"{self.path}: the file ends within a name; is it whole?")
        raw, self.at = self.data[self.at : end], end + 1
        return raw.decode("utf-8", errors="replace")


def _binary_cameras(path: Path) -> dict[int, tuple[str, int, int, list[float]]]:
    """(model, width, height, parameters) by camera id."""
    file = _Binary(path)
    cameras = {}
    for _ in range(file.count(24)):
        camera_id, model_id, width, height = (int(value) for value in file.take("IiQQ"))
        if model_id not in MODEL_IDS:  # how many parameters follow is not known
            raise InputError(
                f"{path}: camera {camera_id}: got camera model number {model_id}, wanted one of {MODEL_IDS}"
            )
        model = MODEL_IDS[model_id]
        params = list(file.take(f"{len(MODELS[model][1].split())}d"))
        cameras[camera_id] = (model, width, height, params)
    return cameras


def _binary_images(path: Path) -> Iterator[ColmapImage]:
    file = _Binary(path)
    for _ in range(file.count(73)):
        image_id, *values = file.take("I7d")
        (camera_id,) = file.take("I")
        name = file.text()
        with naming(f"{path}: image {int(image_id)} ({name})"):
            yield _image(name, int(camera_id), values[:4], values[4:])
        file.skip(24 * file.count(24))


def _text_cameras(path: Path) -> dict[int, tuple[str, int, int, list[float]]]:
    """(model, width, height, parameters) by camera id."""
    cameras = {}
    for row, line in enumerate(read_text(path).splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 5:
            raise InputError(f"{path}: row {row}: got {len(words)} words, wanted id, model, width, height, parameters")
        camera_id, width, height = _whole([words[0], *words[2:4]], f"{path}: row {row}")
        cameras[camera_id] = (words[1], width, height, floats(words[4:], f"{path}: row {row}"))
    return cameras


def _text_images(path: Path) -> Iterator[ColmapImage]:
    lines = enumerate(read_text(path, limit=MAX_BYTES).split("\n"), 1)
    for row, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.strip().split(maxsplit=9)
        if len(words) != 10:
            raise InputError(f"{path}: row {row}: got {len(words)} words, wanted id, qw qx qy qz, x y z, camera, name")
        _, camera_id = _whole([words[0], words[8]], f"{path}: row {row}")
        values = floats(words[1:8], f"{path}: row {row}")
        with naming(f"{path}: row {row} ({words[9]})"):
            yield _image(words[9], camera_id, values[:4], values[4:])
        next(lines, None)  # the row of its points, which may be empty


def _whole(words: list[str], where: str) -> list[int]:
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise InputError(f"{where}: {error}; wanted whole numbers") from error
