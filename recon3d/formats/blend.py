"""Blender files: mesh, cameras and photos out, made by Blender itself in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from recon3d.errors import InputError, StageError
from recon3d.formats.names import as_text
from recon3d.formats.nerfstudio import OPENGL_FROM_OPENCV
from recon3d.geometry import View
from recon3d.geometry.surface import Mesh

ENVIRONMENT = ".venv-bpy"
"""The virtual environment with bpy: GPL and in need of numpy < 2, it shares neither process nor environment with us."""
VARIABLE = "RECON3D_BPY"
"""Environment variable that names the Python with bpy, where it stands elsewhere."""
WORKER = Path(__file__).with_name("blend_worker.py")
TIMEOUT_S = 1800
"""By then even a photo set of thousands is packed."""


def blender_python() -> Path:
    """The Python that has bpy: $RECON3D_BPY, or .venv-bpy beside our environment, the sources or the working folder.

    Raises:
        StageError: there is none.
    """
    if named := os.environ.get(VARIABLE):
        if not Path(named).is_file():
            raise StageError(f"{named}: no such file; {VARIABLE} names the Python that has bpy")
        return Path(named)
    for folder in (Path(sys.prefix).parent, Path(__file__).parents[2], Path.cwd()):
        python = folder / ENVIRONMENT / "bin" / "python"
        if python.is_file():
            return python
    raise StageError(
        f"no Blender here: wanted bpy in {ENVIRONMENT}; make it with `make blender` (1 GB), or name a Python that has "
        f"it with {VARIABLE}=/path/to/python; --to glb needs no Blender and opens in it"
    )


def write_blend(
    path: Path, mesh: Mesh, comment: str = "", views: Sequence[View] = (), pictures: Mapping[str, Path] | None = None
) -> None:
    """Writes a Blender scene: z up, metres, the mesh with a material that shows its colours, a camera for each photo.

    Cameras have the right focal length, principal point and image as background; a marker on the timeline binds each
    to a frame. Photos are packed into the file. Pixels that aren't square are the scene's, as Blender has it: by the
    first camera.

    Args:
        path: the file.
        mesh: what to write [m].
        comment: kept as custom property "scale" of the mesh.
        views: photos whose cameras are to go along.
        pictures: file of each photo.

    Raises:
        InputError: the mesh is empty.
        StageError: there is no Blender, or it failed.
    """
    if not len(mesh.triangles):
        raise InputError(f"{path}: the mesh is empty (0 triangles), wanted something to write")
    python = blender_python()
    with tempfile.TemporaryDirectory(prefix=".tmp-blend-", dir=path.parent) as name:
        scratch = Path(name)
        arrays = {"vertices": mesh.vertices.astype(np.float32), "triangles": mesh.triangles, "colors": mesh.colors}
        if mesh.normals is not None:
            arrays["normals"] = mesh.normals
        for key, array in arrays.items():
            np.save(scratch / f"{key}.npy", array)
        job = {
            "out": str(path.absolute()),
            "comment": comment,
            "views": [_as_json(view, (pictures or {}).get(view.name)) for view in views],
        }
        (scratch / "job.json").write_bytes(json.dumps(job).encode("ascii"))
        _run([str(python), str(WORKER), str(scratch)], path)


def _as_json(view: View, picture: Path | None) -> dict[str, object]:
    camera = view.camera
    return {
        "name": as_text(view.name),
        "camera": {key: getattr(camera, key) for key in ("width", "height", "fx", "fy", "cx", "cy")},
        "world_from_opengl": (view.world_from_cam.matrix @ OPENGL_FROM_OPENCV).tolist(),
        "picture": str(picture.absolute()) if picture else None,
    }


def _run(command: list[str], path: Path) -> None:
    """Runs Blender, without the settings and add-ons of whoever is logged in."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "BLENDER"))}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=TIMEOUT_S, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise StageError(f"{path}: Blender took longer than {TIMEOUT_S} s; export fewer photos or triangles") from error
    except OSError as error:
        raise StageError(f"{command[0]}: can't be run: {error.strerror}; make it again with `make blender`") from error
    if done.returncode != 0 or not path.is_file():
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        why = said[-1] if said else f"exit code {done.returncode}"
        raise StageError(f"{path}: Blender could not write it: {why}")
