"""Stage poses: where each photo stood, and the photos undistorted to pinhole."""

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.files import digest, read_json, replacing, write_json
from recon3d.formats.camera_file import calibration_as_json, calibration_from_json
from recon3d.formats.pose_file import GivenPoses, read_poses
from recon3d.formats.untrusted import naming
from recon3d.geometry import SE3, Calibration
from recon3d.photos.undistort import undistort
from recon3d.photos.working import load_working, save_image
from recon3d.poses.move import Move
from recon3d.poses.pairs import pairs_by_pose
from recon3d.poses.photo_set import same_views, why_left_out
from recon3d.poses.pose_check import CONVENTIONS, Convention, checked_poses, read_matches
from recon3d.poses.sfm import DATABASE, MODEL_FILES, UnplacedError, reconstruct
from recon3d.poses.sparse import Sparse, read_sparse
from recon3d.progress import each
from recon3d.scale.ties import ray_angles
from recon3d.scene import Scene, poses_as_json, poses_from_json
from recon3d.signals import Signal
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key
from recon3d.stages.poses_said import misfit, unused, wrong_ones

VERSION = 5
ALONG = 2
"""Photos before and after that each photo is matched with in capture order, where poses are given."""

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

    def work() -> Found:
        line, facts, signals = _work(scene, file, job, trusted_depth)
        return line, facts | {"file_digest": file_digest}, signals

    return run_stage(scene, "poses", key, job, work)


def _digest(file: Path) -> str:
    """Of a file of poses, or of a folder with a model."""
    return digest(*sorted(path for path in file.iterdir() if path.is_file()) if file.is_dir() else [file])


def _work(scene: Scene, file: Path | None, job: Job, trusted_depth: bool) -> Found:
    photos, calibrations = scene.photo_paths(), scene.calibrations()
    sparse_folder = scene.file("sparse")
    sparse_folder.mkdir(exist_ok=True)
    given = _given(scene, file, list(photos))
    signals: list[Signal] = []
    facts: dict[str, Any] = {}
    if given.world_from_cam:
        world_from_cam, source = dict(given.world_from_cam), f"given, {given.source}"
        count = job.settings.scale.trusted_photos if trusted_depth else len(world_from_cam)
        sparse = _triangulate(sparse_folder, photos, calibrations, world_from_cam, count, trusted_depth, job)
        if sparse:
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
            sparse = _from_motion(sparse_folder, photos, calibrations, _groups(scene), job)
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


def _from_motion(
    folder: Path,
    photos: dict[str, Path],
    calibrations: dict[str, Calibration],
    groups: Mapping[str, str],
    job: Job,
) -> Sparse:
    """Structure from motion.

    Raises:
        UnplacedError: it places no photo, or hardly, or odometry is asked for.
    """
    if job.settings.poses.odometry == "on":
        raise UnplacedError("structure from motion: not tried, since poses.odometry is on")
    reconstruct(photos, calibrations, folder, job.settings.poses, groups=groups, report=job.report)
    sparse = read_sparse(folder)
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
    photos, keep = scene.photo_paths(), job.settings.photos.undistort
    cameras = {
        name: calibration_as_json(_undistorted(scene, name, photos[name], calibrations[name], keep))
        | {"lens": calibration_as_json(calibrations[name])}
        for name in each(names, "undistort", job.report)
    }
    write_json(scene.file("cameras.json"), cameras)


def lenses(scene: Scene) -> dict[str, Calibration]:
    """How the lens drew each registered photo: what was known, or found by structure from motion."""
    path = scene.file("cameras.json")
    return {name: calibration_from_json(data["lens"], f"{path}: {name}") for name, data in read_json(path).items()}


def _groups(scene: Scene) -> dict[str, str]:
    """Make, model and focal length of each photo's camera, as `init` found them; "" where it didn't."""
    return {name: str(data.get("group", "")) for name, data in read_json(scene.file("calibration.json")).items()}


def _copies(groups: list[tuple[str, ...]]) -> list[Signal]:
    if not groups:
        return []
    shown = "; ".join(" = ".join(group) for group in groups[:5]) + ("; …" if len(groups) > 5 else "")
    names = tuple(name for group in groups for name in group)
    return [Signal("DUPLICATES", f"{len(names)} photos show no more than {len(groups)} views: {shown}", names)]


def _given(scene: Scene, file: Path | None, names: list[str]) -> GivenPoses:
    """Poses from the file, or those that came with the photos; perhaps none."""
    if file:
        found = read_poses(file, names)
        ordered = {name: found.world_from_cam[name] for name in names if name in found.world_from_cam}
        return dataclasses.replace(found, world_from_cam=ordered)
    capture = read_json(scene.file("capture.json"))
    return GivenPoses(poses_from_json(capture), bool(capture["metric"]), str(capture["format"]))


def _triangulate(
    folder: Path,
    photos: Mapping[str, Path],
    calibrations: Mapping[str, Calibration],
    given: Mapping[str, SE3],
    count: int,
    trusted_depth: bool,
    job: Job,
) -> Sparse | None:
    """Matches photos with known poses, to make ties for the scale; None where there were none to match.

    Neighbours in capture order are matched too: wrong poses don't tell which photos see the same.
    """
    chosen = {name: given[name] for name in _runs(list(given), count)}
    if len(chosen) < 2:
        return None
    names = list(chosen)
    along = [pair for step in range(1, ALONG + 1) for pair in zip(names, names[step:], strict=False)]
    reconstruct(
        {name: photos[name] for name in chosen},
        {name: calibrations[name] for name in chosen},
        folder,
        job.settings.poses,
        given=chosen,
        pairs=list(dict.fromkeys([*pairs_by_pose(chosen), *along])),
        adjust=job.settings.poses.adjust and not trusted_depth,
        report=job.report,
    )
    return read_sparse(folder)


def _runs(names: list[str], count: int, length: int = 5) -> list[str]:
    """About `count` names in runs of neighbours, spread evenly: neighbours overlap, spread runs see the whole."""
    if len(names) <= count:
        return names
    starts = np.linspace(0, len(names) - length, max(1, count // length)).astype(int)
    return [names[i] for i in sorted({int(start) + k for start in starts for k in range(min(length, count))})]


def _undistorted(scene: Scene, name: str, photo: Path, calibration: Calibration, keep: str) -> Calibration:
    """Writes images/NAME, and masks/NAME where undistortion left a border; returns the camera of it."""
    target = scene.file("images") / photo.name
    if calibration.is_pinhole:
        if not target.exists():
            with replacing(target) as temporary:
                try:
                    os.link(photo, temporary)
                except OSError:  # a file system without hard links
                    shutil.copyfile(photo, temporary)
        return dataclasses.replace(calibration, model="pinhole", distortion=())
    image, camera, mask = undistort(load_working(photo), calibration, keep)
    if not target.exists():
        if mask is not None:
            with replacing(scene.file("masks") / f"{name}.png") as temporary:
                save_image(temporary, mask)
        with replacing(target) as temporary:
            save_image(temporary, image)
    return Calibration(camera, rms_px=calibration.rms_px, source=calibration.source)
