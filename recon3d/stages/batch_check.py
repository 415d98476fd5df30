"""What can be seen to be wrong with the rows of a batch before any is begun: absent files, scenes in the way."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from recon3d.depth.models import MODELS, model_version
from recon3d.errors import InputError
from recon3d.formats.capture import read_capture
from recon3d.manifest import MANIFEST
from recon3d.progress import Report, each
from recon3d.stages.batch_rows import Row, Wrong

WITHOUT_WEIGHTS = ("recorded", "ties")


def wrong_with(rows: Sequence[Row], report: Report) -> list[Wrong]:
    """Looks at what the rows name."""
    return [*_places(rows), *_files(rows, report)]


def _places(rows: Sequence[Row]) -> Iterator[Wrong]:
    """Scenes that would be in each other's way, or in the photos of another row."""
    scenes: dict[str, Row] = {}
    for row in rows:
        place = os.path.realpath(row.scene)
        if place in scenes:
            yield row.number, f"scene: {row.name} is the scene of row {scenes[place].number} too; give each its own"
        scenes.setdefault(place, row)
    logs = {os.path.realpath(row.log): row for row in rows}
    photos: dict[str, list[Row]] = {}
    for row in rows:
        if os.path.isdir(row.photos):
            photos.setdefault(os.path.realpath(row.photos), []).append(row)
    for place, row in scenes.items():
        if place in logs:
            yield row.number, f"scene: {row.name} is where the log of row {logs[place].number} goes; name another"
        for above in map(str, Path(place).parents):
            if above in scenes:
                yield row.number, f"scene: lies in the scene of row {scenes[above].number}; name a folder beside it"
        for above in (place, *map(str, Path(place).parents)):
            others = [other.number for other in photos.get(above, ()) if other is not row]
            if others:
                yield row.number, f"scene: lies in the photos of row {others[0]}; name a folder outside of them"
    for place, taken in photos.items():
        for above in (place, *map(str, Path(place).parents)):
            if above in scenes:
                for row in taken:
                    yield row.number, f"photos: lie in the scene of row {scenes[above].number}, which a run rewrites"


def _files(rows: Sequence[Row], report: Report) -> Iterator[Wrong]:
    """Photos, files, models and devices that are not there or can't be used."""
    version = cache(model_version)
    for row in each(rows, "table", report):
        photos, poses, depth = row.settings.photos, row.settings.poses, row.settings.depth
        checks: list[tuple[str, Callable[..., object], object, object]] = [
            ("photos", read_capture, row.photos, photos.format),
            ("camera", _is_there, os.path.exists, photos.camera),
            ("poses", _is_there, os.path.exists, poses.file),
            ("depth", _is_there, os.path.isdir, depth.maps),
            ("known_distance", _measures, row.settings.scale.known_distance, row),
            ("scale.board", _measures, row.settings.scale.board, row),
            ("device", _is_device, row.device, None),
        ]
        if not depth.maps and not os.path.isfile(row.scene / MANIFEST):  # a scene may have its depth already
            checks += [
                ("model", _is_model, depth.model, version),
                ("metric_from", _is_model, depth.metric_from, version),
            ]
        for what, check, *arguments in checks:
            try:
                check(*arguments)
            except InputError as error:
                yield row.number, f"{what}: {error}"


def _is_there(looked_for: Callable[[str], bool], path: str | None) -> None:
    if path and not looked_for(path):
        raise InputError(f"{path}: no such {'folder' if looked_for is os.path.isdir else 'file or folder'}")


def _is_device(name: str, nothing: None) -> None:
    if name not in ("auto", "cpu"):
        from recon3d.depth.device import pick_device  # torch: some hundred MiB for as long as the batch lasts

        pick_device(name)


def _measures(measured: str | None, row: Row) -> None:
    if measured:
        from recon3d.stages.scale import check_known  # the same

        check_known(row.settings.scale)


def _is_model(name: str | None, version: Callable[[str], str]) -> None:
    """A folder is looked into by the row itself, which digests its weights."""
    if name in MODELS or (name and name not in WITHOUT_WEIGHTS and not os.path.isdir(os.path.expanduser(name))):
        version(name)
