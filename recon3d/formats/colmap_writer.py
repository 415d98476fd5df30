"""COLMAP models out: cameras, poses and points with their tracks, binary or text."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap

from recon3d.formats.colmap_camera import CENTRE, MODEL_IDS, colmap_params
from recon3d.geometry import Calibration, View
from recon3d.geometry.arrays import Array, checked

FILES = ("cameras", "images", "points3D")
CHUNK = 100_000
"""Points that are made bytes at a time."""
HEAD = np.dtype(
    [("id", "<u8"), ("xyz", "<f8", 3), ("rgb", "u1", 3), ("error", "<f8"), ("length", "<u8")]
)  # of a point, before its track
SEEN = np.dtype([("image", "<u4"), ("feature", "<u4")])
FEATURE = np.dtype([("uv", "<f8", 2), ("point", "<u8")])


@dataclass(frozen=True, eq=False)
class Tracked:
    """Points of the world and where photos see them; observations are flat arrays of length M.

    Attributes:
        points: (P, 3) float64 [m].
        colors: (P, 3) uint8 sRGB.
        error_px: (P,) float64 mean reprojection error [px].
        obs_point: (M,) int64 index into `points`.
        obs_view: (M,) int64 index into the views.
        obs_uv: (M, 2) float64 [px] in the undistorted photo, pixel centres at integers.
    """

    points: Array
    colors: Array
    error_px: Array
    obs_point: Array
    obs_view: Array
    obs_uv: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", checked("points", self.points, np.float64, ("P", 3)))
        count = len(self.points)
        object.__setattr__(self, "colors", checked("colors", self.colors, np.uint8, (count, 3)))
        object.__setattr__(self, "error_px", checked("error_px", self.error_px, np.float64, (count,)))
        object.__setattr__(self, "obs_point", checked("obs_point", self.obs_point, np.int64, ("M",)))
        seen = len(self.obs_point)
        object.__setattr__(self, "obs_view", checked("obs_view", self.obs_view, np.int64, (seen,)))
        object.__setattr__(self, "obs_uv", checked("obs_uv", self.obs_uv, np.float64, (seen, 2)))


def write_colmap(
    folder: Path, views: Sequence[View], files: Mapping[str, str], tracked: Tracked, *, text: bool
) -> None:
    """Writes cameras, images and points3D into a folder: cam_from_world, pixel centres at ½.

    Args:
        folder: is there; takes the three files.
        views: the undistorted photos; those of one camera share it.
        files: name of each photo's file, relative to the folder of the images.
        tracked: the points; in the views' order.
        text: .txt instead of .bin.
    """
    if text:
        with tempfile.TemporaryDirectory(prefix=".tmp-", dir=folder) as scratch:
            write_colmap(Path(scratch), views, files, tracked, text=False)
            pycolmap.Reconstruction(scratch).write_text(scratch)
            for name in FILES:
                (Path(scratch) / f"{name}.txt").rename(folder / f"{name}.txt")
        return
    cameras = {camera: number for number, camera in enumerate(dict.fromkeys(view.camera for view in views), 1)}
    order = np.lexsort((np.arange(len(tracked.obs_view)), tracked.obs_view))
    counts = np.bincount(tracked.obs_view, minlength=len(views))
    starts = np.concatenate([[0], np.cumsum(counts)])
    with (folder / "cameras.bin").open("wb") as file:
        file.write(len(cameras).to_bytes(8, "little"))
        for camera, number in cameras.items():
            model, params = colmap_params(Calibration(camera))
            (model_id,) = (key for key, name in MODEL_IDS.items() if name == model)
            file.write(np.array([number, model_id], "<u4").tobytes())
            file.write(np.array([camera.width, camera.height], "<u8").tobytes())
            file.write(np.array(params, "<f8").tobytes())
    with (folder / "images.bin").open("wb") as file:
        file.write(len(views).to_bytes(8, "little"))
        for number, view in enumerate(views):
            cam_from_world = view.world_from_cam.inverse()
            file.write((number + 1).to_bytes(4, "little"))
            file.write(np.array([*cam_from_world.quat_wxyz, *cam_from_world.t], "<f8").tobytes())
            file.write(cameras[view.camera].to_bytes(4, "little"))
            file.write(files[view.name].encode("utf-8", errors="surrogateescape") + b"\0")
            mine = order[starts[number] : starts[number + 1]]
            features = np.empty(len(mine), FEATURE)
            features["uv"], features["point"] = tracked.obs_uv[mine] + CENTRE, tracked.obs_point[mine] + 1
            file.write(len(features).to_bytes(8, "little") + features.tobytes())
    feature = np.empty(len(order), np.int64)
    feature[order] = np.arange(len(order)) - starts[tracked.obs_view[order]]
    _write_points(folder / "points3D.bin", tracked, feature)


def _write_points(path: Path, tracked: Tracked, feature: Array) -> None:
    """Each point with the photos that see it, and which of their features it is, (M,)."""
    order = np.argsort(tracked.obs_point, kind="stable")
    lengths = np.bincount(tracked.obs_point, minlength=len(tracked.points))
    first = np.concatenate([[0], np.cumsum(lengths)])
    with path.open("wb") as file:
        file.write(len(tracked.points).to_bytes(8, "little"))
        for low in range(0, len(tracked.points), CHUNK):
            high = min(low + CHUNK, len(tracked.points))
            mine = order[first[low] : first[high]]
            file.write(_point_bytes(tracked, np.arange(low, high), lengths[low:high], mine, feature[mine]).data)


def _point_bytes(tracked: Tracked, points: Array, lengths: Array, seen: Array, feature: Array) -> Array:
    """(B,) uint8: a head for each point, each followed by its track; `seen` holds observations, point by point."""
    heads, tracks = np.empty(len(points), HEAD), np.empty(len(seen), SEEN)
    heads["id"], heads["xyz"], heads["rgb"] = points + 1, tracked.points[points], tracked.colors[points]
    heads["error"], heads["length"] = tracked.error_px[points], lengths
    tracks["image"], tracks["feature"] = tracked.obs_view[seen] + 1, feature
    before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    head_at = np.arange(len(points)) * HEAD.itemsize + before * SEEN.itemsize
    track_at = (np.repeat(np.arange(len(points)), lengths) + 1) * HEAD.itemsize + np.arange(len(seen)) * SEEN.itemsize
    data = np.empty(heads.nbytes + tracks.nbytes, np.uint8)
    data[head_at[:, None] + np.arange(HEAD.itemsize)] = heads.view(np.uint8).reshape(-1, HEAD.itemsize)
    data[track_at[:, None] + np.arange(SEEN.itemsize)] = tracks.view(np.uint8).reshape(-1, SEEN.itemsize)
    return data
