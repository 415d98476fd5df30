"""Made-up walls with exact photos: meshes as grids, colours as functions of the place."""

import numpy as np
from synthetic import look_at

from recon3d.formats.colour import linear_from_srgb, srgb_from_linear
from recon3d.geometry import Camera, Frame, Mesh

CAMERA = Camera.from_fov(160, 120, np.radians(60))
GREY = 120


def grid(width, height, cells, z=0.0, middle=(0.0, 0.0)):
    """A horizontal sheet of width x height m seen from above, cells x cells squares, grey."""
    x = np.linspace(-width / 2, width / 2, cells + 1) + middle[0]
    y = np.linspace(-height / 2, height / 2, cells + 1) + middle[1]
    vertices = np.stack([*np.meshgrid(x, y), np.full((cells + 1, cells + 1), z)], axis=-1).reshape(-1, 3)
    first = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1)
    a, b, c, d = first, first + 1, first + cells + 2, first + cells + 1
    triangles = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return Mesh(vertices, triangles, np.full((len(vertices), 3), GREY, np.uint8))


def joined(*meshes):
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)]),
        np.concatenate([mesh.colors for mesh in meshes]),
    )


def smooth(points):
    """A wall on which every step is small: no colour changes by more than 1.2 levels in a centimetre."""
    x, y = points[..., 0], points[..., 1]
    bands = [110 + 30 * np.sin(2 * x) + 10 * y, 100 + 25 * np.cos(2 * y + x), 120 + 20 * np.sin(x + 2 * y)]
    return np.stack(bands, axis=-1)


def checked(points):
    """A wall with detail: waves of 12 cm on the smooth one."""
    wave = 40 * np.sin(2 * np.pi * points[..., :1] / 0.12) * np.sin(2 * np.pi * points[..., 1:2] / 0.12)
    return smooth(points) + wave


def photo(name, eye, target, color, plates=(), exposure=1.0):
    """An exact photo of the plane z = 0 and of plates above it: (low x, low y, high x, high y, z, colour)."""
    pose = look_at(eye, target, up=(0, 1, 0))
    rays = CAMERA.rays().astype(np.float64) @ pose.R.T
    depth = -pose.t[2] / rays[..., 2]
    image = color(pose.t + rays * depth[..., None])
    for x0, y0, x1, y1, z, painted in plates:
        near = (z - pose.t[2]) / rays[..., 2]
        at = pose.t + rays * near[..., None]
        on = (at[..., 0] >= x0) & (at[..., 0] <= x1) & (at[..., 1] >= y0) & (at[..., 1] <= y1)
        image[on], depth[on] = painted, near[on]
    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    if exposure != 1:
        image = srgb_from_linear(linear_from_srgb(image) * exposure)
    return Frame(name, image, depth.astype(np.float32), None, CAMERA, pose)


def photos(color, count=8, **more):
    """Photos of the plane from 1.5 m above it, on a row 0.9 m long, each looking a little sideways."""
    along = np.linspace(-0.45, 0.45, count)
    eyes = [(x, 0.25 * np.sin(9 * x), 1.5) for x in along]
    return [photo(f"p{k}", eye, (0.8 * eye[0], 0.0, 0.0), color, **more) for k, eye in enumerate(eyes)]
