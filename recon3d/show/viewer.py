"""Viewer: mesh, cloud and cameras in Open3D's window."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import open3d as o3d

from recon3d.errors import StageError
from recon3d.geometry import SE3, Camera, Mesh, PointCloud

FRUSTUM_SHARE = 0.03
"""Length of the drawn cameras, as a share of the scene's diagonal."""
FRUSTUM_COLOR = (0.85, 0.33, 0.1)
"""Colour of the drawn cameras, RGB in 0 to 1."""


def view(
    mesh: Mesh | None, cloud: PointCloud | None, cameras: Mapping[str, Camera], world_from_cam: Mapping[str, SE3]
) -> None:
    """Opens a window and returns when it is closed.

    Args:
        mesh: drawn where there is one.
        cloud: drawn where there is no mesh.
        cameras: of each photo.
        world_from_cam: poses [m]; photos without one are not drawn.

    Raises:
        StageError: there is no display to open a window on, or the window can't be opened.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise StageError(
            "view: no display here (DISPLAY and WAYLAND_DISPLAY are not set); --screenshot OUT.png draws without one"
        )
    things = _things(mesh, cloud, cameras, world_from_cam)
    if not things:
        raise StageError("view: nothing to show: no mesh, no cloud and no cameras")
    window = o3d.visualization.Visualizer()
    if not window.create_window(window_name="recon3d"):
        raise StageError("view: the window could not be opened; --screenshot OUT.png draws without one")
    for thing in things:
        window.add_geometry(thing)
    window.get_render_option().mesh_show_back_face = False
    window.run()
    window.destroy_window()


def _things(
    mesh: Mesh | None, cloud: PointCloud | None, cameras: Mapping[str, Camera], world_from_cam: Mapping[str, SE3]
) -> list[Any]:
    """Open3D geometries of what there is."""
    things: list[Any] = []
    corners = [pose.t for pose in world_from_cam.values()]
    if mesh is not None:
        drawn = o3d.geometry.TriangleMesh(
            o3d.utility.Vector3dVector(mesh.vertices), o3d.utility.Vector3iVector(mesh.triangles)
        )
        drawn.vertex_colors = o3d.utility.Vector3dVector(mesh.colors / 255)
        drawn.compute_vertex_normals()
        things.append(drawn)
        corners += [mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)] if len(mesh.vertices) else []
    elif cloud is not None:
        points = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(cloud.points))
        points.colors = o3d.utility.Vector3dVector(cloud.colors / 255)
        things.append(points)
        corners += [cloud.points.min(axis=0), cloud.points.max(axis=0)] if len(cloud.points) else []
    length = FRUSTUM_SHARE * float(np.linalg.norm(np.ptp(corners, axis=0))) if corners else 0.0
    for name in world_from_cam:
        if name in cameras:
            things.append(_frustum(cameras[name], world_from_cam[name], length or FRUSTUM_SHARE))
    return things


def _frustum(camera: Camera, world_from_cam: SE3, length: float) -> Any:
    """The pyramid that a camera sees, `length` long [m], as lines."""
    x = np.array([-0.5, camera.width - 0.5, camera.width - 0.5, -0.5])
    y = np.array([-0.5, -0.5, camera.height - 0.5, camera.height - 0.5])
    rays = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones(4)], axis=1)
    points = world_from_cam @ np.concatenate([np.zeros((1, 3)), rays * length])
    lines = [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1]]
    drawn = o3d.geometry.LineSet(o3d.utility.Vector3dVector(points), o3d.utility.Vector2iVector(lines))
    drawn.paint_uniform_color(FRUSTUM_COLOR)
    return drawn
