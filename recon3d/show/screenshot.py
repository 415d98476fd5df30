"""Screenshots of meshes and point clouds by ray casting: no GL, no display."""

import math

import numpy as np
import open3d as o3d
from scipy.spatial import cKDTree

from recon3d.errors import InputError
from recon3d.geometry import SE3, Camera, Mesh, PointCloud
from recon3d.geometry.arrays import Array
from recon3d.show.viewpoint import FOV, around, fitting, looking

BACKGROUND = (245, 246, 248)
"""Colour where nothing is met, sRGB."""
AZIMUTHS = 12
"""Directions all round from which an automatic viewpoint is chosen."""
SKETCH = 50_000
"""Points that the side of automatic views is chosen by."""
SPLAT = 1.5
"""Side of a drawn point, of the distance to its fourth neighbour: that across the sides of a square lattice."""
SHADE = 0.55
"""Brightness of a surface seen edge-on, of 1 from the front: a lamp on the camera."""


def screenshot(
    scene: Mesh | PointCloud,
    *,
    width: int = 1280,
    height: int = 960,
    eye: Array | None = None,
    target: Array | None = None,
    up: Array | None = None,
) -> Array:
    """Draws a mesh or a point cloud.

    Triangles that face away are not drawn, so that one looks into a room from outside, through its near walls.

    Args:
        scene: what is drawn.
        width: [px].
        height: [px].
        eye: (3,) where it is looked at from [m]; None = a three-quarter view from above, from the side that shows most.
        target: (3,) what an eye that is given looks at [m]; None = the middle of the scene.
        up: (3,) direction that is up in the world; None = z.

    Returns:
        (H, W, 3) uint8 sRGB.

    Raises:
        InputError: the scene is empty.
    """
    points = scene.vertices if isinstance(scene, Mesh) else scene.points
    if not len(points) or (isinstance(scene, Mesh) and not len(scene.triangles)):
        raise InputError("screenshot: got nothing to draw, wanted a mesh or cloud with at least one triangle or point")
    upward = np.array([0.0, 0.0, 1.0]) if up is None else np.asarray(up, np.float64) / np.linalg.norm(up)
    camera = Camera.from_fov(width, height, FOV)
    if eye is not None:
        low, high = np.percentile(points, [0.5, 99.5], axis=0)
        middle = (low + high) / 2 if target is None else np.asarray(target, np.float64)
        return _draw(scene, camera, looking(np.asarray(eye, np.float64), middle, upward))[0]
    return _draw(scene, camera, overview(scene, camera, upward))[0]


