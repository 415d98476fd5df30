"""PLY files: point clouds and meshes out, as viewers and Blender read them, and back."""

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.geometry.surface import Mesh, PointCloud

MAX_FLOAT_M = 1000.0
"""Beyond this distance from the origin coordinates are written as double: a float has steps of 0.06 mm there [m]."""
MAX_COMMENT = 200
ROWS = 100_000
"""Vertices or triangles that are put into the records of the file at a time."""
CHUNK_BYTES = 2**20
MAX_LINE, MAX_LINES = 300, 200
"""Of a header of ours."""
_FACE = np.dtype([("count", "u1"), ("vertex_indices", "<i4", 3)])
_PLY_NAMES = {"<f4": "float", "<f8": "double", "|u1": "uchar"}


def write_cloud(path: Path, cloud: PointCloud, comments: Sequence[str] = ()) -> None:
    """Writes a cloud as binary PLY: x y z [m], normals where known, red green blue (sRGB); the world as it is, z up.

    Args:
        path: the file.
        cloud: what to write.
        comments: for the header; made ASCII and one line each.
    """
    _write(path, cloud, comments)


def write_mesh(path: Path, mesh: Mesh, comments: Sequence[str] = ()) -> None:
    """Writes a mesh as binary PLY: vertices as `write_cloud` does, and `vertex_indices`.

    Args:
        path: the file.
        mesh: what to write.
        comments: for the header; made ASCII and one line each.
    """
    _write(path, mesh, comments)


def read_written(path: Path, *, limit: int) -> Mesh | None:
    """A mesh as `write_mesh` writes it, read so many rows at a time; None where the file is anything else.

    Args:
        path: any file, or none.
        limit: bytes beyond which a file is not read.

    Raises:
        InputError: the numbers in it are no mesh's.
    """
    try:
        if not path.is_file() or path.stat().st_size > limit:
            return None
        with path.open("rb") as file:
            lines = [file.readline(MAX_LINE)]
            while lines[-1] not in (b"", b"end_header\n") and len(lines) < MAX_LINES:
                lines.append(file.readline(MAX_LINE))
            begin, size = file.tell(), path.stat().st_size
    except (OSError, ValueError):
        return None
    said = [line for line in lines if not line.startswith(b"comment ")]
    found = re.match(rb"ply\nformat binary_little_endian 1.0\nelement vertex (\d{1,10})\n", b"".join(said))
    faces = [re.fullmatch(rb"element face (\d{1,10})\n", line) for line in said]
    counts = [int(match[1]) for match in (found, *faces) if match]
    for kinds in (_kinds(far=far, normals=normals) for far in (False, True) for normals in (False, True)):
        fits = len(counts) == 2 and b"".join(said) == _header(kinds, counts[0], counts[1], ())
        if fits and size == begin + counts[0] * kinds.itemsize + counts[1] * _FACE.itemsize:
            return _read(path, begin, kinds, counts[0], counts[1])
    return None


def _read(path: Path, begin: int, kinds: np.dtype[np.void], vertices: int, faces: int) -> Mesh | None:
    """The mesh that begins at a byte of a file; None where not all its faces are triangles."""
    names = kinds.names or ()
    points, colors = np.empty((vertices, 3)), np.empty((vertices, 3), np.uint8)
    normals = np.empty((vertices, 3), np.float32) if "nx" in names else None
    triangles = np.empty((faces, 3), np.int32)
    with path.open("rb") as file:
        file.seek(begin)
        for low in range(0, vertices, ROWS):
            rows = np.fromfile(file, kinds, min(ROWS, vertices - low))
            for array, columns in ((points, "x y z"), (normals, "nx ny nz"), (colors, "red green blue")):
                for axis, name in enumerate(columns.split()):
                    if array is not None:
                        array[low : low + ROWS, axis] = rows[name]
        for low in range(0, faces, ROWS):
            rows = np.fromfile(file, _FACE, min(ROWS, faces - low))
            if (rows["count"] != 3).any():
                return None
            triangles[low : low + ROWS] = rows["vertex_indices"]
    known = normals is not None and bool(np.isfinite(normals).all())
    return Mesh(points, triangles, colors, normals if known else None)


