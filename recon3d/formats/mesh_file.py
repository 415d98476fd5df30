"""Mesh files of any tool, read without trusting them: PLY, OBJ, STL and GLB."""

import io
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from recon3d.errors import InputError
from recon3d.formats.colour import srgb_from_linear
from recon3d.formats.glb import z_up
from recon3d.formats.obj import Y_UP
from recon3d.formats.ply import read_written
from recon3d.formats.untrusted import naming, parse_json, read_bytes
from recon3d.geometry.arrays import Array
from recon3d.geometry.surface import Mesh

SUFFIXES = (".ply", ".obj", ".stl", ".glb")
MAX_BYTES = 4 * 2**30
MAX_INSTANCED = 10_000_000
"""Vertices that the nodes of a scene may place beyond one for each byte of the file: a mesh placed a million times."""
GREY = 180
"""Colour of vertices that have none (sRGB)."""
_PLY_BYTES = {"char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "float": 4, "double": 8}
_PLY_BYTES |= {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "float32": 4, "float64": 8}


def read_mesh(path: Path) -> Mesh:
    """The triangles of a mesh file, in our world axes.

    PLY, OBJ and STL are taken as they are (z up, where they came from us), but for an OBJ that says y up in its first
    line, as ours do; GLB is turned from glTF's y up to z up, and its linear colours to sRGB. Parts are put together
    where their nodes place them. Nothing that the file names elsewhere (materials, textures, buffers) is opened.

    Args:
        path: .ply, .obj, .stl or .glb, at most 4 GiB.

    Returns:
        Vertices in the file's unit (metres, where they came from us); grey where it has no vertex colours; normals
        only of PLY files that hold them.

    Raises:
        InputError: no mesh file, a broken one, or no triangles in it.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise InputError(f"{path}: got the ending {path.suffix!r}, wanted a mesh: {' '.join(SUFFIXES)}")
    with naming(path):
        ours = read_written(path, limit=MAX_BYTES) if kind == ".ply" else None
    if ours is not None and len(ours.triangles):
        return ours  # without the copies that a parser of any file takes
    data = read_bytes(path, limit=MAX_BYTES)
    with naming(path):
        if kind == ".ply":
            data = checked_ply(data)
        if kind == ".glb":
            check_glb(data)
        try:
            parts = _parts(data, kind, y_up=kind == ".glb" or (kind == ".obj" and data.startswith(Y_UP.encode())))
        except InputError:
            raise
        except (MemoryError, Exception) as error:  # the parsers raise anything on broken files
            raise InputError(f"the mesh can't be read: {type(error).__name__}: {error}") from error
        if not sum(len(part.triangles) for part in parts):
            raise InputError("got no triangles, wanted a mesh; a point cloud is none")
        return _joined(parts)


def _parts(data: bytes, kind: str, *, y_up: bool) -> list[Mesh]:
    """The triangle meshes of a file, placed."""
    options: dict[str, Any] = {} if kind == ".glb" else {"skip_materials": True}
    # Without a resolver there is nothing that could open another file.
    scene = trimesh.load_scene(io.BytesIO(data), file_type=kind[1:], process=False, allow_remote=False, **options)
    placed = [scene.graph[node] for node in scene.graph.nodes_geometry]
    meshes = [(matrix, scene.geometry[name]) for matrix, name in placed]
    meshes = [(matrix, mesh) for matrix, mesh in meshes if isinstance(mesh, trimesh.Trimesh)]
    count = sum(len(mesh.vertices) for _, mesh in meshes)
    if count > max(MAX_INSTANCED, len(data)):
        raise InputError(f"got {count} vertices from a file of {len(data)} bytes: it places its parts over and over")
    return [_part(np.asarray(matrix), mesh, kind, y_up=y_up) for matrix, mesh in meshes]


def _part(matrix: Array, mesh: Any, kind: str, *, y_up: bool) -> Mesh:
    """One mesh of a scene in our world."""
    vertices = np.asarray(mesh.vertices, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    triangles = np.asarray(mesh.faces, np.int64).reshape(-1, 3)
    if len(triangles) and not (triangles.min() >= 0 and triangles.max() < len(vertices)):
        raise InputError(f"got triangles of vertices {triangles.min()} to {triangles.max()} of {len(vertices)}")
    if np.linalg.det(matrix[:3, :3]) < 0:
        triangles = triangles[:, ::-1]  # a mirrored part would be inside out
    return Mesh(
        z_up(vertices) if y_up else vertices,
        triangles,
        _colors(mesh, linear=kind == ".glb"),
        ply_normals(mesh) if kind == ".ply" else None,
    )


def _colors(mesh: Any, *, linear: bool) -> Array:
    """(V, 3) uint8 sRGB."""
    count = len(mesh.vertices)
    raw = np.zeros((0, 3))
    if mesh.visual.kind == "texture" and "color" in mesh.visual.vertex_attributes:
        raw = np.asarray(mesh.visual.vertex_attributes["color"])
    elif mesh.visual.kind in ("vertex", "face"):
        raw = np.asarray(mesh.visual.vertex_colors)
    if len(raw) != count or raw.ndim != 2 or raw.shape[1] < 3:
        return np.full((count, 3), GREY, np.uint8)
    raw = raw[:, :3]
    unit = raw.astype(np.float64)
    if raw.dtype.kind in "iu":
        unit /= 2 ** (8 * raw.dtype.itemsize) - 1
    if linear:
        return srgb_from_linear(unit)
    return np.asarray(np.rint(np.clip(unit, 0, 1) * 255), np.uint8)


def ply_normals(mesh: Any) -> Array | None:
    """(V, 3) normals as the file has them, or None."""
    raw = mesh.metadata.get("_ply_raw", {}).get("vertex", {}).get("data", {})
    names = raw.dtype.names if isinstance(raw, np.ndarray) else raw
    if not all(axis in (names or ()) for axis in ("nx", "ny", "nz")):
        return None
    normals = np.column_stack([np.asarray(raw[axis], np.float32).reshape(-1) for axis in ("nx", "ny", "nz")])
    return normals if len(normals) == len(mesh.vertices) and np.isfinite(normals).all() else None


def _joined(parts: list[Mesh]) -> Mesh:
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.colors for part in parts]),
    )


def checked_ply(data: bytes) -> bytes:
    """A PLY without comments, in which parsers look for words; refused where it promises more than the file holds."""
    end = re.search(rb"\nend_header[^\n]*\n", data[: 2**16])
    if not data.startswith(b"ply") or not end:
        raise InputError("not a PLY file: wanted ply … end_header")
    lines = [line.split() for line in data[: end.start()].decode("ascii", errors="replace").splitlines()]
    is_text = ["format", "ascii", "1.0"] in lines
    need, count = 0, 0
    for words in lines:
        if words[:1] == ["element"]:
            if len(words) != 3 or not re.fullmatch(r"\d{1,15}", words[2]):
                raise InputError(f"got {' '.join(words)[:60]!r} in the header, wanted element, its name and its count")
            count = int(words[2])
        elif words[:1] == ["property"]:
            kind = words[2] if words[1:2] == ["list"] and len(words) == 5 else words[1] if len(words) == 3 else ""
            if kind not in _PLY_BYTES:
                raise InputError(f"got {' '.join(words)[:60]!r} in the header, wanted property, its type and its name")
            need += count * (2 if is_text else _PLY_BYTES[kind])
    if need - 1 > len(data) - end.end():
        raise InputError(
            f"got a header that needs {need} bytes, and {len(data) - end.end()} are there; is the file whole?"
        )
    header = b"\n".join(
        line for line in data[: end.start()].splitlines() if not line.startswith((b"comment", b"obj_info"))
    )
    return header + b"\nend_header\n" + data[end.end() :]


def check_glb(data: bytes) -> None:
    """Refuses a GLB that is cut short, or that makes more of its bytes than there are."""
    if len(data) < 20 or data[:4] != b"glTF":
        raise InputError("not a GLB file")
    _, length, size, kind = struct.unpack_from("<III4s", data, 4)
    if length > len(data) or size > len(data) - 20 or kind != b"JSON":
        raise InputError(f"got {len(data)} bytes and a header that says {length}; is the file whole?")
    try:
        document = parse_json(data[20 : 20 + size].decode("utf-8"), where="its JSON")
    except UnicodeDecodeError as error:
        raise InputError("not a GLB file: its JSON is no UTF-8") from error
    accessors = document.get("accessors", []) if isinstance(document, dict) else []
    total = 0
    for accessor in accessors if isinstance(accessors, list) else []:
        count, view = (
            (accessor.get(key) for key in ("count", "bufferView")) if isinstance(accessor, dict) else (None, None)
        )
        if not (isinstance(count, int) and 0 <= count <= len(data) and isinstance(view, int)):
            raise InputError("got an accessor without data, or larger than the file; wanted plain buffers (no Draco)")
        total += count * _accessor_bytes(accessor)
    if total > 8 * len(data):
        raise InputError(f"got accessors of {total} bytes in a file of {len(data)}: they use its bytes over and over")


def _accessor_bytes(accessor: dict[str, Any]) -> int:
    """Bytes of one element of a glTF accessor; the most there are where it is malformed."""
    kind, component = accessor.get("type"), accessor.get("componentType")
    columns = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}.get(kind if isinstance(kind, str) else "", 16)
    return columns * {5120: 1, 5121: 1, 5122: 2, 5123: 2}.get(component if isinstance(component, int) else 0, 4)
