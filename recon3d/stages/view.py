"""Looking at a scene: in a window, or as a picture."""

from pathlib import Path

import numpy as np
from PIL import Image

from recon3d.errors import InputError, StageError
from recon3d.files import replacing
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.mesh_file import read_mesh
from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.scene import Scene
from recon3d.show.screenshot import screenshot
from recon3d.show.viewer import view

PICTURES = (".png", ".jpg", ".jpeg", ".webp")

TILTED = 0.7
"""Cosine of the angle between z and the photos' mean up below which a given world is not taken to be z up."""


def save_screenshot(scene: Scene, path: Path) -> None:
    """Writes a picture of the mesh; needs no display.

    Raises:
        InputError: the name is no picture's.
        StageError: the scene has no mesh yet.
    """
    if path.is_dir() or path.suffix.lower() not in PICTURES:
        raise InputError(f"{path}: got no name of a picture, wanted one that ends in {', '.join(PICTURES)}")
    picture = screenshot(_mesh(scene), up=_up(scene))
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)


def show(scene: Scene) -> None:
    """Opens Open3D's viewer with the mesh, the cloud and the photos' frusta.

    Raises:
        StageError: there is no display, or no mesh yet.
    """
    path = scene.file("cloud.ply")
    view(_mesh(scene), read_cloud(path) if path.exists() else None, scene.cameras(), scene.world_from_cam())


def _mesh(scene: Scene) -> Mesh:
    path = scene.file("mesh.ply")
    if not path.exists():
        raise StageError(f"{path}: not there yet; make it with: recon3d mesh {scene.root}")
    return read_mesh(path)


def _up(scene: Scene) -> Array:
    """(3,) what to draw upwards: z in a levelled world, else where the photos' upper edges point."""
    mean = np.mean([-pose.R[:, 1] for pose in scene.world_from_cam().values()], axis=0)
    levelled = mean[2] > TILTED * np.linalg.norm(mean)
    return np.array([0.0, 0.0, 1.0]) if levelled or not mean.any() else mean
