"""Mesh of one photo: its depth map as a sheet of triangles, cut at depth edges."""

import numpy as np

from recon3d.errors import StageError
from recon3d.geometry import Frame, Mesh
from recon3d.refine.masks import broken_pairs
from recon3d.refine.normals import normals_of
from recon3d.settings import RefineSettings


def single_view_mesh(frame: Frame, settings: RefineSettings) -> Mesh:
    """Joins the depths of neighbouring pixels by triangles, where no edge lies between them.

    Args:
        frame: the photo with its depth.
        settings: `edge_jump` is used.

    Returns:
        A mesh in the world, a vertex per pixel that a triangle uses, facing the camera.

    Raises:
        StageError: no three neighbouring pixels have depth on one surface.
    """
    depth = frame.depth
    right, down = broken_pairs(depth, settings.edge_jump)
    index = np.arange(depth.size, dtype=np.int32).reshape(depth.shape)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    known = depth > 0
    # Each square of pixels a b / c d is cut from b to c; a triangle stands where its two straight sides do.
    upper = known[:-1, :-1] & known[:-1, 1:] & known[1:, :-1] & ~right[:-1] & ~down[:, :-1]
    lower = known[1:, 1:] & known[:-1, 1:] & known[1:, :-1] & ~right[1:] & ~down[:, 1:]
    triangles = np.concatenate(
        [np.stack([a, c, b], axis=-1)[upper], np.stack([d, b, c], axis=-1)[lower]]
    )  # counter-clockwise for the camera, whose y points down
    if not len(triangles):
        raise StageError(f"{frame.name}: no surface: no neighbouring pixels have depth on one surface")
    used = np.zeros(depth.size, bool)
    used[triangles] = True
    new_index = np.cumsum(used, dtype=np.int32) - 1
    points = frame.camera.backproject(depth).reshape(-1, 3)[used].astype(np.float64)
    normals = normals_of(depth, frame.camera).reshape(-1, 3)[used] @ frame.world_from_cam.R.T.astype(np.float32)
    colors = frame.image.reshape(-1, 3)[used]
    return Mesh(frame.world_from_cam @ points, new_index[triangles], colors, normals.astype(np.float32))
