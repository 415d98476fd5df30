"""Exports of many files: photos with cameras, poses, points and depth, as programs that train or measure read them."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from recon3d.files import load_array, read_json
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.colmap_writer import Tracked, write_colmap
from recon3d.formats.depth_writers import MAX_PNG_M, write_depth_exr, write_depth_png
from recon3d.formats.ply import write_cloud
from recon3d.formats.transforms_writer import write_transforms
from recon3d.fusion.initial_points import initial_points
from recon3d.geometry import SE3, View
from recon3d.geometry.arrays import Array
from recon3d.photos.undistort import undistort_pixels
from recon3d.poses.sparse import Sparse, read_sparse
from recon3d.progress import Report, each
from recon3d.scene import Scene
from recon3d.stages.cloud import scale_comments
from recon3d.stages.exported import Exported, counted, picture_paths, views_of
from recon3d.stages.poses import lenses

SAME_M = 1e-3
"""A sparse model whose cameras lie farther than this share of their extent from the scene's is another world."""


def write_depth_pngs(scene: Scene, folder: Path, report: Report) -> Exported:
    """NAME.png: the depth that is fused, uint16 millimetres."""
    comment = scale_comments(scene)[0]
    names = scene.names()
    beyond = sum(
        write_depth_png(folder / f"{name}.png", load_array(scene.refined_path(name)), comment)
        for name in each(names, "depth", report)
    )
    line = f"{counted(len(names), 'depth map')} in millimetres"
    line += f" ({counted(beyond, 'pixel')} beyond {MAX_PNG_M} m: 0 = none; depth-exr holds them)" if beyond else ""
    return Exported(line, {"photos": len(names), "beyond_range_pixels": beyond})


def write_depth_exrs(scene: Scene, folder: Path, report: Report) -> Exported:
    """NAME.exr: the depth that is fused, float32 metres."""
    comment = scale_comments(scene)[0]
    names = scene.names()
    for name in each(names, "depth", report):
        write_depth_exr(folder / f"{name}.exr", load_array(scene.refined_path(name)), comment)
    return Exported(f"{counted(len(names), 'depth map')} in metres", {"photos": len(names)})


def write_nerfstudio_set(scene: Scene, folder: Path, report: Report) -> Exported:
    """transforms.json with images/, depth/ [mm], masks/ where lenses left borders, and sparse_pc.ply."""
    views = views_of(scene)
    images = _copied(picture_paths(scene), folder, report)
    (folder / "depth").mkdir()
    write_depth_pngs(scene, folder / "depth", report)
    points = ""
    if scene.is_done("cloud"):
        points = "sparse_pc.ply"
        write_cloud(folder / points, initial_points(read_cloud(scene.file("cloud.ply"))), scale_comments(scene))
    write_transforms(
        folder / "transforms.json",
        views,
        images,
        depths={view.name: f"depth/{view.name}.png" for view in views},
        masks=_masks(scene, views, folder),
        points=points,
        comment=scale_comments(scene)[0],
    )
    return Exported(f"{counted(len(views), 'photo')} with depth", {"photos": len(views), "points_file": points})


def write_colmap_set(scene: Scene, folder: Path, report: Report, *, text: bool) -> Exported:
    """sparse/0 with cameras, images and points3D in the metric world, and images/ beside it."""
    views = views_of(scene)
    images = _copied(picture_paths(scene), folder, report)
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    tracked = _tracked(scene, views, report)
    files = {name: Path(file).name for name, file in images.items()}
    write_colmap(model, views, files, tracked, text=text)
    facts = {"photos": len(views), "points": len(tracked.points), "observations": len(tracked.obs_point)}
    return Exported(f"{counted(len(views), 'photo')}, {counted(len(tracked.points), 'point')}", facts)


def _copied(paths: dict[str, Path], folder: Path, report: Report) -> dict[str, str]:
    """Copies the photos to images/; their files relative to the folder."""
    (folder / "images").mkdir()
    for path in each(paths.values(), "photos", report, total=len(paths)):
        shutil.copyfile(path, folder / "images" / path.name)
    return {name: f"images/{path.name}" for name, path in paths.items()}


