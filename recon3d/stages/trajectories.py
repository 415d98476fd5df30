"""Two trajectories brought together: which pose of one is of the same photo or moment as which of the other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.capture import TRANSFORMS, read_capture
from recon3d.formats.colmap import find_colmap_model, read_colmap
from recon3d.formats.pose_file import GivenPoses, read_poses
from recon3d.formats.sevenscenes import is_sevenscenes
from recon3d.formats.untrusted import parse_json, read_text
from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array
from recon3d.photos.find import scene_names
from recon3d.photos.sniff import SUFFIXES
from recon3d.scene import Scene
from recon3d.stages.evaluation import is_scene, listed, scene_poses

APART_S = 0.02
"""Times of two TUM files at most this far apart are of one moment, as TUM's own associate.py takes them [s]."""


@dataclass(frozen=True, eq=False)
class Matched:
    """Poses of two trajectories, entry by entry partners, in the order in which they were taken.

    Attributes:
        by: what says that they are partners: "names", "times" or "order" (of one side's rows, or of both's).
        names: of the photos, times, or row numbers.
        estimate: world_from_cam.
        reference: world_from_cam.
        metric: whether the lengths of the estimate, and those of the reference, are known to be metres.
        counts: poses of the estimate and of the reference, with and without a partner.
    """

    by: str
    names: tuple[str, ...]
    estimate: tuple[SE3, ...]
    reference: tuple[SE3, ...]
    metric: tuple[bool, bool]
    counts: tuple[int, int]


def matched(estimate: Path, reference: Path) -> Matched:
    """Reads two trajectories and finds the partners.

    By the photos' names where either side has any (a SCENE, a COLMAP model, 7-Scenes, JSON of ours or nerfstudio's);
    rows of a file without names then belong to those photos in their order. Two TUM files go by time, to the nearest
    within `APART_S`, and so do a TUM file and photos that are called by their time (1305031102.175304.png). Else rows
    go by order, where there are as many on both sides.

    Args:
        estimate: a SCENE, a file of poses, or a folder with a COLMAP model, 7-Scenes or a transforms.json.
        reference: the same.

    Raises:
        InputError: a file that can't be read, or nothing in common.
    """
    paths = (estimate, reference)
    photos = [_photos(path) for path in paths]
    names = photos[1] if is_scene(reference) else photos[0] or photos[1]
    if not all(photos) and all(map(_has_times, paths, photos)):
        by = "times"
        ours, true = (
            _of_photos(path, found) if found else _of_rows(path) for path, found in zip(paths, photos, strict=True)
        )
        pairs = _at_one_time(list(ours.world_from_cam), list(true.world_from_cam))
    elif names:
        by = "names" if all(photos) else "order"
        ours, true = _of_photos(estimate, names), _of_photos(reference, names)
        pairs = [(name, name) for name in names if name in ours.world_from_cam and name in true.world_from_cam]
    else:
        by = "order"
        ours, true = _of_rows(estimate), _of_rows(reference)
        pairs = list(zip(ours.world_from_cam, true.world_from_cam, strict=False))
        if len(ours.world_from_cam) != len(true.world_from_cam):
            raise InputError(
                f"{estimate} and {reference}: got {len(ours.world_from_cam)} and {len(true.world_from_cam)} rows "
                "without names, wanted as many on both sides, since rows go by order; or a side that names the photos"
            )
    if not pairs:
        raise InputError(
            f"{estimate} and {reference}: got no pose of the same photo or moment in both: there are "
            f"{listed(list(ours.world_from_cam))} and {listed(list(true.world_from_cam))}"
        )
    return Matched(
        by=by,
        names=tuple(name for _, name in pairs),
        estimate=tuple(ours.world_from_cam[name] for name, _ in pairs),
        reference=tuple(true.world_from_cam[name] for _, name in pairs),
        metric=(ours.metric, true.metric),
        counts=(max(len(photos[0]), len(ours.world_from_cam)), max(len(photos[1]), len(true.world_from_cam))),
    )


