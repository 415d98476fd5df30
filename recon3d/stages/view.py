"""Looking at a scene: in a window, in a page, as a picture or as a film."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from recon3d.errors import InputError, StageError
from recon3d.files import replacing
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.mesh_file import read_mesh
from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.progress import Report, each
from recon3d.scene import Scene
from recon3d.show.exhibit import Exhibit, ShownPhoto, thumbnail
from recon3d.show.screenshot import screenshot
from recon3d.show.turntable import FRAMES, film, write_film
from recon3d.show.viewer import view
from recon3d.show.web_page import web_page

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
PAGES = (".html", ".htm")
FILMS = (".mp4",)
PAGE = "view.html"
"""The page in the scene's folder."""

MAX_NAME = 200
"""Bytes of a file's name: file systems take 255, and while it is written it has a longer one."""
TILTED = 0.7
"""Cosine of the angle between z and the photos' mean up below which a given world is not taken to be z up."""


def save_screenshot(scene: Scene, path: Path, *, force: bool = False) -> None:
    """Writes a picture of the mesh; needs no display.

    Raises:
        InputError: the name is no picture's, or is taken and not to be replaced by `force`.
        StageError: the scene has no mesh yet.
    """
    _check_place(path, PICTURES, "a picture", force=force)
    picture = screenshot(_mesh(scene), up=_up(scene))
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)


def save_turntable(scene: Scene, path: Path, report: Report, *, force: bool = False) -> None:
    """Writes a film of one turn around the mesh; needs no display.

    Raises:
        InputError: the name is no film's, or is taken and not to be replaced by `force`.
        StageError: the scene has no mesh yet, or OpenCV can't write films.
    """
    _check_place(path, FILMS, "a film", force=force)
    mesh, up = _mesh(scene), _up(scene)
    with replacing(path) as temporary:
        write_film(temporary, each(film(mesh, up), "turntable", report, total=FRAMES))


def save_page(
    scene: Scene, report: Report, path: Path | None = None, *, force: bool = False
) -> tuple[Path, tuple[str, ...]]:
    """Writes the viewer as one HTML file, which needs neither server nor network.

    Args:
        scene: what to show.
        report: told of progress.
        path: the file; None = view.html in the scene, replaced where it is there.
        force: replace a file that was named.

    Returns:
        The file, and the names of photos whose picture in images/ is gone or damaged: their cameras are shown without.

    Raises:
        InputError: the name is no page's, or is taken and not to be replaced.
        StageError: there is neither mesh nor cloud, or three.js is missing.
    """
    if path:
        _check_place(path, PAGES, "a page", force=force)
    exhibit = exhibit_of(scene, report)
    page = web_page(exhibit)
    target = path or scene.bare.file(PAGE)
    with (replacing if path else scene.replacing)(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return target, tuple(photo.name for photo in exhibit.photos if photo.thumbnail is None)


def show(scene: Scene, report: Report, say: Callable[[str], None]) -> None:
    """Opens Open3D's viewer with the mesh, the cloud and the photos' frusta.

    Args:
        scene: what to show.
        report: told of progress until the window opens.
        say: told what is measured in the window.

    Raises:
        StageError: there is no display, or neither mesh nor cloud.
    """
    view(exhibit_of(scene, report), say)


def exhibit_of(scene: Scene, report: Report) -> Exhibit:
    """All that the viewers show of a scene; a mesh or a cloud that isn't made yet is left out.

    Raises:
        StageError: there is neither.
    """
    mesh, cloud = scene.file("mesh.ply"), scene.file("cloud.ply")
    if not cloud.exists():
        _mesh(scene)
    cameras, world_from_cam, facts = scene.cameras(), scene.world_from_cam(), scene.facts("scale")
    names = [name for name in cameras if name in world_from_cam]
    photos = [
        ShownPhoto(name, cameras[name], world_from_cam[name], _thumbnail(scene, name))
        for name in each(names, "thumbnails", report)
    ]
    return Exhibit(
        name=Path(scene.place).absolute().name.encode(errors="replace").decode(),
        mesh=read_mesh(mesh) if mesh.exists() else None,
        cloud=read_cloud(cloud) if cloud.exists() else None,
        photos=photos,
        scale_sigma=facts.get("relative_sigma", 1.0),
        scale_source=facts.get("source", "none"),
        up=_up(scene),
    )


def _thumbnail(scene: Scene, name: str) -> Array | None:
    """The small picture of a photo; None where it was deleted or is damaged: the rest can be looked at."""
    try:
        return thumbnail(scene.image(name))
    except InputError:
        return None


def _check_place(path: Path, endings: tuple[str, ...], what: str, *, force: bool) -> None:
    """Refuses names that say something else, that no disk holds, and files that are there."""
    try:
        too_long, is_folder, is_there = len(os.fsencode(path.name)) > MAX_NAME, path.is_dir(), path.exists()
    except OSError:
        too_long, is_folder, is_there = True, False, False
    if too_long:
        raise InputError(f"{str(path)[:80]}…: got a name that is too long, wanted at most {MAX_NAME} bytes")
    if is_folder or path.suffix.lower() not in endings:
        raise InputError(f"{path}: got no name of {what}, wanted one that ends in {', '.join(endings)}")
    if is_there and not force:
        raise InputError(f"{path}: is there already, and kept; replace it with --force, or choose another name")


def _mesh(scene: Scene) -> Mesh:
    path = scene.file("mesh.ply")
    if not path.exists():
        raise StageError(f"{path}: not there yet; make it with: recon3d mesh {scene.place}")
    return read_mesh(path)


def _up(scene: Scene) -> Array:
    """(3,) what to draw upwards: z in a levelled world, else where the photos' upper edges point; a unit vector."""
    mean = np.mean([-pose.R[:, 1] for pose in scene.world_from_cam().values()], axis=0)
    length = float(np.linalg.norm(mean))
    return np.array([0.0, 0.0, 1.0]) if length == 0 or mean[2] > TILTED * length else mean / length
