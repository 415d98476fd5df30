"""OBJ files: meshes out, with the vertex colours that Blender, MeshLab and others read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.glb import y_up
from recon3d.formats.ply import one_line
from recon3d.formats.text_rows import text_rows
from recon3d.geometry.surface import Mesh

Y_UP = "# recon3d, metres, y up"
"""First line of our files, by which `read_mesh` knows which way is up."""


def write_obj(path: Path, mesh: Mesh, comments: Sequence[str] = ()) -> None:
    """Writes a mesh as OBJ: y up, as Blender and others take an OBJ to be; `v x y z r g b` with sRGB in 0 to 1.

    Args:
        path: the file.
        mesh: what to write [m].
        comments: for the head; made ASCII and one line each.

    Raises:
        InputError: the mesh is empty.
    """
    if not len(mesh.triangles):
        raise InputError(f"{path}: the mesh is empty (0 triangles), wanted something to write")
    with path.open("wb") as file:
        head = [Y_UP, *(f"# {one_line(text)}" for text in comments), "o recon3d"]
        file.write(("\n".join(head) + "\n").encode("ascii"))
        vertices = np.concatenate([y_up(mesh.vertices), mesh.colors / 255], axis=1)
        file.writelines(text_rows("v %.6f %.6f %.6f %.4f %.4f %.4f\n", vertices))
        corner = "%d"
        corners = [mesh.triangles + 1]
        if mesh.normals is not None:
            file.writelines(text_rows("vn %.4f %.4f %.4f\n", y_up(mesh.normals)))
            corner, corners = "%d//%d", corners * 2
        rows = np.stack(corners, axis=-1).reshape(len(mesh.triangles), -1)
        file.writelines(text_rows(f"f {corner} {corner} {corner}\n", rows))