def write_mesh_in_parts(
    path: Path,
    vertices: Iterable[tuple[Array, Array, Array]],
    triangles: Iterable[Array],
    farthest: float,
    comments: Sequence[str] = (),
) -> tuple[int, int]:
    """Writes the file that `write_mesh` writes of all parts together, and holds one part at a time.

    Args:
        path: the file; a second one stands beside it meanwhile.
        vertices: position [m], colour and normal of some vertices after others.
        triangles: (T, 3) of some triangles after others; asked for when all vertices have been given.
        farthest: largest coordinate [m].
        comments: for the header; made ASCII and one line each.

    Returns:
        Vertices and triangles that were written.
    """
    body, counts, kinds = path.with_name(f"{path.name}.body"), [0, 0], _kinds(far=farthest > MAX_FLOAT_M, normals=True)
    try:
        with body.open("wb") as file:
            for points, colors, normals in vertices:
                file.write(_vertices(points, normals, colors, kinds).data)
                counts[0] += len(points)
            for some in triangles:
                file.write(_faces(some).data)
                counts[1] += len(some)
        with path.open("wb") as file, body.open("rb") as written:
            file.write(_header(kinds, counts[0], counts[1], comments))
            shutil.copyfileobj(written, file, CHUNK_BYTES)
    finally:
        body.unlink(missing_ok=True)
    return counts[0], counts[1]


def _kinds(*, far: bool, normals: bool) -> np.dtype[np.void]:
    """What the record of a vertex holds."""
    kinds = [(axis, "<f8" if far else "<f4") for axis in "xyz"]
    kinds += [(axis, "<f4") for axis in ("nx", "ny", "nz")] if normals else []
    return np.dtype(kinds + [(band, "u1") for band in ("red", "green", "blue")])


def _vertices(points: Array, normals: Array | None, colors: Array, kinds: np.dtype[np.void]) -> Array:
    """A record for each vertex, in the order of the file."""
    vertices = np.empty(len(points), kinds)
    columns = [*points.T, *(() if normals is None else normals.T), *colors.T]
    for name, column in zip(kinds.names or (), columns, strict=True):
        vertices[name] = column
    return vertices


def _faces(triangles: Array) -> Array:
    """A record for each triangle."""
    faces = np.empty(len(triangles), _FACE)
    faces["count"], faces["vertex_indices"] = 3, triangles
    return faces


def _header(kinds: np.dtype[np.void], vertices: int, faces: int | None, comments: Sequence[str]) -> bytes:
    """All up to the data."""
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {one_line(text)}" for text in comments)]
    lines += [f"element vertex {vertices}"]
    lines += [f"property {_PLY_NAMES[kinds[name].str]} {name}" for name in kinds.names or ()]
    if faces is not None:
        lines += [f"element face {faces}", "property list uchar int vertex_indices"]
    return ("\n".join([*lines, "end_header"]) + "\n").encode("ascii")


def _write(path: Path, surface: Mesh | PointCloud, comments: Sequence[str]) -> None:
    """A cloud or a mesh, so many rows at a time."""
    points = surface.vertices if isinstance(surface, Mesh) else surface.points
    far = bool(len(points)) and float(max(points.max(), -points.min())) > MAX_FLOAT_M
    kinds = _kinds(far=far, normals=surface.normals is not None)
    faces = surface.triangles if isinstance(surface, Mesh) else None
    with path.open("wb") as file:
        file.write(_header(kinds, len(points), None if faces is None else len(faces), comments))
        for begin in range(0, len(points), ROWS):
            some = slice(begin, begin + ROWS)
            normals = None if surface.normals is None else surface.normals[some]
            file.write(_vertices(points[some], normals, surface.colors[some], kinds).data)
        if faces is not None:
            for begin in range(0, len(faces), ROWS):
                file.write(_faces(faces[begin : begin + ROWS]).data)


def one_line(text: str) -> str:
    """A comment as PLY headers can hold it: printable ASCII in one line of bounded length."""
    ascii_text = " ".join(text.split()).encode("ascii", "backslashreplace").decode("ascii")
    printable = "".join(c if c.isprintable() else "?" for c in ascii_text)
    return printable.replace("end_header", "end-header")[:MAX_COMMENT]  # some readers look for the word anywhere
