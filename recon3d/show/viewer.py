"""Viewer: mesh, cloud and cameras in Open3D's window."""

import os
import sys
from collections.abc import Callable, Mapping
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
    """Opens a window and returns when it is closed; the keys M, C and F show and hide mesh, cloud and cameras.

    Args:
        mesh: shown at first where there is one.
        cloud: shown at first where there is no mesh.
        cameras: of each photo, drawn as frusta.
        world_from_cam: poses [m]; photos without one are not drawn.

    Raises:
        StageError: there is no display to open a window on, or the window can't be opened.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise StageError(
            "view: no display here (DISPLAY and WAYLAND_DISPLAY are not set); --screenshot OUT.png draws without one"
        )
    layers = layers_of(mesh, cloud, cameras, world_from_cam)
    if not any(layers.values()):
        raise StageError("view: nothing to show: no mesh, no cloud and no cameras")
    window = o3d.visualization.VisualizerWithKeyCallback()
    if not window.create_window(window_name="recon3d: M mesh, C cloud, F cameras, Q quits"):
        raise StageError("view: the window could not be opened; --screenshot OUT.png draws without one")
    shown = {"M": mesh is not None, "C": mesh is None, "F": True}
    for key, things in layers.items():
        if shown[key]:
            for thing in things:
                window.add_geometry(thing)
        window.register_key_callback(ord(key), _toggle(key, things, shown))
    window.get_render_option().mesh_show_back_face = False
    window.run()
    window.destroy_window()


def layers_of(
    mesh: Mesh | None, cloud: PointCloud | None, cameras: Mapping[str, Camera], world_from_cam: Mapping[str, SE3]
) -> dict[str, list[Any]]:
    """Open3D geometries of what there is, by the key that shows and hides them."""
    layers: dict[str, list[Any]] = {"M": [], "C": [], "F": []}
    corners = [pose.t for pose in world_from_cam.values()]
    if mesh is not None:
        # copies: Open3D takes no read-only arrays
        vertices, triangles = np.array(mesh.vertices), np.array(mesh.triangles)
        drawn = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(triangles))
        drawn.vertex_colors = o3d.utility.Vector3dVector(mesh.colors / 255)
        drawn.compute_vertex_normals()
        layers["M"].append(drawn)
        corners += [mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)] if len(mesh.vertices) else []
    if cloud is not None:
        points = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.array(cloud.points)))
        points.colors = o3d.utility.Vector3dVector(cloud.colors / 255)
        layers["C"].append(points)
        corners += [cloud.points.min(axis=0), cloud.points.max(axis=0)] if len(cloud.points) else []
    length = FRUSTUM_SHARE * float(np.linalg.norm(np.ptp(corners, axis=0))) if corners else 0.0
    posed = [name for name in world_from_cam if name in cameras]
    layers["F"] += [_frustum(cameras[name], world_from_cam[name], length or FRUSTUM_SHARE) for name in posed]
    return layers


def _toggle(key: str, things: list[Any], shown: dict[str, bool]) -> Callable[[Any], bool]:
    """The callback that shows or hides one layer."""

    def act(window: Any) -> bool:
        for thing in things:
            if shown[key]:
                window.remove_geometry(thing, reset_bounding_box=False)
            else:
                window.add_geometry(thing, reset_bounding_box=False)
        shown[key] = not shown[key]
        return True

    return act


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
