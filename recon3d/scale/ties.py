"""Ties between sparse points and depth maps: where a photo sees a point, and how far away the point is."""

from dataclasses import dataclass

import numpy as np

from recon3d.geometry import Camera
from recon3d.geometry.arrays import Array, checked
from recon3d.poses.sparse import Sparse
from recon3d.settings import ScaleSettings

DEPTH_FLOOR = 0.05
"""Relative error of a predicted depth that better triangulation can't make up for: it caps the weights."""
PIXEL_FLOOR = 0.5
"""A feature is taken to be no better than this, whatever its reprojection error [px]."""


@dataclass(frozen=True, eq=False)
class Ties:
    """Sparse points in one photo.

    Attributes:
        uv: (N, 2) float64 [px] of the undistorted photo: the point as its pinhole camera sees it.
        z: (N,) float64 depth of the point along the view's z [unit of the sparse model], > 0.
        weight: (N,) float64 in (0, 1]: how well triangulation fixes z, against the error of predicted depth.
    """

    uv: Array
    z: Array
    weight: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "z", checked("tie depths", self.z, np.float64, ("N",)))
        object.__setattr__(self, "uv", checked("tie pixels", self.uv, np.float64, (len(self.z), 2)))
        object.__setattr__(self, "weight", checked("tie weights", self.weight, np.float64, (len(self.z),)))

    @classmethod
    def none(cls) -> "Ties":
        """Of a photo that sees no sparse point."""
        return cls(np.empty((0, 2)), np.empty(0), np.empty(0))


def ties_of(sparse: Sparse, cameras: dict[str, Camera], settings: ScaleSettings) -> dict[str, Ties]:
    """The ties of each placed photo.

    A track ties depth when it is seen by `settings.min_views` photos and its rays span `settings.min_angle_deg`; of
    it, the observations within `settings.max_reprojection_px`, inside the undistorted photo and in front of it.

    Args:
        sparse: the model.
        cameras: pinhole camera of each undistorted photo; photos of the model without one are left out.
        settings: of the scale stage.
    """
    good = sparse.obs_error_px <= settings.max_reprojection_px
    photo, point = sparse.obs_photo[good], sparse.obs_point[good]
    error = sparse.obs_error_px[good]
    views = np.bincount(point, minlength=len(sparse.points))
    angle = ray_angles(sparse, photo, point)
    strong = (views >= settings.min_views) & (angle >= np.deg2rad(settings.min_angle_deg))
    ties = {}
    for number, name in enumerate(sparse.names):
        if name not in cameras:
            continue
        camera = cameras[name]
        mine = (photo == number) & strong[point]
        points_cam = sparse.world_from_cam[name].inverse() @ sparse.points[point[mine]]
        uv, z = camera.project(points_cam), points_cam[:, 2]
        inside = (z > 0) & ((uv > -0.5) & (uv < [camera.width - 0.5, camera.height - 0.5])).all(axis=1)
        # A shift of one pixel at the ends of a baseline seen under the angle a moves a point by 1 / (f a) of its depth.
        pixels = np.maximum(error[mine], PIXEL_FLOOR)
        sigma = pixels / (np.sqrt(camera.fx * camera.fy) * angle[point[mine]])
        weight = DEPTH_FLOOR**2 / (DEPTH_FLOOR**2 + sigma**2)
        ties[name] = Ties(uv[inside], z[inside], weight[inside])
    return ties


def ray_angles(sparse: Sparse, photo: Array, point: Array) -> Array:
    """(P,) angle [rad] between the rays of each point that are farthest apart.

    By a double sweep: the ray farthest from the first one, then the one farthest from that. Exact where the cameras
    of a point stand on a line or arc around it, and never more than the true maximum.

    Args:
        sparse: the model.
        photo: (M,) index into `sparse.names` of the observations that count.
        point: (M,) index into `sparse.points` of the same observations.
    """
    angles = np.zeros(len(sparse.points))
    if not len(point):
        return angles
    order = np.lexsort((photo, point))
    photo, point = photo[order], point[order]
    centres = np.stack([pose.t for pose in sparse.world_from_cam.values()])
    rays = centres[photo] - sparse.points[point]
    rays /= np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-300)
    start = np.flatnonzero(np.r_[True, point[1:] != point[:-1]])
    track = np.cumsum(np.r_[False, point[1:] != point[:-1]])
    far = rays[start]
    for _ in range(2):
        # The chord keeps its digits where rays are nearly parallel; the arc cosine would not.
        chord = np.linalg.norm(rays - far[track], axis=1)
        by_chord = np.lexsort((chord, track))
        last = by_chord[np.r_[start[1:], len(track)] - 1]
        far = rays[last]
    angles[point[start]] = 2 * np.arcsin(np.clip(chord[last] / 2, 0, 1))
    return angles
