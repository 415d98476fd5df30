"""Stage poses: where each photo stood, and the photos undistorted to pinhole."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.engine.in_process import IN_PROCESS
from recon3d.engine.shard import Shard
from recon3d.errors import InputError
from recon3d.files import digest, read_json, write_json
from recon3d.formats.camera_file import calibration_as_json, calibration_from_json
from recon3d.formats.scene_poses import poses_as_json
from recon3d.formats.untrusted import naming
from recon3d.geometry import SE3, Calibration
from recon3d.poses.matching import Matching
from recon3d.poses.move import Move
from recon3d.poses.photo_set import same_views, why_left_out
from recon3d.poses.pose_check import CONVENTIONS, Convention, checked_poses, read_matches
from recon3d.poses.sfm import DATABASE, MODEL_FILES, Parts, UnplacedError, reconstruct
from recon3d.poses.sparse import Sparse, read_sparse
from recon3d.scale.ties import ray_angles
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.job import Found, Job, Outcome, run_shared_stage, stage_key
from recon3d.stages.pinholes import PinholeImages
from recon3d.stages.poses_asked import Asked, asked_of
from recon3d.stages.poses_parts import make_parts, remove_parts
from recon3d.stages.poses_said import featureless, misfit, unused, wrong_ones

VERSION = 5
ODOMETRY = ("auto", "on", "off")
"""Choices of `poses.odometry`."""
PARALLAX_DEG = 0.5
"""Where the rays to a typical point differ by less, half a pixel is a tenth of its distance: as much as a network errs,
and with depth at hand odometry does as well [degrees]."""

FEW_POINTS = 30
"""COLMAP places a photo by so many points at least; one that keeps fewer was placed by what proved to be wrong."""


def poses(scene: Scene, job: Job, *, trusted_depth: bool) -> Outcome:
    """Finds the poses in the scene's own unit, keeps given ones, and writes the pinhole images.

    Args:
        scene: with `init` done.
        job: its settings.
        trusted_depth: depth is a sensor's; with given poses the ties then only check it, so few photos are matched.

    Raises:
        InputError: the file of poses can't be used.
        StageError: nothing could be registered, and odometry is off.
    """
    if job.settings.poses.odometry not in ODOMETRY:
        raise InputError(f"poses.odometry: got {job.settings.poses.odometry!r}, wanted one of {', '.join(ODOMETRY)}")
    file = Path(job.settings.poses.file) if job.settings.poses.file else None
    extra = [str(job.settings.scale.trusted_photos if trusted_depth else None)]
    file_digest = None
    if file:  # one that was moved away since is as it was: only other poses make the stage stale
        file_digest = _digest(file) if file.exists() else scene.facts("poses").get("file_digest")
    key = stage_key("poses", VERSION, job.settings, [*extra, str(file_digest)], scene)

    def spread() -> Callable[[], Found]:
        asked = asked_of(scene, file, job.settings, trusted_depth)
        folder, parts = scene.file("sparse"), Parts()
        if asked.matching:
            # others see a folder; of a store they have no copy that a database could be made in
            engine = IN_PROCESS if scene.mirror else job.engine
            parts = make_parts(asked.matching, folder, engine, job.report)

        def work() -> Found:
            line, facts, signals = _work(scene, file, asked, parts, job, trusted_depth)
            remove_parts(folder)
            return line, facts | {"file_digest": file_digest}, signals

        return work

    return run_shared_stage(scene, "poses", key, job, spread)


def _digest(file: Path) -> str:
    """Of a file of poses, or of a folder with a model."""
    return digest(*sorted(path for path in file.iterdir() if path.is_file()) if file.is_dir() else [file])


def _work(scene: Scene, file: Path | None, asked: Asked, parts: Parts, job: Job, trusted_depth: bool) -> Found:
    photos, calibrations, given = scene.photo_paths(), scene.calibrations(), asked.given
    sparse_folder = scene.file("sparse")
    sparse_folder.mkdir(exist_ok=True)
    signals: list[Signal] = []
    facts: dict[str, Any] = {}
    if given.world_from_cam:
        world_from_cam, source = dict(given.world_from_cam), f"given, {given.source}"
        if asked.matching:
            adjust = job.settings.poses.adjust and not trusted_depth
            sparse = read_sparse(
                reconstruct(asked.matching, sparse_folder, parts=parts, adjust=adjust, report=job.report)
            )
            signals += featureless(sparse_folder / DATABASE, asked.matching.names)
            matches = read_matches(sparse_folder, calibrations)
            with naming(file or f"the poses recorded with the photos ({given.source})"):
                fit = checked_poses(matches, world_from_cam, CONVENTIONS.get(given.source, Convention()))
            signals += misfit(fit) or wrong_ones(matches, world_from_cam)
            facts |= {"pose_fit": round(fit.share, 3)} if fit.pairs else {}
            move = Move.between(world_from_cam, sparse, calibrations)
            facts |= move.facts()
            signals += move.signals()
            if move:
                world_from_cam, calibrations = (
                    world_from_cam | sparse.world_from_cam,
                    calibrations | sparse.calibrations,
                )
        signals += unused(given)
        lost = {name: "no given pose" for name in photos if name not in world_from_cam}
    elif len(photos) == 1:
        world_from_cam, source, lost = {next(iter(photos)): SE3.identity()}, "one photo", {}
    else:
        try:
            sparse = _from_motion(asked.matching, sparse_folder, parts, job)
        except UnplacedError as error:
            if job.settings.poses.odometry == "off":
                raise
            return _left_to_odometry(scene, str(error), job)
        world_from_cam = {name: sparse.world_from_cam[name] for name in photos if name in sparse.world_from_cam}
        calibrations, source = calibrations | sparse.calibrations, "structure from motion"
        lost = why_left_out(sparse_folder / DATABASE, photos, world_from_cam)
        signals += _copies(same_views(sparse_folder / DATABASE, list(photos)))
    if lost:
        text = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
        code = "NO_POSE" if given.world_from_cam else "UNREGISTERED"
        signals.append(Signal(code, f"{len(lost)} of {len(photos)} photos left out: {text}", tuple(lost)))
    metric = given.metric and bool(given.world_from_cam)
    data = poses_as_json(world_from_cam, "m" if metric else "1")
    write_json(sparse_folder / "poses.json", data | {"given": bool(given.world_from_cam), "metric": metric})
    _write_cameras(scene, list(world_from_cam), calibrations, job)
    facts |= {"registered": len(world_from_cam), "photos": len(photos), "source": source}
    return f"{len(world_from_cam)} of {len(photos)} photos have a pose ({source})", facts, signals


def _from_motion(matching: Matching | None, folder: Path, parts: Parts, job: Job) -> Sparse:
    """Structure from motion.

    Raises:
        UnplacedError: it places no photo, or hardly, or is not asked for.
    """
    if matching is None:
        raise UnplacedError("structure from motion: not tried, since poses.odometry is on")
    sparse = read_sparse(reconstruct(matching, folder, parts=parts, report=job.report))
    doubt = _doubt(sparse)
    if doubt and job.settings.poses.odometry == "auto":
        for name in reversed(MODEL_FILES):
            (folder / name).unlink(missing_ok=True)  # its points are no ties for poses that are found otherwise
        raise UnplacedError(f"structure from motion: {doubt}")
    return sparse


def _doubt(sparse: Sparse) -> str | None:
    """Why a model is worth less than odometry; None where it isn't."""
    seen = float(np.median(np.bincount(sparse.obs_photo, minlength=len(sparse.names))))
    if seen < FEW_POINTS:
        return f"a typical photo holds {seen:.0f} points only: the camera hardly moved, or photos hardly overlap"
    angle_deg = float(np.degrees(np.median(ray_angles(sparse, sparse.obs_photo, sparse.obs_point))))
    if angle_deg < PARALLAX_DEG:
        return f"the rays to a typical point differ by {angle_deg:.2f} degrees only: the camera hardly moved"
    return None


