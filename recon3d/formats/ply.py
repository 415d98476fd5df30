"""PLY files: point clouds and meshes out, as viewers and Blender read them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.geometry.surface import Mesh, PointCloud

MAX_FLOAT_M = 1000.0
"""Beyond this distance from the origin coordinates are written as double: a float has steps of 0.06 mm there [m]."""
MAX_COMMENT = 200
_PLY_NAMES = {"<f4": "float", "<f8": "double", "|u1": "uchar"}


def write_cloud(path: Path, cloud: PointCloud, comments: Sequence[str] = ()) -> None:
    """Writes a cloud as binary PLY: x y z [m], normals where known, red green blue (sRGB); the world as it is, z up.

    Args:
        path: the file.
        cloud: what to write.
        comments: for the header; made ASCII and one line each.
    """
    _write(path, _vertices(cloud.points, cloud.normals, cloud.colors), None, comments)


def write_mesh(path: Path, mesh: Mesh, comments: Sequence[str] = ()) -> None:
    """Writes a mesh as binary PLY: vertices as `write_cloud` does, and `vertex_indices`.

    Args:
        path: the file.
        mesh: what to write.
        comments: for the header; made ASCII and one line each.
    """
    faces = np.empty(len(mesh.triangles), [("count", "u1"), ("vertex_indices", "<i4", 3)])
    faces["count"], faces["vertex_indices"] = 3, mesh.triangles
    _write(path, _vertices(mesh.vertices, mesh.normals, mesh.colors), faces, comments)


def _vertices(points: Array, normals: Array | None, colors: Array) -> Array:
    """A record for each vertex, in the order of the file."""
    far = bool(len(points)) and float(np.abs(points).max()) > MAX_FLOAT_M
    kinds = [(axis, "<f8" if far else "<f4") for axis in "xyz"]
    if normals is not None:
        kinds += [(axis, "<f4") for axis in ("nx", "ny", "nz")]
    kinds += [(band, "u1") for band in ("red", "green", "blue")]
    vertices = np.empty(len(points), kinds)
    columns = [*points.T, *(() if normals is None else normals.T), *colors.T]
    for (name, _), column in zip(kinds, columns, strict=True):
        vertices[name] = column
    return vertices


def _write(path: Path, vertices: Array, faces: Array | None, comments: Sequence[str]) -> None:
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {one_line(text)}" for text in comments)]
    lines += [f"element vertex {len(vertices)}"]
    lines += [f"property {_PLY_NAMES[vertices.dtype[name].str]} {name}" for name in vertices.dtype.names or ()]
    if faces is not None:
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    with path.open("wb") as file:
        file.write(("\n".join([*lines, "end_header"]) + "\n").encode("ascii"))
        file.write(vertices.data)
        if faces is not None:
            file.write(faces.data)


def one_line(text: str) -> str:
    """A comment as PLY headers can hold it: printable ASCII in one line of bounded length."""
    ascii_text = " ".join(text.split()).encode("ascii", "backslashreplace").decode("ascii")
    printable = "".join(c if c.isprintable() else "?" for c in ascii_text)
    return printable.replace("end_header", "end-header")[:MAX_COMMENT]  # some readers look for the word anywhere
