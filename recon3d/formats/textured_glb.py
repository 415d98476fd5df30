"""Textured meshes as GLB, the picture inside: written, and read back as they were."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from recon3d.errors import InputError
from recon3d.formats.glb import (
    ARRAY_BUFFER,
    ELEMENT_ARRAY_BUFFER,
    FLOAT,
    MAX_BYTES,
    UNSIGNED_INT,
    document,
    unit_normals,
    write_container,
    y_up,
    z_up,
)
from recon3d.formats.gltf_cameras import add_cameras
from recon3d.formats.mesh_file import check_glb
from recon3d.formats.untrusted import naming, read_bytes
from recon3d.geometry import View
from recon3d.geometry.arrays import Array
from recon3d.geometry.surface import Mesh, TexturedMesh

PICTURES = {"jpeg": {"quality": 95, "subsampling": 0}, "png": {"compress_level": 4}}
"""How the texture can be kept, with what Pillow is told: nearly and exactly as it was."""
MAX_SIZE = 16384
"""Textures larger than this across are not read [px]."""
LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071


def write_textured_glb(
    path: Path,
    textured: TexturedMesh,
    extras: dict[str, Any] | None = None,
    views: Sequence[View] = (),
    *,
    picture: str = "jpeg",
) -> None:
    """Writes a textured mesh as GLB: y up, the texture as the base colour of its one material.

    A vertex is written once for each place in the texture that its triangles give it.

    Args:
        path: the file.
        textured: what to write [m].
        extras: JSON values kept with the mesh's node; Blender shows them as custom properties.
        views: photos whose cameras are to go along.
        picture: "jpeg" (quality 95, all of the colour) or "png" (exact, some five times the size).

    Raises:
        InputError: the mesh is empty, too large for the format (4 GiB), or there is no such kind of picture.
    """
    if picture not in PICTURES:
        raise InputError(f"picture of a textured GLB: got {picture!r}, wanted one of {', '.join(PICTURES)}")
    mesh = textured.mesh
    if not len(mesh.triangles):
        raise InputError(f"{path}: the mesh is empty (0 triangles), and glTF has no empty meshes")
    vertex, uv, triangles = corners(textured)
    positions = y_up(mesh.vertices[vertex]).astype("<f4")
    parts = [(positions, "VEC3", FLOAT, ARRAY_BUFFER), (uv.astype("<f4"), "VEC2", FLOAT, ARRAY_BUFFER)]
    attributes = {"POSITION": 0, "TEXCOORD_0": 1}
    if mesh.normals is not None:
        attributes["NORMAL"] = len(parts)
        parts.append((unit_normals(y_up(mesh.normals[vertex])), "VEC3", FLOAT, ARRAY_BUFFER))
    parts.append((triangles.astype("<u4").reshape(-1), "SCALAR", UNSIGNED_INT, ELEMENT_ARRAY_BUFFER))
    encoded = io.BytesIO()
    Image.fromarray(textured.texture).save(encoded, picture, **PICTURES[picture])
    size = encoded.tell()
    image = np.frombuffer(encoded.getvalue() + b"\0" * (-size % 4), np.uint8)  # whatever follows begins at a word

    described = document(parts, attributes, extras)
    described["bufferViews"].append(
        {"buffer": 0, "byteOffset": described["buffers"][0]["byteLength"], "byteLength": size}
    )
    described["buffers"][0]["byteLength"] += image.nbytes
    described["images"] = [{"bufferView": len(parts), "mimeType": f"image/{picture}", "name": "texture"}]
    described["samplers"] = [
        {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR, "wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}
    ]
    described["textures"] = [{"source": 0, "sampler": 0}]
    described["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    add_cameras(described, views)
    write_container(path, described, [*(array for array, *_ in parts), image])


def corners(textured: TexturedMesh) -> tuple[Array, Array, Array]:
    """The mesh with a vertex for each pair of a vertex and a place in the texture, in the order of the vertices.

    Returns:
        (N,) the vertex of each pair, (N, 2) float32 its place, and (T, 3) int32 triangles of pairs.
    """
    vertex = textured.mesh.triangles.reshape(-1).astype(np.int64)
    uv = np.ascontiguousarray(textured.uv.reshape(-1, 2))
    place = uv.view(np.uint64)[:, 0]  # equal bits are equal places
    order = np.lexsort((place, vertex))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(vertex[order]) != 0) | (place[order][1:] != place[order][:-1])
    pair = np.empty(len(order), np.int32)
    pair[order] = np.cumsum(new) - 1
    first = order[new]
    return vertex[first], uv[first], pair.reshape(-1, 3)


def read_textured_glb(path: Path) -> TexturedMesh:
    """Reads a GLB of one textured mesh, as `write_textured_glb` leaves it.

    Vertices at the same place become one again. Vertex colours are those of the texture there.

    Raises:
        InputError: the file is broken, or holds no single mesh with a square texture and places inside it.
    """
    data = read_bytes(path, limit=MAX_BYTES)
    with naming(path):
        check_glb(data)
        try:
            scene = trimesh.load_scene(io.BytesIO(data), file_type="glb", process=False, allow_remote=False)
            parts = [part for part in scene.geometry.values() if isinstance(part, trimesh.Trimesh)]
            if len(parts) != 1:
                raise InputError(f"got {len(parts)} meshes, wanted one textured mesh as recon3d writes it")
            picture = getattr(getattr(parts[0].visual, "material", None), "baseColorTexture", None)
            uv = getattr(parts[0].visual, "uv", None)
            if picture is None or uv is None:
                raise InputError("got a mesh without a texture, wanted a textured one")
            if max(picture.size) > MAX_SIZE:
                raise InputError(f"got a texture of {picture.size} px, wanted at most {MAX_SIZE} px across")
            texture = np.asarray(picture.convert("RGB"))
        except InputError:
            raise
        except (MemoryError, Exception) as error:  # the parsers raise anything on broken files
            raise InputError(f"the mesh can't be read: {type(error).__name__}: {error}") from error
        faces = np.asarray(parts[0].faces)
        uv = np.clip(np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1), 0, 1).astype(np.float32)  # trimesh turns v upwards
        size = int.from_bytes(data[12:16], "little")
        has_normals = b'"NORMAL"' in data[20 : 20 + size]  # trimesh would make some
        normals = np.asarray(parts[0].vertex_normals, np.float32) if has_normals else None
        return _welded(np.asarray(parts[0].vertices), faces, uv, texture, normals)


def _welded(positions: Array, faces: Array, uv: Array, texture: Array, normals: Array | None) -> TexturedMesh:
    """One vertex for each place in space, in the order in which they come first; in our z-up world."""
    _, first, inverse = np.unique(positions, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    keep = np.sort(first)
    texel = np.minimum((uv[keep] * len(texture)).astype(np.int64), len(texture) - 1)
    mesh = Mesh(
        z_up(positions[keep].astype(np.float64)),
        rank[inverse.reshape(-1)][faces],
        texture[texel[:, 1], texel[:, 0]],
        None if normals is None else z_up(normals[keep]),
    )
    return TexturedMesh(mesh, uv[faces], texture)
