"""Exports: what a scene holds, as files of other programs."""

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from recon3d.errors import InputError, StageError
from recon3d.files import read_json, replacing, replacing_folder, write_json
from recon3d.formats.blend import write_blend
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.glb import write_glb
from recon3d.formats.las import write_las
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.obj import write_obj
from recon3d.formats.ply import write_cloud
from recon3d.formats.stl import write_stl
from recon3d.formats.textured_glb import read_textured_glb, write_textured_glb
from recon3d.formats.textured_obj import write_textured_obj
from recon3d.formats.tum import write_tum
from recon3d.formats.usd import write_usd
from recon3d.fusion.initial_points import initial_points
from recon3d.geometry import Mesh, PointCloud, View
from recon3d.progress import Report, silent
from recon3d.scene import OUTPUTS, Scene
from recon3d.stages.cloud import scale_comments
from recon3d.stages.export_sets import write_colmap_set, write_depth_exrs, write_depth_pngs, write_nerfstudio_set
from recon3d.stages.exported import Exported, counted, picture_paths, views_of

EXPORTS = "export"
"""Folder of the scene for exports that no place was named for."""
RECORD = "export.json"
"""In each folder that was exported: what it is, and the scale; what marks it as ours to replace."""
MAX_NAME = 200
"""Longest name of a file or folder to write [bytes]: most disks hold 255, and the temporary sibling needs some."""


@dataclass(frozen=True)
class Format:
    """Something that can be exported.

    Attributes:
        default: file or folder in SCENE/export where no place was named; a folder has no ending.
        stage: that must be done.
        write: writes the scene to a path that isn't there; says what is in it.
        endings: of the file, others that it may have.
    """

    default: str
    stage: str
    write: Callable[[Scene, Path, Report], Exported]
    endings: tuple[str, ...] = ()

    @property
    def is_folder(self) -> bool:
        """Whether many files come out."""
        return not Path(self.default).suffix


def export(scene: Scene, to: str, out: Path | None = None, *, force: bool = False, report: Report = silent) -> Exported:
    """Writes one format, whole or not at all.

    Args:
        scene: with the stage done that makes what is exported.
        to: one of `FORMATS`.
        out: the file, or the folder of formats of many files; None = in SCENE/export.
        force: replace what is there; a folder only where it is an export.
        report: is told about photos.

    Raises:
        InputError: an unknown format, or a place that can't be written to, or isn't to be.
        StageError: something to be exported isn't there yet, or the disk is full.
    """
    if to not in FORMATS:
        raise InputError(f"export: got format {to!r}, wanted one of {', '.join(FORMATS)}")
    form = FORMATS[to]
    path = scene.bare.file(EXPORTS) / form.default if out is None else out
    _check_place(scene, path, to)
    # whoever locks a scene clears away its unfinished files
    if not _is_inside(path, scene.root):
        return _export(scene, to, path, force=force, report=report)
    with scene.locked(), scene.changing(EXPORTS):
        return _export(scene, to, path, force=force, report=report)


def _export(scene: Scene, to: str, path: Path, *, force: bool, report: Report) -> Exported:
    """The same, where the place is right."""
    form = FORMATS[to]
    if _is_there(path) and not force:
        raise InputError(f"{path}: is there already, and kept; replace it with --force, or name another with -o")
    if _is_there(path):
        _check_replaceable(path, form)
    if not scene.is_done(form.stage):
        raise StageError(f"{scene.place}: stage {form.stage} is not done; run: recon3d {form.stage} {scene.place}")
    try:
        if not form.is_folder:
            with replacing(path) as temporary:
                made = form.write(scene, temporary, report)
            return made.at(to, path, path.stat().st_size)
        with replacing_folder(path) as temporary:
            made = form.write(scene, temporary, report)
            write_json(temporary / RECORD, {"format": to, "unit": "m", "scale": scale_comments(scene)[0]})
        return made.at(to, path, sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))
    except FileNotFoundError as error:
        raise StageError(f"{error.filename}: not there; make it again with: recon3d poses {scene.place}") from error
    except OSError as error:
        raise StageError(f"{path}: can't be written: {error.strerror or error}; name another place with -o") from error


def _check_place(scene: Scene, path: Path, to: str) -> None:
    """Refuses names that no disk holds, another format's ending, and the scene's own files."""
    form = FORMATS[to]
    if not path.name or len(os.fsencode(path.name)) > MAX_NAME:
        raise InputError(
            f"{str(path)[:80]}…: got a name of {len(os.fsencode(path.name))} bytes, wanted 1 to {MAX_NAME}; "
            "name another with -o"
        )
    endings = form.endings or (Path(form.default).suffix,)
    if not form.is_folder and path.suffix.lower() not in endings:
        raise InputError(f"{path}: got the ending {path.suffix!r} for {to}, wanted {' or '.join(endings)}")
    if _is_inside(path, scene.root) and not _is_inside(path.parent, scene.file(EXPORTS)):
        raise InputError(
            f"{path}: is among the scene's own files; name a place outside it, or in {scene.file(EXPORTS)}"
        )


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether a place is in a folder, or that folder itself, by whatever links it is named."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _is_there(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError as error:
        raise InputError(f"{str(path)[:80]}…: can't be written: {error.strerror}; name another with -o") from error


