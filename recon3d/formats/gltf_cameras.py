"""Cameras of photos as glTF cameras: y up, looking along -z."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from recon3d.formats.names import as_text
from recon3d.formats.nerfstudio import OPENGL_FROM_OPENCV
from recon3d.geometry import View

NEAR_M = 0.01
"""Where the cameras begin to see [m]."""
Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def add_cameras(document: dict[str, Any], views: Sequence[View]) -> None:
    """Adds a node with a camera for each photo to a glTF document of one scene.

    glTF cameras have no principal point: field of view and aspect are right, what is beside the centre is lost. The
    pinhole itself stands in each node's extras (fx, fy, cx, cy [px], pixel centres at integers).

    Args:
        document: the JSON part of a glTF file, in which the world is y up; is added to.
        views: photos of our z-up world.
    """
    if not views:
        return
    document["cameras"] = []
    for view in views:
        name, camera = as_text(view.name), view.camera
        pinhole = {key: getattr(camera, key) for key in ("width", "height", "fx", "fy", "cx", "cy")}
        document["cameras"].append(
            {
                "name": name,
                "type": "perspective",
                "perspective": {
                    "yfov": 2 * math.atan(camera.height / (2 * camera.fy)),
                    "aspectRatio": (camera.width / camera.fx) / (camera.height / camera.fy),
                    "znear": NEAR_M,
                },
            }
        )
        matrix = Y_UP_FROM_Z_UP @ view.world_from_cam.matrix @ OPENGL_FROM_OPENCV
        node = {"name": name, "camera": len(document["cameras"]) - 1, "extras": pinhole}
        document["nodes"].append(node | {"matrix": matrix.T.ravel().tolist()})  # column by column
        document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
