"""Captures: photos with what was recorded or computed beside them, in any layout we know."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from recon3d.errors import InputError
from recon3d.formats.camera_file import calibration_from_K
from recon3d.formats.colmap import colmap_models, find_colmap_model, read_colmap
from recon3d.formats.nerfstudio import read_transforms
from recon3d.formats.sevenscenes import DEPTH_UNIT_M, K_FILE, is_sevenscenes, read_sevenscenes
from recon3d.formats.untrusted import naming
from recon3d.formats.upright import StoredPhoto, stored_photos, upright_calibration, upright_pose
from recon3d.geometry.camera import Calibration
from recon3d.geometry.se3 import SE3
from recon3d.photos.find import find_photos, not_files
from recon3d.photos.sniff import shown

TRANSFORMS = "transforms.json"
ENDINGS = ("", ".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")
"""Tried in turn after a file_path that leaves its ending out."""


@dataclass(frozen=True, eq=False)
class Capture:
    """Photos and what stands beside them, keyed by photo path.

    Cameras and poses are those of the upright photos.

    Attributes:
        photos: in capture order.
        format: a key of `READERS`.
        calibrations: of the photos whose camera is recorded; of the size that they were recorded for.
        world_from_cam: poses, in metres where `metric`.
        metric: whether lengths are metres; else the unit is unknown.
        depth: recorded depth maps.
        depth_unit_m: metres per step of a uint16 depth map [m].
        files: every other file that the capture is made of: what a digest must cover.
        absent: photos that the layout lists and that aren't there, or are no regular files.
    """

    photos: tuple[Path, ...]
    format: str
    calibrations: dict[Path, Calibration] = field(default_factory=dict)
    world_from_cam: dict[Path, SE3] = field(default_factory=dict)
    metric: bool = False
    depth: dict[Path, Path] = field(default_factory=dict)
    depth_unit_m: float = DEPTH_UNIT_M
    files: tuple[Path, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """How one layout is known and read; both take a folder."""

    recognises: Callable[[Path], bool]
    read: Callable[[Path], Capture]


def read_capture(source: str | Path | Sequence[str | Path], format: str = "auto") -> Capture:
    """Finds the photos of a capture, and reads the cameras, poses and depth recorded with them.

    Args:
        source: a folder in any layout of `READERS`; or a glob, one photo, or photos one by one, which have nothing
            beside them.
        format: a key of `READERS`, or "auto": the first layout that recognises the folder.

    Raises:
        InputError: no such format or layout, no photos, or a file of the layout that can't be, naming it.
    """
    if format != "auto" and format not in READERS:
        raise InputError(f"photos.format: got {format!r}, wanted auto or one of {', '.join(READERS)}")
    folder = Path(os.path.expanduser(source)) if isinstance(source, str | Path) else None
    if folder is None or not os.path.isdir(folder):  # unlike is_dir, also where the name is too long to be one
        if format not in ("auto", "folder"):
            raise InputError(f"{source}: got no folder for photos.format {format}, wanted one")
        return Capture(tuple(find_photos(source)), "folder")
    if format == "auto":
        return _read_recognised(folder)
    return READERS[format].read(folder)


def _read_recognised(folder: Path) -> Capture:
    """The capture in the first layout that recognises the folder."""
    try:
        for name, reader in READERS.items():
            if name != "folder" and reader.recognises(folder):
                return reader.read(folder)
    except InputError as error:
        raise InputError(f"{error} (to take the photos alone: --set photos.format=folder)") from error
    return _read_folder(folder)


def _read_folder(folder: Path) -> Capture:
    return Capture(tuple(find_photos(folder)), "folder", absent=tuple(shown(path) for path in not_files(folder)))


def _read_7scenes(folder: Path) -> Capture:
    scene = read_sevenscenes(folder)
    headers = stored_photos(scene.photos) if scene.K.size else {}
    calibrations = {}
    if headers:  # one K for the sequence: of the size of any of its photos
        size = next(iter(headers.values())).upright_size
        calibration = calibration_from_K(scene.K, size, str(folder / K_FILE), source="capture")
        calibrations = dict.fromkeys(scene.photos, calibration)
    poses, depth, files = scene.world_from_cam, scene.depth, scene.files
    return Capture(scene.photos, "7scenes", calibrations, poses, metric=True, depth=depth, files=files)


def _read_nerfstudio(folder: Path) -> Capture:
    path = _transforms_path(folder)
    known = _known_photos(folder)
    frames = read_transforms(path).frames
    found = {frame.file_path: _existing(_inside(path.parent, frame.file_path, path), known) for frame in frames}
    absent = tuple(entry for entry, photos in found.items() if not photos)
    if len(absent) == len(found):
        raise InputError(f"{path}: none of its {len(found)} photos is there; the first is {absent[0]}")
    listed = [(frame, found[frame.file_path][0]) for frame in frames if found[frame.file_path]]
    _check_once(path, (photo for _, photo in listed))
    headers = stored_photos(photo for _, photo in listed)
    calibrations, poses, depth = {}, {}, {}
    for frame, photo in listed:
        header = headers.get(photo)
        size = frame.lens.size or (header.upright_size if header else None)
        poses[photo] = frame.world_from_cam
        if size and frame.lens.known:
            with naming(f"{path}: camera of {frame.file_path}"):
                calibrations[photo] = frame.lens.calibration(*size)
        if frame.depth_file_path and (map_path := _inside(path.parent, frame.depth_file_path, path)).is_file():
            depth[photo] = map_path
    poses, calibrations = _upright(poses, calibrations, headers)
    photos = _photos_of(known, poses)
    files = (path, *depth.values())
    return Capture(photos, "nerfstudio", calibrations, poses, depth=depth, files=files, absent=absent)


def _read_colmap(folder: Path) -> Capture:
    model = read_colmap(find_colmap_model(_colmap_root(folder)))
    path = model.files[-1]
    known = _known_photos(folder)
    roots = [folder, folder / "images"] if _colmap_root(folder) == folder else [folder]
    places = [
        {image.name: _existing(_inside(root, image.name, path), known) for image in model.images} for root in roots
    ]
    found = max(places, key=lambda place: sum(map(bool, place.values())))
    absent = tuple(name for name, photos in found.items() if not photos)
    if len(absent) == len(found):
        first = f"; the first is {absent[0]}" if absent else ""
        raise InputError(f"{path}: none of its {len(found)} photos is in {' or '.join(map(str, roots))}{first}")
    listed = [(image, found[image.name][0]) for image in model.images if found[image.name]]
    _check_once(path, (photo for _, photo in listed))
    poses = {photo: image.world_from_cam for image, photo in listed}
    calibrations = {photo: model.calibrations[image.camera_id] for image, photo in listed}
    poses, calibrations = _upright(poses, calibrations, stored_photos(poses))
    return Capture(_photos_of(known, poses), "colmap", calibrations, poses, files=model.files, absent=absent)


def _has_transforms(folder: Path) -> bool:
    """Whether transforms.json is in `folder`, or beside it and about photos in it."""
    path = _transforms_path(folder)
    if not path.is_file() or path.parent == folder:
        return path.is_file()
    known = _known_photos(folder)
    entries = (frame.file_path for frame in read_transforms(path).frames)
    return any(_existing(_inside(path.parent, entry, path), known, only_known=True) for entry in entries)


def _has_colmap(folder: Path) -> bool:
    """Whether a COLMAP model is in `folder`, or beside it and about photos in it."""
    root = _colmap_root(folder)
    if root == folder or not colmap_models(root):
        return root == folder
    model = read_colmap(find_colmap_model(root))
    return any(_existing(_inside(folder, image.name, model.files[-1]), {}) for image in model.images)


READERS: dict[str, Reader] = {
    "7scenes": Reader(is_sevenscenes, _read_7scenes),
    "nerfstudio": Reader(_has_transforms, _read_nerfstudio),
    "colmap": Reader(_has_colmap, _read_colmap),
    "folder": Reader(lambda folder: True, _read_folder),
}
"""Layouts in the order in which they are looked for."""


def _transforms_path(folder: Path) -> Path:
    """The transforms.json in `folder`, else where the one beside it would be."""
    inside = folder / TRANSFORMS
    return inside if inside.is_file() else Path(os.path.abspath(folder)).parent / TRANSFORMS


def _colmap_root(folder: Path) -> Path:
    """`folder` where a COLMAP model is in it, else the folder it is in."""
    return folder if colmap_models(folder) else Path(os.path.abspath(folder)).parent


def _known_photos(folder: Path) -> dict[str, Path]:
    """The photos directly in `folder`, by real path; empty where there are none."""
    try:
        return {os.path.realpath(path): path for path in find_photos(folder)}
    except InputError:
        return {}


def _photos_of(known: dict[str, Path], listed: Iterable[Path]) -> tuple[Path, ...]:
    """All photos of the folder that was named, where the listed ones are there; else those listed."""
    photos = list(listed)
    if set(photos) & set(known.values()):
        photos = [*photos, *known.values()]
    return tuple(find_photos(photos))


def _inside(root: Path, entry: str, where: Path) -> Path:
    """The path of a file's entry; a name that leads out of its folder is refused."""
    path = os.path.normpath(root / PurePosixPath(entry.replace("\\", "/")))
    base = os.path.normpath(root)
    if "\0" in path or os.path.commonpath([os.path.abspath(base), os.path.abspath(path)]) != os.path.abspath(base):
        raise InputError(f"{where}: names {entry!r}, wanted files in {base} only")
    return Path(path)


