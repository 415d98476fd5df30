"""One photo as a source of colour: what of the mesh it sees, and how well."""

from dataclasses import dataclass

import cv2
import numpy as np
import open3d as o3d

from recon3d.geometry import SE3, Camera, Frame, Mesh
from recon3d.geometry.arrays import Array

EDGE_JUMP = 0.04
"""Relative jump of the mesh's depth between neighbouring pixels that makes an edge, where colours may be another's."""
EDGE_SHARE = 0.012
"""Width of the band along edges in which a photo counts for less, of the photo's longer side."""
BORDER_SHARE = 0.08
"""Width of the band along the photo's border in which it counts for less and less, of the longer side."""
IN_FRONT = 0.05
"""Share of the depth by which a photo's own depth must be nearer than the mesh for something to stand in between."""
BEHIND = 0.1
"""What a pixel counts in front of which the photo's own depth saw something."""


@dataclass(frozen=True, eq=False)
class View:
    """A photo, and the mesh as seen from it.

    Attributes:
        image: (H, W, 3) float32 sRGB in 0 to 255.
        depth: (H, W) float32 of the mesh along z [m], 0 = none.
        trust: (H, W) float32 in 0 to 1: less along borders and depth edges, and where something stands in front.
        camera: the pinhole.
        cam_from_world: its pose [m].
    """

    image: Array
    depth: Array
    trust: Array
    camera: Camera
    cam_from_world: SE3


class Caster:
    """Rays onto one mesh, both of its sides."""

    def __init__(self, mesh: Mesh) -> None:
        self.middle = mesh.vertices.mean(axis=0)  # float32 must not round a world far from its origin
        self.scene = o3d.t.geometry.RaycastingScene()
        from_numpy = o3d.core.Tensor.from_numpy
        vertices = np.ascontiguousarray(mesh.vertices - self.middle, np.float32)
        self.scene.add_triangles(from_numpy(vertices), from_numpy(mesh.triangles.astype(np.uint32)))

    def cast(self, camera: Camera, world_from_cam: SE3) -> tuple[Array, Array, Array]:
        """(H, W) float32 depth along z [m], 0 = none; (H, W) triangle; (H, W, 2) its barycentric u, v."""
        rays = np.empty((camera.height, camera.width, 6), np.float32)
        rays[..., :3] = world_from_cam.t - self.middle
        rays[..., 3:] = camera.rays() @ world_from_cam.R.T.astype(np.float32)
        cast = self.scene.cast_rays(o3d.core.Tensor.from_numpy(rays))
        depth = cast["t_hit"].numpy()
        depth[~np.isfinite(depth)] = 0
        return depth, cast["primitive_ids"].numpy(), cast["primitive_uvs"].numpy()


def view_of(frame: Frame, caster: Caster) -> View:
    """What a frame has to say of the mesh; its own depth, where it has one, tells what stands in front of it."""
    depth, _, _ = caster.cast(frame.camera, frame.world_from_cam)
    height, width = depth.shape
    side = max(height, width)
    trust = _ramp(_from_edges(depth), EDGE_SHARE * side)
    rows = np.minimum(np.arange(height), np.arange(height)[::-1])
    columns = np.minimum(np.arange(width), np.arange(width)[::-1])
    trust *= _ramp(np.minimum(rows[:, None], columns[None]).astype(np.float32), BORDER_SHARE * side)
    near = (frame.depth > 0) & (depth > 0)
    doubt = IN_FRONT * depth + (2 * frame.sigma if frame.sigma is not None else 0)
    trust[near & (frame.depth < depth - doubt)] *= BEHIND
    trust[frame.image.max(axis=-1) == 0] = 0  # what undistortion left black
    return View(
        frame.image.astype(np.float32), depth, trust.astype(np.float32), frame.camera, frame.world_from_cam.inverse()
    )


def _from_edges(depth: Array) -> Array:
    """(H, W) float32 distance of each pixel from the next depth edge [px]."""
    edges = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        a, b = (depth[:-1], depth[1:]) if axis == 0 else (depth[:, :-1], depth[:, 1:])
        jump = np.abs(a - b) > EDGE_JUMP * np.minimum(a, b)
        first, second = (edges[:-1], edges[1:]) if axis == 0 else (edges[:, :-1], edges[:, 1:])
        first |= jump
        second |= jump
    if not edges.any():
        return np.full(depth.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, 5))


def _ramp(distance: Array, width: float) -> Array:
    """From 0 at the edge smoothly to 1 at `width`."""
    share = np.clip(distance / max(width, 1), 0, 1).astype(np.float32)
    return np.asarray(share * share * (3 - 2 * share))
