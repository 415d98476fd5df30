"""Points from given poses, and these poses and cameras adjusted to the photos where that pays."""

from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array
from recon3d.poses.adjust import Tracks, adjusted
from recon3d.poses.mapper_options import camera_of, mapper_options
from recon3d.progress import Report

ROUNDS_PX = (12.0, 4.0, 4.0)
"""Reprojection errors up to which points are taken into each round of adjustment [px]: poses that are off by half a
degree miss by some pixels, and what doesn't fit after the first round is wrong."""
CREATE_DEG_PER_PX = 0.12
"""Angle that a pixel is at most, that of a wide lens on a small photo [degrees]."""


def triangulated(path: Path, job: dict[str, Any], report: Report) -> pycolmap.Reconstruction:
    """The points that features make under given poses.

    Args:
        path: of the database.
        job: of the structure-from-motion process, with "given" and "adjust".
        report: told of the rounds.

    Returns:
        A model with the given poses and cameras; where adjusting them pays, with the adjusted ones.
    """
    matrices = dict(job["given"])
    stems = {number + 1: Path(entry["name"]).stem for number, entry in enumerate(job["images"])}
    given = {i: SE3.from_matrix(np.array(matrices[stem])) for i, stem in stems.items() if stem in matrices}
    poses, lenses = given, np.zeros((len(job["cameras"]), 3))
    scratch = Path(job["scratch"])
    for number, limit in enumerate(ROUNDS_PX if job["adjust"] else ()):
        report("adjusting", number, len(ROUNDS_PX))
        model = _points(path, job, poses, lenses, limit, scratch / f"round{number}")
        if not model.points3D:
            break
        found = adjusted(_tracks(model, job, poses), list(given.values()), lenses)
        if number == 0 and not found.pays:
            break
        poses, lenses = dict(zip(given, found.world_from_cam, strict=True)), found.lenses
    return _points(path, job, poses, lenses, None, scratch / "triangulated")


def _points(
    path: Path, job: dict[str, Any], poses: dict[int, SE3], lenses: Array, limit_px: float | None, out: Path
) -> pycolmap.Reconstruction:
    """A model of the poses, by id, with points that miss by at most so many pixels; None = COLMAP's own limits."""
    model = pycolmap.Reconstruction()
    for number, entry in enumerate(job["cameras"]):
        camera = camera_of(number, entry)
        zoom, *shift = lenses[number]
        params = camera.params.copy()  # fx, fy, cx, cy first in all models of cameras that are given
        params[2:4] += shift * params[:2]
        params[:2] *= np.exp(zoom)
        camera.params = params
        model.add_camera_with_trivial_rig(camera)
    for image_id, pose in poses.items():
        entry = job["images"][image_id - 1]
        image = pycolmap.Image(name=entry["file"], camera_id=entry["camera"] + 1, image_id=image_id)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose.inverse().matrix[:3]))
    options = mapper_options(job)
    # Poses that are known need no third photo to vouch for a point; where photos are few, most points have two.
    options.triangulation.ignore_two_view_tracks = False
    if limit_px is not None:
        options.mapper.filter_max_reproj_error = limit_px
        options.triangulation.merge_max_reproj_error = options.triangulation.complete_max_reproj_error = limit_px
        angle_deg = max(options.triangulation.create_max_angle_error, CREATE_DEG_PER_PX * limit_px)
        options.triangulation.create_max_angle_error = options.triangulation.continue_max_angle_error = angle_deg
    out.mkdir()
    return pycolmap.triangulate_points(model, path, Path(job["scratch"]) / "photos", out, options=options)


def _tracks(model: pycolmap.Reconstruction, job: dict[str, Any], poses: dict[int, SE3]) -> Tracks:
    """The points of a model, and where the given cameras see them."""
    ids = sorted(model.points3D)
    index = {point: number for number, point in enumerate(ids)}
    seen = []
    for photo, image_id in enumerate(poses):
        observed = model.images[image_id].get_observation_points2D()
        if not observed:
            continue
        number = job["images"][image_id - 1]["camera"]
        camera = camera_of(number, job["cameras"][number])
        xy = np.asarray(camera.cam_from_img(np.array([point.xy for point in observed])), np.float64)
        rows = np.empty((len(observed), 6))
        rows[:, :3] = photo, 0, number
        rows[:, 1] = [index[point.point3D_id] for point in observed]
        rows[:, 3:5], rows[:, 5] = xy, camera.mean_focal_length()
        seen.append(rows[np.isfinite(xy).all(axis=1)])
    table = np.concatenate(seen)
    photo, point, number = table[:, :3].T.astype(np.int64)
    points = np.array([model.points3D[i].xyz for i in ids])
    return Tracks(tuple(poses.values()), points, photo, point, number, table[:, 3:5], table[:, 5])