def _masks(scene: Scene, views: list[View], folder: Path) -> dict[str, str]:
    """A mask for each photo where any has one, since nerfstudio takes all or none."""
    if not any(scene.has(scene.bare.mask_path(view.name)) for view in views):
        return {}
    (folder / "masks").mkdir()
    for view in views:
        mask = scene.mask(view.name)
        mask = np.ones((view.camera.height, view.camera.width), bool) if mask is None else mask
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "masks" / f"{view.name}.png")
    return {view.name: f"masks/{view.name}.png" for view in views}


def _tracked(scene: Scene, views: list[View], report: Report) -> Tracked:
    """The points of structure from motion in the metric world; without any, points of the cloud that no photo names."""
    sparse = read_sparse(scene.file("sparse")) if (scene.file("sparse") / "points3D.bin").exists() else None
    scales = read_json(scene.file("scales.json"))
    factor, levelled = scales["metric"]["factor"], SE3.from_matrix(np.array(scales["levelled_from_world"]))
    if sparse is None or not len(sparse.points) or not _is_of_world(sparse, views, factor, levelled):
        cloud = initial_points(read_cloud(scene.file("cloud.ply"))) if scene.is_done("cloud") else None
        points = np.empty((0, 3)) if cloud is None else cloud.points
        colors = np.empty((0, 3), np.uint8) if cloud is None else cloud.colors
        none = np.empty(0, np.int64)
        return Tracked(points, colors, np.zeros(len(points)), none, none, np.empty((0, 2)))
    point, view, uv, error = _observations(scene, sparse, views)
    kept, index = np.unique(point, return_inverse=True)
    points = levelled @ (sparse.points[kept] * factor)
    mean = np.bincount(index, error, len(kept)) / np.bincount(index, minlength=len(kept))
    return Tracked(points, _colors(scene, views, index, view, uv, len(kept), report), mean, index, view, uv)


def _is_of_world(sparse: Sparse, views: list[View], factor: float, levelled: SE3) -> bool:
    """Whether the model's cameras stand where the scene's do: poses from odometry are of another world."""
    pairs = [
        (levelled @ (sparse.world_from_cam[view.name].t[None] * factor), view.world_from_cam.t)
        for view in views
        if view.name in sparse.world_from_cam
    ]
    if not pairs:
        return False
    apart = max(float(np.linalg.norm(ours[0] - theirs)) for ours, theirs in pairs)
    extent = float(np.ptp(np.stack([theirs for _, theirs in pairs]), axis=0).max())
    return apart <= SAME_M * max(extent, SAME_M)


def _observations(scene: Scene, sparse: Sparse, views: list[View]) -> tuple[Array, Array, Array, Array]:
    """Point, view, pixel of the undistorted photo and error [px] of each observation that lies within its photo."""
    drawn_by = lenses(scene)
    parts = []
    for number, view in enumerate(views):
        if view.name not in sparse.world_from_cam:
            continue
        mine = sparse.obs_photo == sparse.names.index(view.name)
        lens, camera = drawn_by[view.name], view.camera
        pinhole = undistort_pixels(sparse.obs_uv[mine], lens)
        rays = (pinhole - [lens.camera.cx, lens.camera.cy]) / [lens.camera.fx, lens.camera.fy]
        uv = rays * [camera.fx, camera.fy] + [camera.cx, camera.cy]
        inside = ((uv > -0.5) & (uv < [camera.width - 0.5, camera.height - 0.5])).all(axis=1)
        parts.append(
            (
                sparse.obs_point[mine][inside],
                np.full(int(inside.sum()), number),
                uv[inside],
                sparse.obs_error_px[mine][inside],
            )
        )
    point, view_index, uv, error = (np.concatenate(part) for part in zip(*parts, strict=True))
    return point, view_index, uv, error


def _colors(scene: Scene, views: list[View], point: Array, view: Array, uv: Array, count: int, report: Report) -> Array:
    """(P, 3) uint8 sRGB: mean of what the photos show where they see each point."""
    sums = np.zeros((count, 3))
    for number, one in enumerate(each(views, "colours", report)):
        mine = view == number
        column, row = np.rint(uv[mine]).astype(int).T
        np.add.at(sums, point[mine], scene.image(one.name)[row, column])
    seen = np.maximum(np.bincount(point, minlength=count), 1)
    return np.asarray(np.rint(sums / seen[:, None]), np.uint8)
