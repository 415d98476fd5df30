"""Stage init: photos in, upright and at the working size, with what is known of their cameras."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from operator import itemgetter
from pathlib import Path

from recon3d.errors import InputError
from recon3d.files import digest, file_digest, replacing, write_json
from recon3d.formats.camera_file import calibration_as_json, calibration_for, read_camera
from recon3d.formats.capture import Capture, read_capture
from recon3d.formats.scene_poses import poses_as_json
from recon3d.geometry import Calibration, Camera
from recon3d.photos.exif import Exif, calibration_from_exif
from recon3d.photos.find import frame_name, scene_names
from recon3d.photos.gps import Position
from recon3d.photos.read import Photo, read_photo
from recon3d.photos.sniff import VIDEO_SUFFIXES, shown
from recon3d.photos.undistort import KEPT
from recon3d.photos.video import WIDE_STEP, frames_of, pick_frames, step_of, survey_video
from recon3d.photos.watchdog import UnansweredError, answered
from recon3d.photos.working import working_suffix, write_working
from recon3d.progress import each
from recon3d.scene import SCHEMA, Scene
from recon3d.settings import PhotosSettings
from recon3d.signals import Signal
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key

VERSION = 3
HUNG = 5
"""Photos whose decoders may hang; with one more it is the disk, and the others would hang one by one."""
LARGE = 1e9
"""A file of this size may take twice as long to read as a small one, one of twice this size thrice [bytes]."""

Photos = str | Path | Sequence[str | Path]


def init(photos: Photos, root: str | Path, job: Job) -> Outcome:
    """Takes photos into a scene.

    Args:
        photos: a folder, a glob, one photo, a video, or a list of them.
        root: the scene's folder; made where it isn't there.
        job: its settings.

    Raises:
        InputError: no photos, none readable, or the place holds something else.
    """
    settings = job.settings.photos
    if settings.undistort not in KEPT:
        raise InputError(f"photos.undistort: got {settings.undistort!r}, wanted one of {', '.join(KEPT)}")
    if not settings.timeout_s > 0:
        raise InputError(f"photos.timeout_s: got {settings.timeout_s:g} s, wanted more than 0")
    capture = read_capture(photos, settings.format)
    sources = scene_names(capture.photos)
    files = [*capture.photos, *capture.files, *([Path(settings.camera)] if settings.camera else [])]
    content = digest(*files, of=lambda path: _digest(path, settings.timeout_s))
    key = stage_key("init", VERSION, job.settings, [content, *sources])
    scene = Scene.create(root)
    return run_stage(scene, "init", key, job, lambda: _work(scene, sources, capture, job))


def _digest(path: Path, timeout_s: float) -> bytes:
    """sha256 of a file that was handed in."""
    with contextlib.suppress(OSError):  # reading it says what is wrong
        timeout_s *= 1 + path.stat().st_size / LARGE
    return answered(lambda: file_digest(path), path, timeout_s)


def _work(scene: Scene, sources: Mapping[str, Path], capture: Capture, job: Job) -> Found:
    results = _take_in(scene, sources, capture.calibrations, job)
    found = {name: value for name, value in results.items() if isinstance(value, _Known)}
    calibrations = {name: value.calibration for name, value in found.items()}
    signals = [value for value in results.values() if isinstance(value, Signal)]
    if capture.absent:
        names = ", ".join(capture.absent[:5]) + (", …" if len(capture.absent) > 5 else "")
        signals.append(
            Signal("SKIPPED", f"{len(capture.absent)} photos are not there, or are no files that can be read: {names}")
        )
    if not calibrations:
        raise InputError(f"none of {len(sources)} photos can be read; the first: {signals[0].message}")
    data = {
        name: calibration_as_json(value.calibration)
        | {"group": value.group}
        | ({"gps": dataclasses.asdict(value.position)} if value.position else {})
        for name, value in found.items()
    }
    write_json(scene.file("calibration.json"), data)
    known = {name: path for name, path in sources.items() if name in calibrations}
    given = {name: capture.world_from_cam[path] for name, path in known.items() if path in capture.world_from_cam}
    write_json(
        scene.file("capture.json"),
        {
            "schema": SCHEMA,
            "format": capture.format,
            "metric": capture.metric,
            "poses": poses_as_json(given)["poses"],
            "depth": {n: str(capture.depth[path].absolute()) for n, path in known.items() if path in capture.depth},
            "depth_unit_m": capture.depth_unit_m,
        },
    )
    guessed = tuple(name for name, calibration in calibrations.items() if calibration.source == "guess")
    if guessed:
        fov = f"{job.settings.photos.fov_deg:g} degrees"
        of = f"{len(guessed)} photo{'s' if len(guessed) > 1 else ''}"
        signals.append(Signal("GUESSED_FOV", f"the field of view of {of} is a guess: {fov}", guessed))
    origins = sorted({calibration.source for calibration in calibrations.values()})
    skipped = sum(isinstance(value, Signal) and value.code == "SKIPPED" for value in results.values())
    plural = "s" if len(calibrations) > 1 else ""
    line = f"{len(calibrations)} photo{plural} ({capture.format}), camera from {' and '.join(origins)}"
    line += f", {skipped} skipped" if skipped else ""
    facts = {"photos": len(calibrations), "skipped": skipped, "format": capture.format, "cameras": origins}
    return line, facts, signals


@dataclasses.dataclass(frozen=True)
class _Known:
    """What is known of the camera of a photo: its calibration at the working size, whose it is, where it stood."""

    calibration: Calibration
    group: str
    position: Position | None


def _take_in(
    scene: Scene, sources: Mapping[str, Path], known: Mapping[Path, Calibration], job: Job
) -> dict[str, _Known | Signal]:
    """Decodes photos in parallel and writes the working copies; a photo that can't be read becomes a signal.

    A video gives its picked frames, under their own names; under its own, a signal where there is something to say.
    """
    settings = job.settings.photos
    read = cache(read_camera)  # one file for all photos of a size
    hung: list[str] = []

    def one(name: str) -> _Known | Signal:
        source = sources[name]
        try:
            photo = answered(
                lambda: read_photo(source, max_megapixels=settings.max_megapixels, max_side=settings.max_side),
                source,
                settings.timeout_s,
            )
        except UnansweredError as error:
            hung.append(name)
            if len(hung) > HUNG:
                raise InputError(f"{error} (and {HUNG} other photos did not answer either)") from error
            return Signal("SKIPPED", f"{error} with --force", (name,))
        except InputError as error:
            return Signal("SKIPPED", str(error), (name,))
        return kept(name, source, photo)

    def kept(name: str, source: Path, photo: Photo) -> _Known | Signal:
        try:
            calibration = _calibration(source, photo, read, known, settings)
        except InputError as error:
            if settings.camera or source in known:
                raise
            return Signal("SKIPPED", f"{shown(source)}: no camera sees so: {error}", (name,))
        target = scene.file("photos") / f"{name}{working_suffix(photo)}"
        if not target.exists():
            with replacing(target) as temporary:
                write_working(photo, source, temporary)
        rows, columns = photo.image.shape[:2]
        calibration = dataclasses.replace(calibration, camera=calibration.camera.resized(columns, rows))
        return _Known(calibration, _group(photo.exif), photo.exif.position)

    photos = [name for name, source in sources.items() if source.suffix.lower() not in VIDEO_SUFFIXES]
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        answers = zip(photos, pool.map(one, photos), strict=True)
        counted = each(answers, "photos", job.report, len(photos), itemgetter(0)) if photos else ()
        results: dict[str, _Known | Signal] = dict(counted)
    for name in [name for name in sources if name not in photos]:
        results |= _take_in_video(name, sources[name], results, job, kept)
    return results


def _take_in_video(
    name: str, source: Path, taken: Collection[str], job: Job, kept: Callable[[str, Path, Photo], _Known | Signal]
) -> dict[str, _Known | Signal]:
    """Has the picked frames of a video kept, one after another."""
    settings = job.settings.photos
    limit, patience = settings.max_megapixels, settings.timeout_s
    try:
        survey = survey_video(source, max_megapixels=limit, timeout_s=patience, report=job.report)
    except UnansweredError as error:
        return {name: Signal("SKIPPED", f"{error} with --force", (name,))}
    except InputError as error:
        return {name: Signal("SKIPPED", str(error), (name,))}
    picks = pick_frames(survey, count=settings.video_frames, interval_s=settings.video_interval_s)
    frames = frames_of(source, picks, max_megapixels=limit, max_side=settings.max_side, timeout_s=patience)
    results: dict[str, _Known | Signal] = {}

    def name_of(item: tuple[int, Photo]) -> str:
        return frame_name(name, item[0], taken)

    try:
        for item in each(frames, f"photos of {source.name}", job.report, len(picks), name_of):
            results[name_of(item)] = kept(name_of(item), source, item[1])
    except UnansweredError as error:
        text = f"{error} with --force; {len(results)} of {len(picks)} frames went on"
        return results | {name: Signal("SKIPPED", text, (name,))}
    step, frames_read = step_of(survey, settings.video_frames), len(survey.motion)
    if survey.is_cut:
        rest = f" of {survey.announced}" if survey.announced > frames_read else ""
        message = f"{source.name} breaks off after {frames_read}{rest} frames ({survey.time_s[-1]:.1f} s)"
        results[name] = Signal("BROKEN_VIDEO", message, (name,))
    elif step > WIDE_STEP:
        message = f"from one frame of {source.name} to the next the picture moves by {step:.0%} of its longer side"
        results[name] = Signal("SPARSE_VIDEO", message, (name,))
    return results


def _calibration(
    source: Path,
    photo: Photo,
    read: Callable[[Path, tuple[int, int]], Calibration],
    known: Mapping[Path, Calibration],
    settings: PhotosSettings,
) -> Calibration:
    """The first that there is: the camera file, the capture's own, EXIF, a guess; for the photo at its full size."""
    width, height = photo.size
    if settings.camera:
        return calibration_for(
            read(Path(settings.camera), photo.size), width, height, f"{settings.camera} for {source}"
        )
    if source in known:
        return calibration_for(known[source], width, height, f"the recorded camera of {source}")
    guess = Calibration(Camera.from_fov(width, height, math.radians(settings.fov_deg)))
    return calibration_from_exif(photo.exif, width, height) or guess


def _group(exif: Exif) -> str:
    """Make, model and focal length: photos that differ in them are of different cameras, whatever else is known."""
    focal = None if exif.focal_mm is None else f"{exif.focal_mm:g} mm"
    return " | ".join(part for part in (exif.make, exif.model, focal) if part)
