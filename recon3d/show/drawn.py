"""Open3D's geometries of what a viewer shows."""

from typing import Any

import numpy as np
import open3d as o3d
from PIL import Image, ImageDraw, ImageFont

from recon3d.geometry import SE3, Mesh, PointCloud
from recon3d.geometry.arrays import Array
from recon3d.show.exhibit import ShownPhoto
from recon3d.show.ruler import Measured

FRUSTUM_COLOR = (0.85, 0.33, 0.1)
"""Colour of the drawn cameras, RGB in 0 to 1."""
RULER_COLOR = (0.70, 0.15, 0.12)
"""Colour of the ruler, RGB in 0 to 1."""
_THIN, _BALL, _LABEL, _NEARER = 0.0015, 0.005, 0.03, 0.8
"""Radius of the ruler's line and of its ends and height of its label, of the distance from the eye to its middle; where
the label stands on the way there, so that no surface hides it."""


def drawn_mesh(mesh: Mesh) -> Any:
    """A mesh with its colours and normals."""
    # copies: Open3D takes no read-only arrays
    vertices, triangles = np.array(mesh.vertices), np.array(mesh.triangles)
    drawn = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(triangles))
    drawn.vertex_colors = o3d.utility.Vector3dVector(mesh.colors / 255)
    drawn.compute_vertex_normals()
    return drawn


def drawn_cloud(cloud: PointCloud) -> Any:
    """A cloud with its colours."""
    drawn = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.array(cloud.points)))
    drawn.colors = o3d.utility.Vector3dVector(cloud.colors / 255)
    return drawn


def drawn_photo(photo: ShownPhoto, length: float) -> list[Any]:
    """The pyramid that a camera sees, `length` long [m], as lines, and its picture, where there is one, at the end."""
    corners = photo.frustum(length)
    lines = [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1]]
    pyramid = o3d.geometry.LineSet(o3d.utility.Vector3dVector(corners), o3d.utility.Vector2iVector(lines))
    pyramid.paint_uniform_color(FRUSTUM_COLOR)
    return [pyramid] if photo.thumbnail is None else [pyramid, _picture(corners[1:], photo.thumbnail)]


def drawn_ruler(measured: Measured, eye: SE3) -> list[Any]:
    """Line, ends and label of a ruler, sized for a view from `eye` (`world_from_cam`), to which the label is turned."""
    start, end = np.asarray(measured.start), np.asarray(measured.end)
    middle = (start + end) / 2
    away = float(np.linalg.norm(middle - eye.t)) or 1.0
    things = [drawn_mark(point, eye) for point in (start, end)]
    if measured.length_m > 0:
        line = o3d.geometry.TriangleMesh.create_cylinder(_THIN * away, measured.length_m, 12, 1)
        line.rotate(_turning_z_to(end - start), np.zeros(3))
        line.translate(middle)
        line.paint_uniform_color(RULER_COLOR)
        things.append(line)
    text = _text_picture(measured.text)
    height = _LABEL * away * _NEARER
    width = height * text.shape[1] / text.shape[0]
    right, down = eye.R[:, 0] * width / 2, eye.R[:, 1] * height
    at = eye.t + (middle - eye.t) * _NEARER - 1.5 * down
    return [*things, _picture(np.stack([at - right, at + right, at + right + down, at - right + down]), text)]


def drawn_mark(point: Array, eye: SE3) -> Any:
    """One end of a ruler."""
    ball = o3d.geometry.TriangleMesh.create_sphere(_BALL * (float(np.linalg.norm(point - eye.t)) or 1.0))
    ball.translate(point)
    ball.paint_uniform_color(RULER_COLOR)
    return ball


def _picture(corners: Array, image: Array) -> Any:
    """An image between four corners (4, 3), from the top left on clockwise; seen from both sides."""
    triangles = [[0, 3, 1], [1, 3, 2], [0, 1, 3], [1, 2, 3]]
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    drawn = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(corners), o3d.utility.Vector3iVector(triangles))
    drawn.triangle_uvs = o3d.utility.Vector2dVector(uv[np.ravel(triangles)])
    drawn.triangle_material_ids = o3d.utility.IntVector([0] * len(triangles))
    drawn.textures = [o3d.geometry.Image(np.ascontiguousarray(image).data)]
    return drawn


def _text_picture(text: str) -> Array:
    """(H, W, 3) uint8: white on the ruler's colour."""
    font = ImageFont.load_default(size=40)
    width = int(font.getlength(text)) + 32
    picture = Image.new("RGB", (width, 64), tuple(round(255 * band) for band in RULER_COLOR))
    ImageDraw.Draw(picture).text((16, 32), text, fill="white", font=font, anchor="lm")
    return np.asarray(picture)


def _turning_z_to(direction: Array) -> Array:
    """(3, 3) a rotation that turns z to a direction."""
    z = direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)
