"""GLB files (binary glTF 2.0): meshes out, y up and with linear colours, as Blender and web viewers want them."""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.colour import linear_from_srgb
from recon3d.formats.gltf_cameras import add_cameras
from recon3d.geometry import View
from recon3d.geometry.arrays import Array
from recon3d.geometry.surface import Mesh

MAX_BYTES = 2**32 - 1
FLOAT, UNSIGNED_INT, UNSIGNED_SHORT = 5126, 5125, 5123
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963


def write_glb(path: Path, mesh: Mesh, extras: dict[str, Any] | None = None, views: Sequence[View] = ()) -> None:
    """Writes a mesh as GLB.

    Our z-up world (x, y, z) becomes glTF's y-up (x, z, -y), a rotation, so triangles keep their sense. Colours become
    linear light (COLOR_0, normalised uint16), since glTF readers take them as that.

    Args:
        path: the file.
        mesh: what to write [m].
        extras: JSON values kept with the mesh's node; Blender shows them as custom properties.
        views: photos whose cameras are to go along.

    Raises:
        InputError: the mesh is empty, or too large for the format (4 GiB).
    """
    if not (len(mesh.vertices) and len(mesh.triangles)):
        raise InputError(f"{path}: the mesh is empty ({len(mesh.triangles)} triangles), and glTF has no empty meshes")
    positions = y_up(mesh.vertices).astype("<f4")
    colors = np.full((len(positions), 4), 65535, "<u2")  # alpha keeps each element aligned to 4 bytes
    colors[:, :3] = np.rint(linear_from_srgb(mesh.colors) * 65535)
    parts = [(positions, "VEC3", FLOAT, ARRAY_BUFFER), (colors, "VEC4", UNSIGNED_SHORT, ARRAY_BUFFER)]
    attributes = {"POSITION": 0, "COLOR_0": 1}
    if mesh.normals is not None:
        attributes["NORMAL"] = len(parts)
        parts.append((unit_normals(y_up(mesh.normals)), "VEC3", FLOAT, ARRAY_BUFFER))
    indices = np.ascontiguousarray(mesh.triangles, "<u4").reshape(-1)
    parts.append((indices, "SCALAR", UNSIGNED_INT, ELEMENT_ARRAY_BUFFER))
    gltf = document(parts, attributes, extras)
    add_cameras(gltf, views)
    write_container(path, gltf, [array for array, *_ in parts])


def y_up(vectors: Array) -> Array:
    """(N, 3) vectors of our z-up world in glTF's y-up world."""
    return np.stack([vectors[:, 0], vectors[:, 2], -vectors[:, 1]], axis=1)


def z_up(vectors: Array) -> Array:
    """(N, 3) vectors of glTF's y-up world in our z-up world."""
    return np.stack([vectors[:, 0], -vectors[:, 2], vectors[:, 1]], axis=1)


def document(
    parts: list[tuple[Array, str, int, int]], attributes: dict[str, int], extras: dict[str, Any] | None
) -> dict[str, Any]:
    """The JSON part of one mesh: each array in a view of its own, the last one the indices.

    Args:
        parts: arrays with glTF's type, component type and buffer target; positions first.
        attributes: the part of each vertex attribute.
        extras: JSON values kept with the node.
    """
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    offset = 0
    for array, kind, component, target in parts:
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes, "target": target})
        accessor: dict[str, Any] = {
            "bufferView": len(accessors),
            "componentType": component,
            "count": len(array),
            "type": kind,
        }
        if component == UNSIGNED_SHORT:
            accessor["normalized"] = True
        accessors.append(accessor)
        offset += array.nbytes
    positions = parts[0][0]
    accessors[0] |= {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
    node: dict[str, Any] = {"mesh": 0, "name": "recon3d"}
    if extras:
        node["extras"] = extras
    material = {
        "name": "photo colours",
        "doubleSided": True,  # a scan is open: it is seen from behind as well
        "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0},
    }
    primitive = {"attributes": attributes, "indices": len(parts) - 1, "material": 0, "mode": 4}
    return {
        "asset": {"version": "2.0", "generator": "recon3d"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [{"name": "recon3d", "primitives": [primitive]}],
        "materials": [material],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }


def write_container(path: Path, document: dict[str, Any], arrays: list[Array]) -> None:
    """Writes the container: a header, the JSON chunk and the binary chunk, each a multiple of 4 bytes long.

    Raises:
        InputError: it is too large for the format.
    """
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    size = sum(array.nbytes for array in arrays)  # every array is a multiple of 4 bytes
    total = 12 + 8 + len(text) + 8 + size
    if total > MAX_BYTES:
        raise InputError(
            f"{path}: the mesh takes {total} bytes, and GLB holds {MAX_BYTES}; make larger voxels, or use PLY"
        )
    with path.open("wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, total))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", size, b"BIN\0"))
        for array in arrays:
            file.write(np.ascontiguousarray(array).data)


def unit_normals(normals: Array) -> Array:
    """Normals of length 1, as glTF demands; up (y) where there is none."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    safe = np.where(length > 1e-12, normals / np.maximum(length, 1e-12), [0.0, 1.0, 0.0])
    return safe.astype("<f4")