def _check_replaceable(path: Path, form: Format) -> None:
    """--force replaces a file by a file, and a folder that was exported by a folder: never somebody's other files."""
    if path.is_dir() != form.is_folder:
        raise InputError(f"{path}: is a {'folder' if path.is_dir() else 'file'}, and is kept; name another with -o")
    if form.is_folder and any(path.iterdir()) and "format" not in _record(path):
        raise InputError(f"{path}: holds files that recon3d export did not make, and is kept; name another with -o")


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = read_json(folder / RECORD)
    except StageError:
        return {}
    return record if isinstance(record, dict) else {}


def _mesh(scene: Scene) -> Mesh:
    return read_mesh(scene.file("mesh.ply"))


def _cloud(scene: Scene) -> PointCloud:
    return read_cloud(scene.file("cloud.ply"))


def _copy_mesh(scene: Scene, path: Path, report: Report) -> Exported:
    mesh = _mesh(scene)  # so that what is damaged isn't passed on
    shutil.copyfile(scene.file("mesh.ply"), path)
    return Exported.of_mesh(mesh)


def _glb(scene: Scene, path: Path, report: Report) -> Exported:
    mesh, views = _mesh(scene), views_of(scene)
    write_glb(path, mesh, {"scale": scale_comments(scene)[0]}, views)
    return Exported.of_mesh(mesh, cameras=len(views))


def _obj(scene: Scene, path: Path, report: Report) -> Exported:
    mesh = _mesh(scene)
    write_obj(path, mesh, scale_comments(scene))
    return Exported.of_mesh(mesh)


def _stl(scene: Scene, path: Path, report: Report) -> Exported:
    mesh = _mesh(scene)
    write_stl(path, mesh, scale_comments(scene)[0])
    return Exported.of_mesh(mesh)


def _usd(scene: Scene, path: Path, report: Report) -> Exported:
    mesh, views = _mesh(scene), views_of(scene)
    write_usd(path, mesh, scale_comments(scene)[0], views)
    return Exported.of_mesh(mesh, cameras=len(views))


def _blend(scene: Scene, path: Path, report: Report) -> Exported:
    mesh, views = _mesh(scene), views_of(scene)
    write_blend(path, mesh, scale_comments(scene)[0], views, picture_paths(scene))
    return Exported.of_mesh(mesh, cameras=len(views))


def _textured_glb(scene: Scene, path: Path, report: Report) -> Exported:
    textured, views = read_textured_glb(scene.file("textured.glb")), views_of(scene)
    write_textured_glb(path, textured, {"scale": scale_comments(scene)[0]}, views)
    return Exported.of_mesh(textured.mesh, cameras=len(views))


def _textured_obj(scene: Scene, folder: Path, report: Report) -> Exported:
    textured = read_textured_glb(scene.file("textured.glb"))
    write_textured_obj(folder / "mesh.obj", textured)
    return Exported.of_mesh(textured.mesh)


def _copy_cloud(scene: Scene, path: Path, report: Report) -> Exported:
    cloud = _cloud(scene)
    shutil.copyfile(scene.file("cloud.ply"), path)
    return Exported.of_points(cloud.points)


def _las(scene: Scene, path: Path, report: Report) -> Exported:
    cloud = _cloud(scene)
    write_las(path, cloud, scale_comments(scene)[0])
    return Exported.of_points(cloud.points)


def _splats(scene: Scene, path: Path, report: Report) -> Exported:
    points = initial_points(_cloud(scene))
    write_cloud(path, points, scale_comments(scene))
    return Exported.of_points(points.points)


def _tum(scene: Scene, path: Path, report: Report) -> Exported:
    views: list[View] = views_of(scene)
    write_tum(path, views, scale_comments(scene))
    length = sum(math.dist(a.world_from_cam.t, b.world_from_cam.t) for a, b in pairwise(views))
    return Exported(
        f"{counted(len(views), 'pose')}, {length:.2f} m from first to last", {"poses": len(views), "length_m": length}
    )


(_MESH_STAGE,) = (stage for stage, files in OUTPUTS.items() if "mesh.ply" in files)

FORMATS: dict[str, Format] = {
    "ply": Format("mesh.ply", _MESH_STAGE, _copy_mesh),
    "glb": Format("mesh.glb", _MESH_STAGE, _glb),
    "obj": Format("mesh.obj", _MESH_STAGE, _obj),
    "usd": Format("mesh.usdc", _MESH_STAGE, _usd, (".usdc", ".usda", ".usd")),
    "stl": Format("mesh.stl", _MESH_STAGE, _stl),
    "blend": Format("scene.blend", _MESH_STAGE, _blend),
    "textured-glb": Format("textured.glb", "texture", _textured_glb),
    "textured-obj": Format("textured-obj", "texture", _textured_obj),
    "cloud-ply": Format("cloud.ply", "cloud", _copy_cloud),
    "las": Format("cloud.las", "cloud", _las),
    "laz": Format("cloud.laz", "cloud", _las),
    "splats": Format("splats.ply", "cloud", _splats),
    "colmap": Format("colmap", "scale", lambda *of: write_colmap_set(*of, text=False)),
    "colmap-text": Format("colmap-text", "scale", lambda *of: write_colmap_set(*of, text=True)),
    "nerfstudio": Format("nerfstudio", "refine", write_nerfstudio_set),
    "tum": Format("trajectory.txt", "scale", _tum, (".txt", ".tum")),
    "depth-png": Format("depth-png", "refine", write_depth_pngs),
    "depth-exr": Format("depth-exr", "refine", write_depth_exrs),
}
"""What can be exported, by the name that --to takes."""
