"""Small exact exhibits for the viewers' tests."""

import numpy as np
from synthetic import room_frames

from recon3d.fusion.cloud import cloud_of
from recon3d.fusion.single_view import single_view_mesh
from recon3d.geometry import SE3, Camera, Mesh
from recon3d.settings import RefineSettings
from recon3d.show.exhibit import Exhibit, ShownPhoto, thumbnail

UP = np.array([0.0, 0.0, 1.0])


def room_exhibit(name="room", **changes):
    """What the first of three photos of the synthetic room sees, as mesh and cloud, and the cameras of all three."""
    frames = room_frames(3)
    photos = [ShownPhoto(f.name, f.camera, f.world_from_cam, thumbnail(f.image)) for f in frames]
    mesh = single_view_mesh(frames[0], RefineSettings())
    parts = {"mesh": mesh, "cloud": cloud_of(frames, 0.05), "photos": photos, "scale_sigma": 0.02}
    return Exhibit(name=name, **{"scale_source": "depth median", "up": UP, **parts, **changes})


def wall(width, height, cells=20):
    """A grey wall in the plane y = 0 that faces -y, its lower left corner at the origin, two triangles a cell."""
    x, z = np.meshgrid(np.linspace(0, width, cells + 1), np.linspace(0, height, cells + 1))
    points = np.stack([x, 0 * x, z], axis=-1).reshape(-1, 3)
    index = np.arange(len(points)).reshape(x.shape)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return Mesh(points, triangles, np.full(points.shape, 150, np.uint8))


def wall_exhibit(**changes):
    """A wall of 3 m by 2 m, and a photo of it from 4 m away."""
    camera = Camera.from_fov(160, 120, np.radians(60))
    ahead = SE3(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), np.array([1.5, -4.0, 1.0]))
    photos = [ShownPhoto("wall", camera, ahead, np.full((12, 16, 3), 150, np.uint8))]
    parts = {"mesh": wall(3.0, 2.0), "cloud": None, "photos": photos, "scale_sigma": 0.02}
    return Exhibit(name="wall", **{"scale_source": "depth median", "up": UP, **parts, **changes})
