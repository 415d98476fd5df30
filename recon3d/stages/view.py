"""Looking at a scene: in a window, or as a picture."""

from pathlib import Path

from PIL import Image

from recon3d.errors import StageError
from recon3d.formats.mesh_file import read_mesh
from recon3d.geometry import Mesh
from recon3d.scene import Scene, replacing
from recon3d.show.screenshot import screenshot
from recon3d.show.viewer import view


def save_screenshot(scene: Scene, path: Path) -> None:
    """Writes a picture of the mesh; needs no display.

    Raises:
        StageError: the scene has no mesh yet.
    """
    picture = screenshot(_mesh(scene))
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)


def show(scene: Scene) -> None:
    """Opens Open3D's viewer with the mesh, the cloud and the photos' frusta.

    Raises:
        StageError: there is no display, or no mesh yet.
    """
    cloud = scene.file("cloud.ply")
    view(_mesh(scene), cloud if cloud.exists() else None, scene.cameras(), scene.world_from_cam())


def _mesh(scene: Scene) -> Mesh:
    path = scene.file("mesh.ply")
    if not path.exists():
        raise StageError(f"{path}: not there yet; make it with: recon3d fuse {scene.root}")
    return read_mesh(path)
