"""What structure from motion found, as arrays: cameras, poses, points and where each photo saw them."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pycolmap

from recon3d.errors import StageError
from recon3d.formats.colmap_camera import CENTRE, calibration_from_colmap
from recon3d.geometry import SE3, Calibration
from recon3d.geometry.arrays import Array, checked
from recon3d.poses.sfm import MODEL_FILES, RECORD


@dataclass(frozen=True, eq=False)
class Sparse:
    """A sparse model in its own unit; observations are flat arrays of length M.

    Attributes:
        calibrations: of each placed photo; source "SfM" where focal length and distortion were found here.
        world_from_cam: pose of each placed photo [model unit]; the same keys.
        points: (P, 3) float64 [model unit].
        obs_point: (M,) int64 index into `points`.
        obs_photo: (M,) int64 index into `names`.
        obs_uv: (M, 2) float64 [px] in the photo as the lens drew it, pixel centres at integers.
        obs_error_px: (M,) float64 reprojection error [px].
    """

    calibrations: dict[str, Calibration]
    world_from_cam: dict[str, SE3]
    points: Array
    obs_point: Array
    obs_photo: Array
    obs_uv: Array
    obs_error_px: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", checked("points", self.points, np.float64, ("P", 3)))
        object.__setattr__(self, "obs_point", checked("obs_point", self.obs_point, np.int64, ("M",)))
        count = len(self.obs_point)
        object.__setattr__(self, "obs_photo", checked("obs_photo", self.obs_photo, np.int64, (count,)))
        object.__setattr__(self, "obs_uv", checked("obs_uv", self.obs_uv, np.float64, (count, 2)))
        object.__setattr__(self, "obs_error_px", checked("obs_error_px", self.obs_error_px, np.float64, (count,)))

    @property
    def names(self) -> list[str]:
        """Placed photos; `obs_photo` counts in this order."""
        return list(self.world_from_cam)


def read_sparse(folder: Path) -> Sparse:
    """Reads the model that `recon3d.poses.sfm.reconstruct` wrote, or any binary COLMAP model.

    Photos are named by their stem, in the order of their ids: capture order for a model of ours.

    Raises:
        StageError: there is no whole model in the folder.
    """
    if not (folder / MODEL_FILES[-1]).exists():
        raise StageError(f"{folder}: no whole sparse model here; run `recon3d poses` again")
    try:
        model = pycolmap.Reconstruction(folder)
    except (RuntimeError, ValueError) as error:
        raise StageError(
            f"{folder}: the sparse model can't be read ({error}); delete it, run `recon3d poses`"
        ) from error
    record = folder / RECORD
    sources = (
        [camera["source"] for camera in json.loads(record.read_text(encoding="utf-8"))["cameras"]]
        if record.exists()
        else []
    )
    ids = sorted(model.points3D)
    points = np.array([model.points3D[i].xyz for i in ids], np.float64).reshape(-1, 3)
    calibrations: dict[str, Calibration] = {}
    world_from_cam: dict[str, SE3] = {}
    seen: list[tuple[Array, Array, Array]] = []
    for number, image_id in enumerate(sorted(model.reg_image_ids())):
        image = model.images[image_id]
        name = Path(image.name).stem
        camera = model.cameras[image.camera_id]
        calibrations[name] = calibration_from_colmap(
            camera.model_name,
            camera.params.tolist(),
            camera.width,
            camera.height,
            source=sources[image.camera_id - 1] if image.camera_id <= len(sources) else "COLMAP",
        )
        cam_from_world = SE3.from_matrix(image.cam_from_world().matrix())
        world_from_cam[name] = cam_from_world.inverse()
        observed = image.get_observation_points2D()
        uv = np.array([point.xy for point in observed], np.float64).reshape(-1, 2) - CENTRE
        index = np.searchsorted(ids, np.array([point.point3D_id for point in observed], np.int64))
        seen.append((index, np.full(len(index), number), uv))
    obs_point, obs_photo, obs_uv = (
        np.concatenate(parts) if parts else np.empty(0) for parts in zip(*seen, strict=True)
    )
    errors = np.empty(len(obs_point))
    for number, name in enumerate(world_from_cam):
        mine = obs_photo == number
        points_cam = world_from_cam[name].inverse() @ points[obs_point[mine]]
        errors[mine] = np.linalg.norm(drawn(calibrations[name], points_cam) - obs_uv[mine], axis=1)
    return Sparse(calibrations, world_from_cam, points, obs_point, obs_photo, obs_uv, errors)


def drawn(calibration: Calibration, points_cam: Array) -> Array:
    """(N, 2) pixels where the lens draws (N, 3) points of the camera frame, distortion included."""
    K = calibration.camera.K
    if not len(points_cam) or calibration.is_pinhole:
        return calibration.camera.project(points_cam)
    zero = np.zeros(3)
    coefficients = np.array(calibration.distortion)
    if calibration.model == "fisheye":
        pixels, _ = cv2.fisheye.projectPoints(points_cam[:, None], zero, zero, K, coefficients)
    else:
        pixels, _ = cv2.projectPoints(points_cam[:, None], zero, zero, K, coefficients)
    found: Array = pixels[:, 0]
    return found
