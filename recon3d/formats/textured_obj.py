"""Textured meshes as OBJ with its MTL and PNG beside it."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from recon3d.errors import InputError
from recon3d.formats.glb import y_up
from recon3d.formats.obj import Y_UP
from recon3d.formats.text_rows import text_rows
from recon3d.geometry.surface import TexturedMesh


def write_textured_obj(path: Path, textured: TexturedMesh) -> list[Path]:
    """Writes NAME.obj, NAME.mtl and NAME.png: y up, as Blender and others take an OBJ to be.

    The OBJ is written last, so that where it stands what it names stands as well. Blanks in the names of the other two
    become _, since readers end a name there.

    Args:
        path: the .obj file.
        textured: what to write [m].

    Returns:
        The three files, the OBJ last.

    Raises:
        InputError: the mesh is empty.
    """
    mesh = textured.mesh
    if not len(mesh.triangles):
        raise InputError(f"{path}: the mesh is empty (0 triangles), wanted something to write")
    stem = re.sub(r"\s", "_", path.stem)
    picture, material = path.with_name(f"{stem}.png"), path.with_name(f"{stem}.mtl")
    Image.fromarray(textured.texture).save(picture, "png", compress_level=4)
    material.write_bytes(
        f"newmtl photos\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture.name}\n".encode(
            errors="surrogateescape"
        )
    )
    flat = np.ascontiguousarray(textured.uv.reshape(-1, 2))
    places, at = np.unique(flat.view(np.uint64)[:, 0], return_inverse=True)
    uv = places.view(np.float32).reshape(-1, 2)
    corners = [mesh.triangles + 1, at.reshape(-1, 3) + 1]
    corner = "%d/%d"
    if mesh.normals is not None:
        corners.append(corners[0])
        corner = "%d/%d/%d"
    with path.open("wb") as file:
        file.write(f"{Y_UP}\nmtllib {material.name}\nusemtl photos\n".encode(errors="surrogateescape"))
        file.writelines(text_rows("v %.6f %.6f %.6f\n", y_up(mesh.vertices)))
        upwards = np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1)  # as OBJ's v grows
        file.writelines(text_rows("vt %.7f %.7f\n", upwards))
        if mesh.normals is not None:
            file.writelines(text_rows("vn %.4f %.4f %.4f\n", y_up(mesh.normals)))
        rows = np.stack(corners, axis=-1).reshape(len(mesh.triangles), -1)
        file.writelines(text_rows(f"f {corner} {corner} {corner}\n", rows))
    return [picture, material, path]
