"""The poses of a scene as they stand in its files."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.manifest import SCHEMA


def poses_as_json(world_from_cam: Mapping[str, SE3], unit: str = "m") -> dict[str, Any]:
    """The poses of a scene as they stand in its files."""
    poses = {name: pose.matrix.tolist() for name, pose in world_from_cam.items()}
    return {"schema": SCHEMA, "frame": "world_from_cam", "unit": unit, "poses": poses}


def poses_from_json(data: dict[str, Any]) -> dict[str, SE3]:
    """The other way of `poses_as_json`."""
    poses = {}
    for name, matrix in data["poses"].items():
        try:
            poses[name] = SE3.from_matrix(np.array(matrix))
        except (InputError, ValueError) as error:
            raise InputError(f"pose of {name}: {error}; make it again with recon3d poses SCENE --force") from error
    return poses
