"""Structure from motion in a process of its own: photos in, a COLMAP model out."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from recon3d.errors import InputError, StageError
from recon3d.formats.colmap_camera import colmap_params, colmap_start
from recon3d.geometry import SE3, Calibration
from recon3d.poses.pairs import pairs_by_pose
from recon3d.progress import Report, silent
from recon3d.settings import PosesSettings

MODEL_FILES = ("rigs.bin", "cameras.bin", "frames.bin", "images.bin", "points3D.bin")
"""The files of a model, in the order they are put in place; where the last stands, the model is whole."""
DATABASE = "database.db"
"""Features and matches; a run that was killed goes on from them."""
RECORD = "sfm.json"
"""What the database was made from, and where each camera came from."""
WORKER = "recon3d.poses.sfm_worker"
"""The module that is run."""
USED_SETTINGS = ("features", "exhaustive_up_to", "similar", "neighbours", "seed")
"""Settings that the features and matches depend on."""
REFINED_SOURCES = ("EXIF", "guess")
"""Calibrations that structure from motion may improve; others are kept."""


class UnplacedError(StageError):
    """No photo could be placed, for a reason that lies in the photos and not in the machine."""


def reconstruct(
    photos: dict[str, Path],
    calibrations: dict[str, Calibration],
    folder: Path,
    settings: PosesSettings,
    *,
    groups: Mapping[str, str] | None = None,
    given: dict[str, SE3] | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    adjust: bool = False,
    report: Report = silent,
) -> Path:
    """Finds poses and points of the photos, or only the points where poses are given.

    Photos of one size, calibration and group share a camera (`settings.one_camera`). Calibrations from EXIF or a guess
    start a search for focal length and one radial coefficient (`settings.calibrate_lens`); any other is kept as it is,
    as all are with given poses.

    Args:
        photos: file of each photo, in capture order; features don't look at EXIF, so the files must be upright.
        calibrations: of the photos as the files are, keyed alike.
        folder: takes the model (binary COLMAP files), the database and a record; made where missing.
        settings: of the poses stage.
        groups: a text per photo, such as make and model: cameras that are to be found are shared only within one.
        given: poses that are kept to the last digit, but where they are adjusted; photos without one are left out of
            the model.
        pairs: photos to match; None = all pairs of a small set, neighbours and look-alikes of a large one, or
            neighbours by pose where poses are given.
        adjust: move given poses, and their cameras, as far as they may err, where the photos' features say that they
            do (`recon3d.poses.adjust`).
        report: is told about features, matching and mapping.

    Returns:
        `folder`; read it with `recon3d.poses.sparse.read_sparse`.

    Raises:
        InputError: a photo and its calibration differ in size, or are not keyed alike.
        UnplacedError: no photo could be placed.
        StageError: it took longer than `settings.timeout_min`, or the process crashed.
    """
    _check(photos, calibrations)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(".tmp-sfm-*"):
        shutil.rmtree(stale)
    if given is not None:
        given = {name: given[name] for name in photos if name in given}
        pairs = pairs_by_pose(given) if pairs is None else pairs
    record = _record(photos, calibrations, groups or {}, settings, pairs, refine=given is None)
    _claim(folder, record)
    with tempfile.TemporaryDirectory(prefix=".tmp-sfm-", dir=folder) as scratch_name:
        scratch = Path(scratch_name)
        _link(photos, record, scratch / "photos")
        job = {
            **record,
            "database": str((folder / DATABASE).absolute()),
            "scratch": str(scratch.absolute()),
            "adjust": adjust,
            "given": None if given is None else [[name, pose.matrix[:3].tolist()] for name, pose in given.items()],
        }
        _run(job, settings.timeout_min, scratch / "log.txt", report)
        for name in MODEL_FILES:
            os.replace(scratch / "model" / name, folder / name)
    return folder


def _check(photos: dict[str, Path], calibrations: dict[str, Calibration]) -> None:
    for name, path in photos.items():
        if name not in calibrations:
            raise InputError(f"{path}: no calibration for this photo; wanted one for each photo")
        camera = calibrations[name].camera
        with Image.open(path) as image:
            size = image.size
        if size != (camera.width, camera.height):
            raise InputError(
                f"{path}: the photo is {size[0]} x {size[1]} px and its calibration is for "
                f"{camera.width} x {camera.height} px; resize the calibration with the photo"
            )


def _record(
    photos: dict[str, Path],
    calibrations: dict[str, Calibration],
    groups: Mapping[str, str],
    settings: PosesSettings,
    pairs: Sequence[tuple[str, str]] | None,
    *,
    refine: bool,
) -> dict[str, Any]:
    """All that the features and matches depend on; photos that share a calibration and a group share a camera."""
    cameras: list[dict[str, Any]] = []
    shared: dict[tuple[Calibration, str], int] = {}
    images = []
    for i, (name, path) in enumerate(photos.items()):
        calibration = calibrations[name]
        refined = refine and calibration.source in REFINED_SOURCES
        # Two makes of camera with the same guess are two cameras; a known calibration says itself what it is of.
        key = (calibration, groups.get(name, "") if refined else "")
        number = shared.get(key, len(cameras)) if settings.one_camera else len(cameras)
        if number == len(cameras):
            shared[key] = number
            start = colmap_start(calibration, lens=settings.calibrate_lens)
            model, params = start if refined else colmap_params(calibration)
            cameras.append(
                {
                    "model": model,
                    "width": calibration.camera.width,
                    "height": calibration.camera.height,
                    "params": params,
                    "refine": refined,
                    "known_focal": calibration.source != "guess",
                    "source": "SfM" if refined else calibration.source,
                }
            )
        # Numbers in the database, since the pair lists that COLMAP reads split names at blanks.
        file = f"{i:06d}{path.suffix.lower()}"
        entry = {"name": name + path.suffix, "file": file, "bytes": path.stat().st_size, "camera": number}
        images.append(entry)
    index = {name: i for i, name in enumerate(photos)}
    return {
        "schema": 1,
        "pycolmap": version("pycolmap"),  # features and matches of another version are not mixed with these
        "cameras": cameras,
        "images": images,
        "pairs": None if pairs is None else [[index[a], index[b]] for a, b in pairs],
        "settings": {name: getattr(settings, name) for name in USED_SETTINGS},
    }


def _claim(folder: Path, record: dict[str, Any]) -> None:
    """Removes the old model, and the database too unless it was made from the same photos and cameras."""
    (folder / MODEL_FILES[-1]).unlink(missing_ok=True)  # first, so that the rest is never taken for a whole model
    for name in MODEL_FILES:
        (folder / name).unlink(missing_ok=True)
    text = json.dumps(record, indent=1)
    path = folder / RECORD
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    for old in folder.glob(DATABASE + "*"):
        old.unlink()
    temporary = folder / f".tmp-{os.getpid()}-{RECORD}"
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _link(photos: dict[str, Path], record: dict[str, Any], target: Path) -> None:
    """Gives the photos the names they have in the database."""
    target.mkdir()
    for path, image in zip(photos.values(), record["images"], strict=True):
        try:
            (target / image["file"]).symlink_to(path.absolute())
        except OSError:  # no symbolic links here, as on a Windows without the privilege
            shutil.copyfile(path, target / image["file"])


def _run(job: dict[str, Any], timeout_min: float, log: Path, report: Report) -> None:
    """Runs the worker to its end; it ends itself when its standard input closes, so it never outlives us."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    problem = ""
    timed_out = threading.Event()
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            # -P: a user's random.py or numpy.py in the current folder is not ours.
            [sys.executable, "-P", "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None

        def end() -> None:
            timed_out.set()
            _kill(process)

        timer = threading.Timer(timeout_min * 60, end)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at birth: its exit code and log tell why
                process.stdin.write(json.dumps(job).encode() + b"\n")
                process.stdin.flush()
            for line in process.stdout:
                message = json.loads(line)
                if "problem" in message:
                    problem = message["problem"]
                else:
                    report(message["title"], message["done"], message["total"])
            code = process.wait()
        finally:
            timer.cancel()
            _kill(process)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
    if timed_out.is_set():
        raise StageError(
            f"structure from motion: not done after {timeout_min:g} minutes, ended; features and matches are kept, "
            "so run again with a larger poses.timeout_min, or with fewer photos"
        )
    if problem:
        raise UnplacedError(problem)
    # The model is put in place whole. A crash after that was in the attempt to better it.
    if not (log.parent / "model" / MODEL_FILES[-1]).exists():
        how = f"was ended by signal {-code} (9: perhaps for lack of memory)" if code < 0 else f"ended with code {code}"
        raise StageError(f"structure from motion: its process {how}; it last said: {_last_line(log)}")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"
