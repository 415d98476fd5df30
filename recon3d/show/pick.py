"""Picking: what is seen at a pixel of a view, and the view from a photo."""

from collections.abc import Sequence

import numpy as np
import open3d as o3d

from recon3d.geometry import SE3, Camera, Mesh, PointCloud
from recon3d.geometry.arrays import Array
from recon3d.show.exhibit import ShownPhoto

NEAR_RAY = 0.01
"""Points of a cloud this near to a ray are met by it, as a share of their distance."""


def ray(camera: Camera, world_from_cam: SE3, pixel: tuple[float, float]) -> tuple[Array, Array]:
    """Where the ray of a pixel (u, v) begins and where it goes, each (3,) in the world [m]; z = 1 at length 1."""
    u, v = pixel
    local = np.array([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0])
    return world_from_cam.t, world_from_cam.R @ local


class Surface:
    """A mesh that rays are cast on."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._caster = o3d.t.geometry.RaycastingScene()
        vertices = o3d.core.Tensor.from_numpy(mesh.vertices.astype(np.float32))
        self._caster.add_triangles(vertices, o3d.core.Tensor.from_numpy(mesh.triangles.astype(np.uint32)))

    def hit(self, origin: Array, direction: Array, *, up: Array, cut: float) -> Array | None:
        """The first point (3,) of a ray on a triangle that faces it and is drawn, not cut off above; None = nowhere.

        Args:
            origin: (3,) [m].
            direction: (3,) of any length.
            up: (3,) unit vector.
            cut: height along `up` above which nothing is drawn [m].
        """
        rays = o3d.core.Tensor.from_numpy(np.concatenate([origin, direction]).astype(np.float32)[None])
        met = self._caster.list_intersections(rays)
        corners = self._mesh.vertices[self._mesh.triangles[met["primitive_ids"].numpy()]]
        facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) @ direction < 0
        along = met["t_hit"].numpy().astype(np.float64)
        points = origin + along[:, None] * direction
        drawn = np.nonzero(facing & (points @ up <= cut))[0]
        return points[drawn[np.argmin(along[drawn])]] if len(drawn) else None


def cloud_hit(cloud: PointCloud, origin: Array, direction: Array, *, up: Array, cut: float) -> Array | None:
    """The nearest point (3,) of a cloud that a ray passes within `NEAR_RAY` of, and that is drawn; None = none."""
    away = cloud.points - origin
    along = away @ direction / (direction @ direction)
    beside = np.linalg.norm(away - along[:, None] * direction, axis=1)
    near = beside <= NEAR_RAY * along * float(np.linalg.norm(direction))
    drawn = np.nonzero(near & (along > 0) & (cloud.points @ up <= cut))[0]
    return cloud.points[drawn[np.argmin(along[drawn])]] if len(drawn) else None


def photo_hit(photos: Sequence[ShownPhoto], length: float, origin: Array, direction: Array) -> tuple[int, float] | None:
    """The nearest photo whose drawn picture a ray meets.

    Args:
        photos: drawn `length` long [m].
        length: as of `Exhibit.frustum_length`.
        origin: (3,) of the ray [m].
        direction: (3,) of the ray.

    Returns:
        The photo's place in `photos`, and how many directions away its picture is; None where the ray meets none.
    """
    if not photos:
        return None
    corners = np.stack([photo.frustum(length)[1:] for photo in photos])
    across, down = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
    normals = np.cross(across, down)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = np.einsum("pc,pc->p", corners[:, 0] - origin, normals) / (normals @ direction)
        place = origin + along[:, None] * direction - corners[:, 0]
    right = np.einsum("pc,pc->p", place, across) / np.einsum("pc,pc->p", across, across)
    below = np.einsum("pc,pc->p", place, down) / np.einsum("pc,pc->p", down, down)
    met = np.nonzero((along > 0) & (right >= 0) & (right <= 1) & (below >= 0) & (below <= 1))[0]
    if not len(met):
        return None
    nearest = int(met[np.argmin(along[met])])
    return nearest, float(along[nearest])


def fitted(camera: Camera, width: int, height: int) -> Camera:
    """The camera of a window of `width` x `height` px in the middle of which a photo of `camera` just fits."""
    scale = min(width / camera.width, height / camera.height)
    left, top = (width - camera.width * scale) / 2, (height - camera.height * scale) / 2
    cx, cy = (camera.cx + 0.5) * scale + left - 0.5, (camera.cy + 0.5) * scale + top - 0.5
    return Camera(width, height, camera.fx * scale, camera.fy * scale, cx, cy)
