"""nerfstudio's transforms.json out: cameras, poses, depth and initial points of photos."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recon3d.formats.colmap_camera import CENTRE
from recon3d.formats.nerfstudio import OPENGL_FROM_OPENCV
from recon3d.geometry import Camera, View


def write_transforms(
    path: Path,
    views: Sequence[View],
    images: Mapping[str, str],
    *,
    depths: Mapping[str, str],
    masks: Mapping[str, str],
    points: str,
    comment: str = "",
) -> None:
    """Writes a transforms.json: OpenGL's camera axes, pixel centres at ½, the world as it is (metres, z up).

    There is no `applied_transform`, so that the initial points are in the axes of the poses. nerfstudio wants a depth
    map, and a mask, for each photo or for none.

    Args:
        path: the file; the others are named relative to its folder.
        views: the photos.
        images: file of each photo.
        depths: uint16 PNG of each photo [mm]; empty = none.
        masks: mask of each photo, 0 where the photo says nothing; empty = none.
        points: PLY of the initial points, "" = none.
        comment: kept in the file.
    """
    shared = {view.camera for view in views}
    data: dict[str, Any] = {"camera_model": "OPENCV"}
    if len(shared) == 1:
        data |= _lens(views[0].camera)
    if points:
        data["ply_file_path"] = points
    if comment:
        data["comment"] = comment
    data["frames"] = []
    for view in views:
        frame: dict[str, Any] = {"file_path": images[view.name]}
        if depths:
            frame["depth_file_path"] = depths[view.name]
        if masks:
            frame["mask_path"] = masks[view.name]
        if len(shared) > 1:
            frame |= _lens(view.camera)
        frame["transform_matrix"] = (view.world_from_cam.matrix @ OPENGL_FROM_OPENCV).tolist()
        data["frames"].append(frame)
    # in ASCII, so that a file name that is no UTF-8 comes back as it was
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="ascii")


def _lens(camera: Camera) -> dict[str, float]:
    return {
        "w": camera.width,
        "h": camera.height,
        "fl_x": camera.fx,
        "fl_y": camera.fy,
        "cx": camera.cx + CENTRE,
        "cy": camera.cy + CENTRE,
    }