def _left_to_odometry(scene: Scene, reason: str, job: Job) -> Found:
    """All photos go on without poses, which stage `scale` finds from their depth (`recon3d.stages.odometry`)."""
    calibrations = scene.calibrations()
    data = poses_as_json({}, "m") | {"given": False, "metric": False, "odometry": reason}
    write_json(scene.file("sparse") / "poses.json", data)
    _write_cameras(scene, list(calibrations), calibrations, job)
    count = len(calibrations)
    facts = {"registered": 0, "photos": count, "source": "odometry"}
    text = f"{reason}; RGB-D odometry on the depth takes its place"
    return f"{count} photos are left to odometry, once they have depth", facts, [Signal("ODOMETRY", text)]


def _write_cameras(scene: Scene, names: list[str], calibrations: Mapping[str, Calibration], job: Job) -> None:
    """Undistorts the photos, and writes the cameras of what comes out beside the lenses that took them."""
    photos = scene.photo_paths()
    work = PinholeImages(
        scene,
        {name: photos[name] for name in names},
        {name: calibrations[name] for name in names},
        job.settings.photos.undistort,
    )
    # of shards the last is alone here: whatever is left is its; and what stands in a store is sent at the stage's end
    engine = IN_PROCESS if scene.mirror or isinstance(job.engine, Shard) else job.engine
    for _ in engine.do(work, names, job.report):
        pass
    cameras = {
        name: calibration_as_json(work.camera(name)) | {"lens": calibration_as_json(calibrations[name])}
        for name in names
    }
    write_json(scene.file("cameras.json"), cameras)


def lenses(scene: Scene) -> dict[str, Calibration]:
    """How the lens drew each registered photo: what was known, or found by structure from motion."""
    path = scene.file("cameras.json")
    return {name: calibration_from_json(data["lens"], f"{path}: {name}") for name, data in read_json(path).items()}


def _copies(groups: list[tuple[str, ...]]) -> list[Signal]:
    if not groups:
        return []
    shown = "; ".join(" = ".join(group) for group in groups[:5]) + ("; …" if len(groups) > 5 else "")
    names = tuple(name for group in groups for name in group)
    return [Signal("DUPLICATES", f"{len(names)} photos show no more than {len(groups)} views: {shown}", names)]
