"""The surface that a stage of a scene left."""

from recon3d.errors import InputError, StageError
from recon3d.formats.mesh_file import read_mesh
from recon3d.geometry import Mesh
from recon3d.scene import Scene


def surface_of(scene: Scene, name: str, stage: str) -> Mesh:
    """Reads a mesh of the scene.

    Args:
        scene: whose.
        name: of the file.
        stage: that wrote it.

    Raises:
        StageError: it is damaged; says how to make it again.
    """
    path = scene.file(name)
    try:
        return read_mesh(path)
    except InputError as error:
        text = str(error).removeprefix(f"{path}: ")
        again = f"recon3d {stage} {scene.place} --force"
        raise StageError(f"{path}: damaged ({text}); make it again with: {again}") from error
