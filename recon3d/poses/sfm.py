"""Structure from motion: photos in, a COLMAP model out."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recon3d.errors import StageError
from recon3d.poses.matching import Matching
from recon3d.poses.pairs import Pair, in_tiles
from recon3d.poses.sfm_child import SCRATCH, Child, CrashError
from recon3d.progress import Report, silent

MODEL_FILES = ("rigs.bin", "cameras.bin", "frames.bin", "images.bin", "points3D.bin")
"""The files of a model, in the order they are put in place; where the last stands, the model is whole."""
DATABASE = "database.db"
"""Features and matches; a run that was killed goes on from them."""
RECORD = "sfm.json"
"""What the database was made from, and where each camera came from."""

PHOTOS = 8
"""Photos of a block at most, for each that computes at a time."""
PAIRS = 256
"""Pairs of a block at most: a tile, beside which it is no matter that its photos are loaded."""


class UnplacedError(StageError):
    """No photo could be placed, for a reason that lies in the photos and not in the machine."""


@dataclass(frozen=True)
class Parts:
    """What is found of a matching already, elsewhere.

    Attributes:
        features: databases with features of some photos.
        pairs: all that are to be matched; None where they are to be chosen.
        matches: databases with matches of some pairs.
    """

    features: Sequence[Path] = ()
    pairs: Sequence[Pair] | None = None
    matches: Sequence[Path] = ()


def reconstruct(
    matching: Matching, folder: Path, *, parts: Parts | None = None, adjust: bool = False, report: Report = silent
) -> Path:
    """Finds poses and points of photos, or only the points where poses are given.

    Args:
        matching: photos and their cameras.
        folder: takes the model (binary COLMAP files), the database and a record; made where missing. What is there
            already of the same record is gone on from.
        parts: of features and matches that are there already.
        adjust: move given poses, and their cameras, as far as they may err, where the photos' features say that they
            do (`recon3d.poses.adjust`).
        report: is told about features, matching and mapping.

    Returns:
        `folder`; read it with `recon3d.poses.sparse.read_sparse`.

    Raises:
        UnplacedError: no photo could be placed.
        StageError: it took longer than `poses.timeout_min`, or the process crashed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(SCRATCH + "*"):
        shutil.rmtree(stale)
    _claim(folder, matching)
    child = Child(matching, folder, limit_all=True)
    try:
        database = (folder / DATABASE).absolute()
        _match(child, database, parts or Parts(), report)
        unplaced = _place(child, database, adjust, report)
        if unplaced is None:
            for name in MODEL_FILES:
                os.replace(child.scratch / "model" / name, folder / name)
    finally:
        child.close()
    if unplaced is not None:
        raise UnplacedError(unplaced)
    return folder


def _match(child: Child, database: Path, parts: Parts, report: Report) -> None:
    """Features and matches of all photos: those of the parts, then what is missing."""
    count = len(child.matching.photos)
    child.do("make", database=database)
    for part in parts.features:
        child.do("merge", database=database, part=part, what="features")
    for part in parts.matches:
        child.do("merge", database=database, part=part, what="matches")
    missing = child.do("missing", database=database)
    step = PHOTOS * (os.cpu_count() or 1)
    for start in range(0, len(missing), step):
        report("features", count - len(missing) + start, count)
        child.features(database, missing[start : start + step])
    report("features", count, count)
    pairs = in_tiles(parts.pairs or child.do("pairs", report, parts=count * [database]))
    for start in range(0, len(pairs), PAIRS):
        report("matching", start, len(pairs))
        child.matches(database, pairs[start : start + PAIRS], {})
    report("matching", len(pairs), len(pairs))


def _place(child: Child, database: Path, adjust: bool, report: Report) -> str | None:
    """Has a model made in the scratch folder; why there is none, where it lies in the photos."""
    try:
        if child.matching.given is None:
            unplaced: str | None = child.do("map", report, database=database)
            return unplaced
        given = {name: pose.matrix[:3].tolist() for name, pose in child.matching.given.items()}
        child.do("triangulate", report, database=database, given=given, adjust=adjust)
    except CrashError:
        # The model is put in place whole. A crash after that was in the attempt to better it.
        if not (child.scratch / "model" / MODEL_FILES[-1]).exists():
            raise
    return None


def _claim(folder: Path, matching: Matching) -> None:
    """Removes the old model, and the database too unless it was made from the same photos and cameras."""
    (folder / MODEL_FILES[-1]).unlink(missing_ok=True)  # first, so that the rest is never taken for a whole model
    for name in MODEL_FILES:
        (folder / name).unlink(missing_ok=True)
    path = folder / RECORD
    if path.exists() and path.read_text(encoding="utf-8") == matching.text:
        return
    for old in folder.glob(DATABASE + "*"):
        old.unlink()
    temporary = folder / f".tmp-{os.getpid()}-{RECORD}"
    temporary.write_text(matching.text, encoding="utf-8")
    os.replace(temporary, path)
