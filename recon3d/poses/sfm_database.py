"""The database of structure from motion: cameras, features, matches; whole, or in parts that go together."""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from recon3d.errors import StageError
from recon3d.geometry.arrays import Array
from recon3d.poses.mapper_options import camera_of

TABLES = {"features": ("keypoints", "descriptors", "notes"), "matches": ("matches", "two_view_geometries")}
"""What was found in each photo, and of each pair of photos. Notes are ours: why a photo has no features."""
_NOTES = "CREATE TABLE IF NOT EXISTS notes (image_id INTEGER PRIMARY KEY NOT NULL, note TEXT NOT NULL)"


def is_usable(path: Path, count: int) -> bool:
    """Whether there is a database of that many images that a killed run, or a failing disk, left in order."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path)) as database:
            sound = database.execute("PRAGMA quick_check").fetchone() == ("ok",)
            return bool(sound and database.execute("SELECT COUNT(*) FROM images").fetchone() == (count,))
    except sqlite3.DatabaseError:
        return False


def create(path: Path, job: dict[str, Any], numbers: Collection[int]) -> None:
    """Writes those images, each its own frame, and their cameras; ids count from 1 in capture order."""
    temporary = path.with_name(".tmp-" + path.name)
    for old in (*path.parent.glob(path.name + "*"), *path.parent.glob(temporary.name + "*")):
        old.unlink()
    entries = {number: job["images"][number] for number in numbers}
    with pycolmap.Database.open(temporary) as database:
        for number in sorted({entry["camera"] for entry in entries.values()}):
            camera = camera_of(number, job["cameras"][number])
            database.write_camera(camera, use_camera_id=True)
            rig = pycolmap.Rig(rig_id=camera.camera_id)
            rig.add_ref_sensor(camera.sensor_id)
            database.write_rig(rig, use_rig_id=True)
        for number, entry in entries.items():
            image = pycolmap.Image(name=entry["file"], camera_id=entry["camera"] + 1, image_id=number + 1)
            database.write_image(image, use_image_id=True)
            frame = pycolmap.Frame(frame_id=image.image_id, rig_id=image.camera_id)
            frame.add_data_id(image.data_id)
            database.write_frame(frame, use_frame_id=True)
    with closing(sqlite3.connect(temporary)) as database:
        database.execute(_NOTES)
        database.commit()
    os.replace(temporary, path)


def note(path: Path, number: int, text: str) -> None:
    """Writes that a photo has no features, and why."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (number + 1, text))
        database.commit()


def notes(path: Path) -> dict[int, str]:
    """Why photos have no features, by image id, where that was noted."""
    with closing(sqlite3.connect(path)) as database:
        database.execute(_NOTES)  # a database of an older recon3d has none
        return dict(database.execute("SELECT image_id, note FROM notes"))


def without_features(path: Path, numbers: Sequence[int]) -> list[int]:
    """Those photos in which features were not looked for yet, or not found."""
    noted = notes(path)
    with pycolmap.Database.open(path) as database:
        return [i for i in numbers if i + 1 not in noted and not database.exists_descriptors(i + 1)]


def merge(path: Path, part: Path, what: str, numbers: Collection[int] | None = None) -> None:
    """Takes features or matches over from another database, where they are not there yet.

    Args:
        path: of the database that takes them.
        part: of the other, which nobody writes any more.
        what: "features" or "matches".
        numbers: of the photos whose features are taken; None = of all.

    Raises:
        StageError: the other is missing or damaged.
    """
    which = "" if numbers is None else f" WHERE image_id IN ({', '.join(str(i + 1) for i in numbers)})"
    with _both(path, part, "?mode=ro") as database:
        for table in TABLES[what]:
            database.execute(f"INSERT OR IGNORE INTO {table} SELECT * FROM part.{table}{which}")


def export(path: Path, part: Path, what: str) -> None:
    """Writes the features or the matches alone, to one file with no log beside it that a reader would need."""
    with _both(path, part, "?mode=rwc") as database:
        for table in TABLES[what]:
            database.execute(f"CREATE TABLE part.{table} AS SELECT * FROM main.{table}")


def descriptors_of(part_of: Callable[[int], Path]) -> Callable[[int], Array]:
    """Gives the (N, 128) uint8 descriptors of a photo by its number; none where it has none."""

    def descriptors(number: int) -> Array:
        part = part_of(number)
        with _explained(part), closing(sqlite3.connect(_uri(part, "?mode=ro"), uri=True)) as database:
            question = "SELECT rows, cols, data FROM descriptors WHERE image_id = ?"
            rows, columns, data = database.execute(question, (number + 1,)).fetchone() or (0, 128, b"")
            return np.frombuffer(data or b"", np.uint8).reshape(rows, columns)

    return descriptors


@contextmanager
def _both(path: Path, part: Path, how: str) -> Iterator[sqlite3.Connection]:
    """One transaction in `path`, with `part` at hand."""
    with _explained(part), closing(sqlite3.connect(_uri(path, ""), uri=True)) as database:
        database.execute("ATTACH DATABASE ? AS part", (_uri(part, how),))
        yield database
        database.commit()


def _uri(path: Path, how: str) -> str:
    return path.absolute().as_uri() + how


@contextmanager
def _explained(part: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StageError(f"{part}: missing or damaged ({error}); delete it and run the command again") from error
