"""The process of structure from motion: tasks in, one line each; progress and results out, one line each."""

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pycolmap

from recon3d.errors import StageError
from recon3d.poses.mapper_options import constant_cameras, mapper_options
from recon3d.poses.pairs import Pair
from recon3d.poses.photo_set import why_none
from recon3d.poses.principal_point import with_principal_points
from recon3d.poses.sfm_database import (
    create,
    descriptors_of,
    export,
    is_usable,
    merge,
    note,
    without_features,
)
from recon3d.poses.sfm_features import find_features, find_pairs, match_pairs
from recon3d.poses.sfm_given import triangulated
from recon3d.progress import Report


def main() -> None:
    """Reads the job and then tasks, a line each, and answers each with a line; ends when no more come."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to the log
    tasks: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=[tasks], daemon=True).start()
    job = json.loads(tasks.get())

    def report(title: str, done: int, total: int, photo: str = "") -> None:
        _say(channel, {"title": title, "done": done, "total": total})

    while True:
        task = json.loads(tasks.get())
        pycolmap.set_random_seed(job["settings"]["seed"])  # whatever was done before
        try:
            result = TASKS[task.pop("task")](job, report, **task)
        except StageError as error:
            _say(channel, {"problem": str(error)})
        else:
            _say(channel, {"result": result})


def _listen(tasks: "queue.SimpleQueue[str]") -> None:
    """Hands on what the parent says; where it says nothing more, ends the process, whatever that is at."""
    for line in sys.stdin:
        tasks.put(line)
    os._exit(1)


def _say(channel: IO[str], message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def _make(job: dict[str, Any], report: Report, database: str) -> None:
    """A database of all photos, where there is none in order."""
    if not is_usable(Path(database), len(job["images"])):
        create(Path(database), job, range(len(job["images"])))


def _features(job: dict[str, Any], report: Report, database: str, photos: list[int]) -> None:
    """Features of some photos, in the database."""
    if not Path(database).exists():
        create(Path(database), job, photos)
    find_features(Path(database), job, photos)


def _missing(job: dict[str, Any], report: Report, database: str) -> list[int]:
    """Photos in which features are still to be found."""
    return without_features(Path(database), range(len(job["images"])))


def _note(job: dict[str, Any], report: Report, database: str, photo: int, text: str) -> None:
    note(Path(database), photo, text)


def _export(job: dict[str, Any], report: Report, database: str, part: str, what: str) -> None:
    export(Path(database), Path(part), what)


def _merge(job: dict[str, Any], report: Report, database: str, part: str, what: str) -> None:
    merge(Path(database), Path(part), what)


def _pairs(job: dict[str, Any], report: Report, parts: list[str]) -> list[Pair]:
    """The pairs that are to be matched; `parts` are the databases with the features, one for each photo."""
    return find_pairs(job, descriptors_of(lambda number: Path(parts[number])), report)


def _matches(
    job: dict[str, Any], report: Report, database: str, pairs: list[Pair], parts: dict[str, list[int]]
) -> None:
    """Matches of some pairs, in the database; `parts` have the features that it lacks, of photos by their numbers."""
    if not Path(database).exists():
        create(Path(database), job, sorted({number for pair in pairs for number in pair}))
    for part, numbers in parts.items():
        merge(Path(database), Path(part), "features", numbers)
    if pairs:
        match_pairs(Path(database), job, pairs)


def _triangulate(
    job: dict[str, Any], report: Report, database: str, given: dict[str, list[list[float]]], adjust: bool
) -> None:
    """Points under given poses, as a model in the scratch folder."""
    _save(triangulated(Path(database), {**job, "given": given, "adjust": adjust}, report), job, Path(job["scratch"]))


def _map(job: dict[str, Any], report: Report, database: str) -> str | None:
    """Poses and points, as a model in the scratch folder; or why there are none."""
    path, scratch, count = Path(database), Path(job["scratch"]), len(job["images"])
    model = _incremental(path, job, report)
    if model is not None:
        _save(model, job, scratch)
    if model is None or model.num_reg_images() < count / 2:
        other = _global(path, job, report)
        if other is not None and (model is None or other.num_reg_images() > model.num_reg_images()):
            _save(other, job, scratch)
            model = other
    return why_none(path, count) if model is None else None


TASKS: dict[str, Callable[..., Any]] = {
    "make": _make,
    "missing": _missing,
    "features": _features,
    "note": _note,
    "pairs": _pairs,
    "matches": _matches,
    "export": _export,
    "merge": _merge,
    "triangulate": _triangulate,
    "map": _map,
}
"""What the parent may ask for."""


def _incremental(path: Path, job: dict[str, Any], report: Report) -> pycolmap.Reconstruction | None:
    """The largest model, which is not always the first; None where there is none."""
    count = len(job["images"])
    placed = 0

    def one_more() -> None:
        nonlocal placed
        placed = min(placed + 1, count)
        report("mapping", placed, count)

    report("mapping", 0, count)
    out = Path(job["scratch"]) / "incremental"
    out.mkdir()
    models = pycolmap.incremental_mapping(
        path,
        Path(job["scratch"]) / "photos",
        out,
        options=mapper_options(job),
        next_image_callback=one_more,
    )
    report("mapping", count, count)
    best = _largest(models)
    return None if best is None else with_principal_points(best, constant_cameras(job))


def _global(path: Path, job: dict[str, Any], report: Report) -> pycolmap.Reconstruction | None:
    """Global structure from motion, for sets where growing from one pair fails."""
    report("global mapping", 0, 1)
    options = pycolmap.GlobalPipelineOptions()
    options.random_seed = job["settings"]["seed"]
    options.mapper.random_seed = job["settings"]["seed"]
    options.num_threads = 1
    # It can't keep single cameras: known ones are worth more than guessed ones.
    refine = all(camera["refine"] for camera in job["cameras"])
    options.mapper.bundle_adjustment.refine_focal_length = refine
    options.mapper.bundle_adjustment.refine_extra_params = refine
    out = Path(job["scratch"]) / "global"
    out.mkdir()
    models = pycolmap.global_mapping(path, Path(job["scratch"]) / "photos", out, options=options)
    report("global mapping", 1, 1)
    return _largest(models)


def _largest(models: dict[int, pycolmap.Reconstruction]) -> pycolmap.Reconstruction | None:
    found = [model for model in models.values() if model.num_reg_images() >= 2 and model.num_points3D() > 0]
    return max(found, key=lambda model: (model.num_reg_images(), model.num_points3D()), default=None)


def _save(model: pycolmap.Reconstruction, job: dict[str, Any], scratch: Path) -> None:
    """Writes the model under the photos' own names, whole or not at all."""
    for image in model.images.values():
        image.name = job["images"][image.image_id - 1]["name"]
    written = scratch / "written"
    written.mkdir()
    model.write(written)
    target = scratch / "model"
    if target.exists():
        target.rename(scratch / "model-before")
    written.rename(target)


if __name__ == "__main__":
    main()
