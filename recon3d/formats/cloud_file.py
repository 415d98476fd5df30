"""Point clouds read back from PLY files."""

import io
from pathlib import Path

import numpy as np
import trimesh

from recon3d.errors import InputError
from recon3d.formats.mesh_file import GREY, MAX_BYTES, checked_ply, ply_normals
from recon3d.formats.untrusted import naming, read_bytes
from recon3d.geometry.surface import PointCloud


def read_cloud(path: Path) -> PointCloud:
    """The points of a PLY file, in the file's unit; grey where it has no colours.

    Raises:
        InputError: no PLY file, a broken one, or no points in it.
    """
    with naming(path):
        data = checked_ply(read_bytes(path, limit=MAX_BYTES))
        try:
            read = trimesh.load(io.BytesIO(data), file_type="ply", process=False)
        except (MemoryError, Exception) as error:  # the parser raises anything on broken files
            raise InputError(f"the cloud can't be read: {type(error).__name__}: {error}") from error
        points = np.asarray(getattr(read, "vertices", np.empty((0, 3))), np.float64)
        if not len(points):
            raise InputError("got no points, wanted a point cloud")
        colors = np.asarray(getattr(read, "colors", np.empty((0, 4))))
        if len(colors) != len(points):
            colors = np.full((len(points), 3), GREY, np.uint8)
        return PointCloud(points, colors[:, :3].astype(np.uint8), ply_normals(read))