def _photos(path: Path) -> list[str]:
    """Names of the photos that a trajectory names, in natural order; none where it is rows without names."""
    if is_scene(path):
        return list(Scene.open(path).calibrations())
    if path.is_dir() and is_sevenscenes(path):
        return list(scene_names(read_capture(path, "7scenes").photos))
    if path.is_dir() and not (path / TRANSFORMS).is_file():
        entries = [image.name for image in read_colmap(find_colmap_model(path)).images]
    else:
        text = read_text(_file(path))
        data = parse_json(text, where=str(path)) if text.lstrip().startswith(("{", "[")) else {}
        entries = _entries(data if isinstance(data, dict) else {})
    # `1305031102.175304` has no ending: what is after the point is part of the time
    whole = (Path(entry if Path(entry).suffix.lower() in SUFFIXES else f"{entry}.png") for entry in entries)
    return list(scene_names(sorted(whole, key=_natural)))


def _entries(data: dict[str, Any]) -> list[str]:
    """What a JSON of ours or nerfstudio's calls its poses; `read_poses` says what is wrong where nothing fits."""
    poses, frames = data.get("poses"), data.get("frames")
    if isinstance(frames, list):
        return [str(frame.get("file_path")) for frame in frames if isinstance(frame, dict)]
    return [str(name) for name in poses] if isinstance(poses, dict) else []


def _of_photos(path: Path, names: Sequence[str]) -> GivenPoses:
    """The poses of the photos named."""
    if is_scene(path):
        return GivenPoses(scene_poses(path), metric=True, source="scene")
    if path.is_dir() and is_sevenscenes(path):
        capture = read_capture(path, "7scenes")
        poses = {name: capture.world_from_cam.get(photo) for name, photo in scene_names(capture.photos).items()}
        wanted = set(names)  # `frame-1.color` may be called `frame-1` where its photos were copied
        named = {name if name in wanted else name.removesuffix(".color"): pose for name, pose in poses.items()}
        return GivenPoses({name: pose for name, pose in named.items() if pose}, metric=True, source="7-Scenes")
    return read_poses(_file(path), names)


def _of_rows(path: Path) -> GivenPoses:
    """The poses of a file without names, keyed by time (TUM) or number of the row."""
    rows = _rows(path)
    is_tum = all(len(words) == 8 for words in rows)
    return read_poses(path, [words[0] if is_tum else str(number) for number, words in enumerate(rows, 1)])


def _has_times(path: Path, photos: Sequence[str]) -> bool:
    """Whether a trajectory says when its poses were taken: TUM rows, or photos called by seconds and a fraction."""
    if photos:
        return all(re.fullmatch(r"\d+\.\d+", name) for name in photos)
    rows = _rows(path)
    return bool(rows) and all(len(words) == 8 for words in rows)


def _rows(path: Path) -> list[list[str]]:
    """The words of each row of a text file, without comments and commas."""
    lines = (line.partition("#")[0].replace(",", " ").split() for line in read_text(path).splitlines())
    return [words for words in lines if words]


def _at_one_time(ours: Sequence[str], true: Sequence[str]) -> list[tuple[str, str]]:
    """Times of which each is the other's nearest and not farther than `APART_S`, in their order."""
    a, b = np.array(ours, np.float64), np.array(true, np.float64)
    nearest_b, nearest_a = _nearest(a, b), _nearest(b, a)
    found = np.flatnonzero((nearest_a[nearest_b] == np.arange(len(a))) & (np.abs(b[nearest_b] - a) <= APART_S))
    return [(ours[index], true[nearest_b[index]]) for index in found[np.argsort(a[found], kind="stable")]]


def _nearest(times: Array, others: Array) -> Array:
    """(N,) for each time, the index of the nearest of the others."""
    order = np.argsort(others, kind="stable")
    after = np.clip(np.searchsorted(others[order], times), 1, max(len(others) - 1, 1))
    pair = order[np.minimum(np.stack([after - 1, after]), len(others) - 1)]
    index: Array = pair[np.abs(others[pair] - times).argmin(axis=0), np.arange(len(times))]
    return index


def _file(path: Path) -> Path:
    """The transforms.json of a folder; else the path as it is."""
    inside = path / TRANSFORMS
    return inside if inside.is_file() else path


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts IMG_2 before IMG_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]
