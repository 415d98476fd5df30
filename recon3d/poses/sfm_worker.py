"""The process that runs pycolmap: a JSON job on standard input, a JSON line per step on standard output."""

import json
import os
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import pycolmap

from recon3d.errors import StageError
from recon3d.geometry.arrays import Array
from recon3d.poses.mapper_options import camera_of, constant_cameras, mapper_options
from recon3d.poses.pairs import chosen_pairs
from recon3d.poses.photo_set import why_none
from recon3d.poses.principal_point import with_principal_points
from recon3d.poses.sfm_given import triangulated
from recon3d.progress import Report

Pair = tuple[int, int]

DRIVER = Path("/proc/driver/nvidia/version")
"""There where a GPU can be used; pycolmap only tells whether it was built for one."""


def main() -> None:
    """Reads the job, runs it and ends with exit code 0, also where the photos could not be placed."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to the log
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def report(title: str, done: int, total: int, photo: str = "") -> None:
        _say(channel, {"title": title, "done": done, "total": total})

    try:
        run(job, report)
    except StageError as error:
        _say(channel, {"problem": str(error)})


def run(job: dict[str, Any], report: Report) -> None:
    """Features, pairs, matches, then poses and points, or only points where poses are given."""
    seed = job["settings"]["seed"]
    pycolmap.set_random_seed(seed)
    database = Path(job["database"])
    if not _usable(database, len(job["images"])):
        _create(database, job)
    _extract(database, job, report)
    _match(database, job, _pairs(database, job, report), report)
    scratch = Path(job["scratch"])
    if job["given"] is not None:
        _save(triangulated(database, job, report), job, scratch)
        return
    count = len(job["images"])
    model = _incremental(database, job, report)
    if model is not None:
        _save(model, job, scratch)
    if model is None or model.num_reg_images() < count / 2:
        other = _global(database, job, report)
        if other is not None and (model is None or other.num_reg_images() > model.num_reg_images()):
            _save(other, job, scratch)
            model = other
    if model is None:
        raise StageError(why_none(database, count))


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _say(channel: IO[str], message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def _usable(path: Path, count: int) -> bool:
    """Whether there is a database of that many images that a killed run, or a failing disk, left in order."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path)) as database:
            sound = database.execute("PRAGMA quick_check").fetchone() == ("ok",)
            return bool(sound and database.execute("SELECT COUNT(*) FROM images").fetchone() == (count,))
    except sqlite3.DatabaseError:
        return False


def _create(path: Path, job: dict[str, Any]) -> None:
    """Writes the cameras and images, each its own frame; ids count from 1 in capture order."""
    temporary = path.with_name(".tmp-" + path.name)
    for old in (*path.parent.glob(path.name + "*"), *path.parent.glob(temporary.name + "*")):
        old.unlink()
    with pycolmap.Database.open(temporary) as database:
        for number, entry in enumerate(job["cameras"]):
            camera = camera_of(number, entry)
            database.write_camera(camera, use_camera_id=True)
            rig = pycolmap.Rig(rig_id=camera.camera_id)
            rig.add_ref_sensor(camera.sensor_id)
            database.write_rig(rig, use_rig_id=True)
        for number, entry in enumerate(job["images"]):
            image = pycolmap.Image(name=entry["file"], camera_id=entry["camera"] + 1, image_id=number + 1)
            database.write_image(image, use_image_id=True)
            frame = pycolmap.Frame(frame_id=image.image_id, rig_id=image.camera_id)
            frame.add_data_id(image.data_id)
            database.write_frame(frame, use_frame_id=True)
    os.replace(temporary, path)


def _extract(path: Path, job: dict[str, Any], report: Report) -> None:
    files = [image["file"] for image in job["images"]]
    with pycolmap.Database.open(path) as database:
        todo = [file for i, file in enumerate(files) if not database.exists_descriptors(i + 1)]
    options = pycolmap.FeatureExtractionOptions()
    options.sift.max_num_features = job["settings"]["features"]
    step = 8 * (os.cpu_count() or 1)  # between two reports
    for start in range(0, len(todo), step):
        report("features", len(files) - len(todo) + start, len(files))
        pycolmap.extract_features(
            path,
            Path(job["scratch"]) / "photos",
            todo[start : start + step],
            extraction_options=options,
            device=_device(),
        )
    report("features", len(files), len(files))


def _device() -> pycolmap.Device:
    """The GPU where pycolmap was built for one and there is one."""
    return pycolmap.Device.cuda if pycolmap.has_cuda and DRIVER.exists() else pycolmap.Device.cpu


def _pairs(path: Path, job: dict[str, Any], report: Report) -> list[Pair]:
    settings = job["settings"]
    if job["pairs"] is not None:
        return sorted({(min(a, b), max(a, b)) for a, b in job["pairs"] if a != b})
    with pycolmap.Database.open(path) as database:
        count, asked = len(job["images"]), 0

        def descriptors(i: int) -> Array:
            nonlocal asked
            asked += 1  # twice for each photo: to learn the words, and to describe it by them
            report("pairs", asked, 2 * count)
            found: Array = database.read_descriptors(i + 1).data
            return found

        return chosen_pairs(
            count,
            descriptors,
            exhaustive_up_to=settings["exhaustive_up_to"],
            similar=settings["similar"],
            neighbours=settings["neighbours"],
            seed=settings["seed"],
        )


def _match(path: Path, job: dict[str, Any], pairs: list[Pair], report: Report) -> None:
    """Matches and verifies the pairs; those already in the database are skipped by pycolmap."""
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = job["settings"]["seed"]
    listing = Path(job["scratch"]) / "pairs.txt"
    files = [image["file"] for image in job["images"]]
    step = 200  # between two reports
    for start in range(0, len(pairs), step):
        report("matching", start, len(pairs))
        chunk = pairs[start : start + step]
        listing.write_text("".join(f"{files[a]} {files[b]}\n" for a, b in chunk), encoding="utf-8")
        pycolmap.match_image_pairs(
            path,
            pairing_options=pycolmap.ImportedPairingOptions(match_list_path=listing),
            verification_options=verification,
            device=_device(),
        )
    report("matching", len(pairs), len(pairs))


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
