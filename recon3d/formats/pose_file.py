"""Poses from files that a user hands in: ours, nerfstudio, TUM, rows of matrices, COLMAP."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.colmap import find_colmap_model, read_colmap
from recon3d.formats.names import photo_name
from recon3d.formats.nerfstudio import transforms_from_json
from recon3d.formats.untrusted import floats, matrix, naming, parse_json, pose_numbers, read_text
from recon3d.geometry.arrays import Array
from recon3d.geometry.se3 import SE3


@dataclass(frozen=True)
class GivenPoses:
    """Poses from a file, for the photos it names.

    Attributes:
        world_from_cam: keyed by photo name, in the order of the photos; in `metric`'s unit.
        metric: whether lengths are metres; else the unit is unknown.
        source: which kind of file they came from, in words.
        unused: entries of the file that are of no photo, as it calls them.
    """

    world_from_cam: dict[str, SE3]
    metric: bool
    source: str
    unused: tuple[str, ...] = ()


def read_poses(path: Path, names: Sequence[str]) -> GivenPoses:
    """The poses of photos from a file, or from a folder that holds a COLMAP model.

    What the file is follows from its content. All but COLMAP and nerfstudio are camera-to-world in metres, x right,
    y down, z forward:

    - our poses.json: `{"frame": "world_from_cam", "unit": "m", "poses": {NAME: 4x4}}`;
    - nerfstudio's transforms.json: OpenGL camera axes are turned and `applied_transform` is undone; unit unknown;
    - TUM, `t x y z qx qy qz qw`: rows whose t is written as a photo's name belong to it; where none is, and there are
      as many rows as photos, row k belongs to the k-th photo;
    - rows of 12 (KITTI, 3x4) or 16 numbers (4x4), row by row: row k belongs to the k-th photo;
    - a COLMAP model (cameras and images, .txt or .bin): cam_from_world is inverted; unit unknown.

    Photos that the file doesn't name are left out, and entries of no photo kept apart.

    Args:
        path: the file or folder.
        names: the photos' names, in capture order.

    Raises:
        InputError: nothing in the file is about these photos, or an entry is no rigid transform, naming file and entry.
    """
    if path.is_dir():
        model = read_colmap(find_colmap_model(path))
        named = ((image.name, image.world_from_cam) for image in model.images)
        return _matched(path, named, names, metric=False, source="COLMAP")
    text = read_text(path)
    if text.lstrip().startswith(("{", "[")):
        return _from_json(path, parse_json(text, where=str(path)), names)
    rows = [(number, line.split()) for number, line in enumerate(_lines(text), 1) if line.strip()]
    counts = {len(words) for _, words in rows}
    if counts == {8}:
        return _from_tum(path, rows, names)
    if counts in ({12}, {16}):
        return GivenPoses(_from_rows(path, rows, names), metric=True, source="rows of matrices")
    got = f"rows of {', '.join(str(n) for n in sorted(counts)[:5])} numbers" if rows else "no rows"
    raise InputError(
        f"{path}: got {got}, wanted 8 (TUM: t x y z qx qy qz qw), 12 (3x4) or 16 (4x4) in every row, a JSON of ours or "
        "nerfstudio's, or a COLMAP folder"
    )


def _from_json(path: Path, data: Any, names: Sequence[str]) -> GivenPoses:
    """Our poses.json, or nerfstudio's transforms.json."""
    if isinstance(data, dict) and "frames" in data:
        frames = transforms_from_json(data, str(path)).frames
        named = ((frame.file_path, frame.world_from_cam) for frame in frames)
        return _matched(path, named, names, metric=False, source="nerfstudio")
    if not (isinstance(data, dict) and isinstance(data.get("poses"), dict)):
        raise InputError(f'{path}: got JSON without "poses" or "frames", wanted poses of ours or nerfstudio\'s')
    if data.get("frame", "world_from_cam") != "world_from_cam":
        raise InputError(f'{path}: got frame {data["frame"]!r}, wanted "world_from_cam" (camera-to-world)')
    if data.get("unit", "m") != "m":
        raise InputError(f'{path}: got unit {data["unit"]!r}, wanted "m"')
    named = ((name, _pose(value, f"{path}: pose of {name}")) for name, value in data["poses"].items())
    return _matched(path, named, names, metric=True, source="poses.json")


