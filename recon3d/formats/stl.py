"""STL files: the bare triangles of a mesh out, for printing and CAD."""

from pathlib import Path

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.ply import one_line
from recon3d.geometry.surface import Mesh

HEAD_BYTES = 80
MAX_TRIANGLES = 2**32 - 1


def write_stl(path: Path, mesh: Mesh, comment: str = "") -> None:
    """Writes a mesh as binary STL: z up, in metres, which the format itself can't say; it holds no colours.

    Args:
        path: the file.
        mesh: what to write [m].
        comment: for the head; made ASCII, its first 80 characters.

    Raises:
        InputError: the mesh is empty.
    """
    if not len(mesh.triangles):
        raise InputError(f"{path}: the mesh is empty (0 triangles), wanted something to write")
    corners = mesh.vertices.astype("<f4")[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facets = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    facets["normal"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.float32(1e-30))
    facets["corners"] = corners
    # a head that begins with "solid" is taken for text
    head = f"recon3d, metres, z up; {one_line(comment)}".encode("ascii")[:HEAD_BYTES].ljust(HEAD_BYTES)
    with path.open("wb") as file:
        file.write(head + len(facets).to_bytes(4, "little"))
        file.write(facets.data)