def overview(scene: Mesh | PointCloud, camera: Camera, up: Array) -> SE3:
    """`world_from_cam` of a three-quarter view from above that just shows all, from the side that shows most.

    Args:
        scene: at least one point.
        camera: the view.
        up: (3,) direction that is up in the world, a unit vector.
    """
    points = scene.vertices if isinstance(scene, Mesh) else scene.points
    views = [fitting(points, camera, pose) for pose in around(points, up, AZIMUTHS)]
    small, sketch = camera.resized(max(camera.width // 16, 8), max(camera.height // 16, 8)), _sketch(scene)
    return max(views, key=lambda view: np.count_nonzero(_render_cloud(sketch, small, view)[1]))


def render(mesh: Mesh, camera: Camera, world_from_cam: SE3, *, lamp: bool = True) -> tuple[Array, Array]:
    """Casts a ray per pixel onto a mesh; triangles that face away from the camera are not drawn.

    Args:
        mesh: with colours at its vertices.
        camera: the view.
        world_from_cam: its pose [m].
        lamp: shade as by a lamp on the camera; else the colours are drawn as they are.

    Returns:
        (H, W, 3) uint8 sRGB; and (H, W) float32 depth along z [m], 0 = none.
    """
    image = np.full((camera.height, camera.width, 3), BACKGROUND, np.uint8)
    depth = np.zeros((camera.height, camera.width), np.float32)
    cam_from_world = world_from_cam.inverse()
    vertices = (cam_from_world @ mesh.vertices).astype(np.float32)
    corners = vertices[mesh.triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    towards = np.einsum("tc,tc->t", faces, corners[:, 0]) < 0
    triangles = mesh.triangles[towards]
    if not len(triangles):
        return image, depth
    caster = o3d.t.geometry.RaycastingScene()
    from_numpy = o3d.core.Tensor.from_numpy
    caster.add_triangles(from_numpy(vertices), from_numpy(triangles.astype(np.uint32)))
    rays = np.zeros((camera.height, camera.width, 6), np.float32)
    rays[..., 3:] = camera.rays()
    cast = caster.cast_rays(from_numpy(rays))
    distance = cast["t_hit"].numpy()
    hit = np.isfinite(distance)
    depth[hit] = distance[hit]  # along rays that reach z = 1 at 1
    corner_index = triangles[cast["primitive_ids"].numpy()[hit]]
    uv = cast["primitive_uvs"].numpy()[hit]
    weights = np.stack([1 - uv.sum(axis=1), uv[:, 0], uv[:, 1]], axis=1)[..., None]
    color = (mesh.colors[corner_index] * weights).sum(axis=1)
    if not lamp:
        image[hit] = np.rint(color)
        return image, depth
    if mesh.normals is None:
        normal = faces[towards][cast["primitive_ids"].numpy()[hit]]
    else:
        normal = (mesh.normals[corner_index] * weights).sum(axis=1) @ cam_from_world.R.T.astype(np.float32)
    image[hit] = _shaded(color, normal, rays[..., 3:][hit])
    return image, depth


def _draw(scene: Mesh | PointCloud, camera: Camera, world_from_cam: SE3) -> tuple[Array, Array]:
    """Image and depth of either."""
    if isinstance(scene, Mesh):
        return render(scene, camera, world_from_cam)
    return _render_cloud(scene, camera, world_from_cam)


def _sketch(scene: Mesh | PointCloud) -> PointCloud:
    """A few points of the scene with their normals: enough to see from where it shows most."""
    if isinstance(scene, PointCloud):
        step = max(1, len(scene.points) // SKETCH)
        return PointCloud(
            scene.points[::step], scene.colors[::step], None if scene.normals is None else scene.normals[::step]
        )
    triangles = scene.triangles[:: max(1, len(scene.triangles) // SKETCH)]
    corners = scene.vertices[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return PointCloud(corners.mean(axis=1), scene.colors[triangles[:, 0]], faces.astype(np.float32))


def _render_cloud(cloud: PointCloud, camera: Camera, world_from_cam: SE3) -> tuple[Array, Array]:
    """Draws each point as a square of pixels, near ones over far ones; (H, W, 3) uint8 and (H, W) float32 [m]."""
    cam_from_world = world_from_cam.inverse()
    local = cam_from_world @ cloud.points
    ahead = local[:, 2] > 1e-6
    colors, normals = cloud.colors.astype(np.float32), cloud.normals
    if normals is not None:
        turned = normals @ cam_from_world.R.T.astype(np.float32)
        ahead &= np.einsum("nc,nc->n", turned, local) <= 0  # seen from behind: as a mesh's triangles
        colors = _shaded(colors, turned, local).astype(np.float32)
    local, colors = local[ahead], colors[ahead]
    uv = np.rint(camera.project(local)).astype(np.int64)
    size = _splat_size(local, camera)
    image = np.full((camera.height * camera.width, 3), BACKGROUND, np.uint8)
    depth = np.zeros(camera.height * camera.width, np.float32)
    far_first = np.argsort(-local[:, 2], kind="stable")
    uv, colors, z = uv[far_first], colors[far_first], local[far_first, 2]
    shifts = np.arange(size) - (size - 1) // 2
    rows = (uv[:, None, 1] + np.repeat(shifts, size)).ravel()
    columns = (uv[:, None, 0] + np.tile(shifts, size)).ravel()
    inside = (rows >= 0) & (rows < camera.height) & (columns >= 0) & (columns < camera.width)
    pixels = (rows * camera.width + columns)[inside]
    order = np.repeat(np.arange(len(z)), size * size)[inside]
    image[pixels] = colors[order]  # of equal indices numpy keeps the last: the nearest
    depth[pixels] = z[order]
    return image.reshape(camera.height, camera.width, 3), depth.reshape(camera.height, camera.width)


def _splat_size(local: Array, camera: Camera) -> int:
    """Side of the squares [px] that let points (N, 3) of the camera frame [m] close up to a surface."""
    if len(local) < 5:
        return 1
    some = local[:: max(1, len(local) // 1000)]
    spacing = cKDTree(local).query(some, k=5)[0][:, 4]
    return int(np.clip(math.ceil(SPLAT * float(np.median(spacing / some[:, 2])) * camera.fx), 1, 32))


def _shaded(colors: Array, normals: Array, rays: Array) -> Array:
    """(N, 3) uint8 colours lit by a lamp on the camera; normals and rays (N, 3) of any length."""
    along = np.abs(np.einsum("nc,nc->n", normals, rays))
    lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(rays, axis=1)
    light = SHADE + (1 - SHADE) * along / np.maximum(lengths, 1e-12)
    lit: Array = np.clip(np.rint(colors * light[:, None]), 0, 255).astype(np.uint8)
    return lit