def _existing(path: Path, known: dict[str, Path], *, only_known: bool = False) -> list[Path]:
    """The photo at `path`, its ending perhaps left out, as `known` calls it; empty where there is none."""
    for ending in ENDINGS:
        candidate = path.with_name(path.name + ending)
        real = os.path.realpath(candidate)
        if real in known:
            return [known[real]]
        if not only_known and candidate.is_file():
            return [candidate]
    return []


def _check_once(where: Path, photos: Iterable[Path]) -> None:
    seen: set[Path] = set()
    for photo in photos:
        if photo in seen:
            raise InputError(f"{where}: got two poses for photo {photo.name}, wanted one")
        seen.add(photo)


def _upright(
    poses: dict[Path, SE3], calibrations: dict[Path, Calibration], headers: dict[Path, StoredPhoto]
) -> tuple[dict[Path, SE3], dict[Path, Calibration]]:
    """Poses and cameras of photos as stored, turned as their EXIF orientation turns the photos."""
    poses, calibrations = dict(poses), dict(calibrations)
    for photo, header in headers.items():
        if header.quarter_turns and photo in calibrations:
            camera = calibrations[photo].camera
            turns = header.turns_from(camera.width, camera.height)
            calibrations[photo] = upright_calibration(calibrations[photo], turns)
            poses[photo] = upright_pose(poses[photo], turns)
    return poses, calibrations