def _from_tum(path: Path, rows: list[tuple[int, list[str]]], names: Sequence[str]) -> GivenPoses:
    """Rows `t x y z qx qy qz qw`, by time where times are names, else by order."""
    poses: list[tuple[str, SE3]] = []
    for number, words in rows:
        numbers = floats(words, f"{path}: row {number}")
        with naming(f"{path}: row {number}"):
            _check_tracked(numbers[1:])
            values = pose_numbers(numbers[1:])
            _check_quaternion_last(values)
            poses.append((words[0], SE3.from_quat_wxyz(values[[6, 3, 4, 5]], values[:3])))
    if any(time in set(names) for time, _ in poses):
        return _matched(path, poses, names, metric=True, source="TUM")
    times = np.array([float(time) for time, _ in poses])
    if not (np.diff(times) > 0).all():
        raise InputError(f"{path}: got times that don't increase from row to row, wanted the rows in capture order")
    _check_count(path, len(poses), names, "no time in the first column is a photo's name, so rows go by order")
    return GivenPoses(dict(zip(names, (pose for _, pose in poses), strict=True)), metric=True, source="TUM")


def _from_rows(path: Path, rows: list[tuple[int, list[str]]], names: Sequence[str]) -> dict[str, SE3]:
    """Rows of 3x4 or 4x4 matrices, in the order of the photos."""
    _check_count(path, len(rows), names, "rows go by order")
    poses: dict[str, SE3] = {}
    for name, (number, words) in zip(names, rows, strict=True):
        numbers = floats(words, f"{path}: row {number}")
        with naming(f"{path}: row {number}, photo {name}"):
            _check_tracked(numbers)
            poses[name] = SE3.from_matrix(pose_numbers(numbers).reshape(-1, 4))
    return poses


def _matched(
    path: Path, named: Iterable[tuple[str, SE3]], names: Sequence[str], *, metric: bool, source: str
) -> GivenPoses:
    """Entries keyed by the photos they mean; two entries for one photo are refused."""
    wanted = set(names)
    found: dict[str, tuple[str, SE3]] = {}
    unused: list[str] = []
    for entry, pose in named:
        name = photo_name(entry, wanted)
        if name in found:
            raise InputError(f"{path}: got two poses for photo {name}: {found[name][0]} and {entry}, wanted one")
        if name:
            found[name] = (entry, pose)
        else:
            unused.append(entry)
    if not found:
        example = f" (the file's first is {unused[0]})" if unused else ""
        photo = f" (the first photo is {names[0]})" if names else ""
        raise InputError(f"{path}: got no pose{example} that is of one of the {len(names)} photos{photo}")
    return GivenPoses({name: found[name][1] for name in names if name in found}, metric, source, tuple(unused))


def _pose(value: Any, where: str) -> SE3:
    """A pose from nested lists, (4, 4) or (3, 4)."""
    values = matrix(value, where)
    with naming(where):
        return SE3.from_matrix(pose_numbers(values))


def _check_tracked(numbers: Sequence[float]) -> None:
    """Refuses NaN, with which trackers write that they were lost."""
    if any(math.isnan(number) for number in numbers):
        raise InputError("pose: got NaN, wanted numbers; where tracking was lost, take out the row and its photo")


def _check_quaternion_last(values: Array) -> None:
    """Refuses a row of TUM whose quaternion stands before the position."""
    first, last = float(np.linalg.norm(values[:4])), float(np.linalg.norm(values[3:]))
    if abs(last - 1) > 1e-2 and abs(first - 1) < 1e-4:
        raise InputError(
            f"quaternion: got norm {last:.4g}, wanted 1; the first four numbers after the time have it: wanted "
            "t x y z qx qy qz qw, write the position first"
        )


def _check_count(path: Path, count: int, names: Sequence[str], why: str) -> None:
    if count != len(names):
        raise InputError(f"{path}: got {count} rows for {len(names)} photos, wanted as many ({why})")


def _lines(text: str) -> list[str]:
    """Lines with comments and commas taken away."""
    return [line.partition("#")[0].replace(",", " ") for line in text.splitlines()]
