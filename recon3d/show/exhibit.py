"""What the viewers show: surface, points, photos where they were taken, and how sure the size of it all is."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recon3d.geometry import SE3, Camera, Mesh, PointCloud
from recon3d.geometry.arrays import Array
from recon3d.show.screenshot import overview

THUMBNAIL_PX = 256
"""Longer side of the small pictures that stand in the cameras."""
FRUSTUM_SHARE = 0.03
"""Length of the drawn cameras, as a share of the scene's diagonal."""

MOST_BACK = 2.0
"""How much farther away than the surface asks for the first view may be, so that the photos are in it."""


@dataclass(frozen=True, eq=False)
class ShownPhoto:
    """A photo where it was taken.

    Attributes:
        name: the photo's.
        camera: its pinhole camera.
        world_from_cam: its pose [m].
        thumbnail: (h, w, 3) uint8 sRGB, the whole picture made small; None where the picture is not there.
    """

    name: str
    camera: Camera
    world_from_cam: SE3
    thumbnail: Array | None = None

    def frustum(self, length: float) -> Array:
        """(5, 3): the eye, and the corners of what it sees `length` ahead [m], from the top left on, clockwise."""
        camera = self.camera
        x = np.array([-0.5, camera.width - 0.5, camera.width - 0.5, -0.5])
        y = np.array([-0.5, -0.5, camera.height - 0.5, camera.height - 0.5])
        rays = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones(4)], axis=1)
        corners: Array = self.world_from_cam @ np.concatenate([np.zeros((1, 3)), rays * length])
        return corners


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A scene as the viewers show it.

    Attributes:
        name: what it is called.
        mesh: the surface, or None.
        cloud: the points, or None.
        photos: in capture order.
        scale_sigma: one standard deviation of the world's size over its size; 0 = given, 1 = nothing is known.
        scale_source: where the size came from.
        up: (3,) what is up in the world, a unit vector.
    """

    name: str
    mesh: Mesh | None
    cloud: PointCloud | None
    photos: Sequence[ShownPhoto]
    scale_sigma: float
    scale_source: str
    up: Array

    def bounds(self) -> Array:
        """(2, 3) lowest and highest corner of all that is shown, stray points aside; of nothing, one point [m]."""
        places = [photo.world_from_cam.t[None] for photo in self.photos]
        shape = self.mesh.vertices if self.mesh is not None else self.cloud.points if self.cloud is not None else ()
        places += [np.percentile(shape, [0.5, 99.5], axis=0)] if len(shape) else []
        if not places:
            return np.zeros((2, 3))
        every = np.concatenate(places)
        return np.stack([every.min(axis=0), every.max(axis=0)])

    def overview(self, camera: Camera) -> tuple[Array, Array]:
        """Where to look at all of it from, and what at, each (3,) [m].

        Args:
            camera: with what the scene is looked at.
        """
        shape = self.mesh if self.mesh is not None else self.cloud
        middle = self.bounds().mean(axis=0)
        if shape is None:
            return middle + 20 * self.frustum_length() * np.array([1.0, 1.0, 1.0]), middle
        pose = overview(shape, camera, self.up)
        ahead = pose.R[:, 2]
        away = max(float((middle - pose.t) @ ahead), self.frustum_length())
        return pose.t - ahead * self._step_back(camera, pose, away), pose.t + ahead * away

    def _step_back(self, camera: Camera, world_from_cam: SE3, away: float) -> float:
        """How much farther off the photos come into view too [m]; at most `MOST_BACK` times the distance."""
        if not self.photos:
            return 0.0
        eyes = world_from_cam.inverse() @ np.stack([photo.world_from_cam.t for photo in self.photos])
        half = np.array([camera.width / camera.fx, camera.height / camera.fy]) / 2
        needed = ((np.abs(eyes[:, :2]) + self.frustum_length()) / half).max(axis=1) - eyes[:, 2]
        return float(np.clip(needed.max(), 0, MOST_BACK * away))

    def frustum_length(self) -> float:
        """How long cameras are drawn [m]."""
        low, high = self.bounds()
        return FRUSTUM_SHARE * (float(np.linalg.norm(high - low)) or 1.0)


def thumbnail(image: Array) -> Array:
    """(h, w, 3) uint8: an image (H, W, 3) uint8 made small, `THUMBNAIL_PX` at the longer side."""
    height, width = image.shape[:2]
    share = min(1.0, THUMBNAIL_PX / max(height, width))
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small: Array = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small
