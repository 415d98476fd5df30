"""The truth behind the photos: depth maps, camera, poses, and the surface that the photos see."""

import json
import os
from pathlib import Path

import bpy
import numpy as np
from PIL import Image

from . import path
from .photos import aim
from .room import BACKDROP

PATCH_M = 0.04
"""Longest edge of the pieces of which each is seen or not."""
SEEN_WITHIN_M = 0.006
SMALL_BEVEL_M = 0.01
"""Rounded edges below this are sharp in the mesh: they would be most of its triangles."""


def set_up() -> None:
    """One ray through the centre of each pixel, which returns its z in the camera's frame as a colour."""
    scene = bpy.context.scene
    bpy.data.objects[BACKDROP].hide_render = True
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.0
    scene.view_settings.view_transform = "Raw"
    scene.view_settings.look = "None"
    scene.view_settings.exposure = 0.0
    material = bpy.data.materials.new("depth")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    eye, shine = tree.nodes.new("ShaderNodeCameraData"), tree.nodes.new("ShaderNodeEmission")
    out = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(eye.outputs["View Z Depth"], shine.inputs["Color"])
    tree.links.new(shine.outputs["Emission"], out.inputs["Surface"])
    bpy.context.view_layer.material_override = material
    for piece in bpy.data.objects:
        if piece.type == "LIGHT":
            piece.hide_render = True


def depth(world_from_cam: np.ndarray, folder: Path) -> np.ndarray:
    """(H, W) float32 z [m] at the pixel centres, 0 = nothing there."""
    scene = bpy.context.scene
    aim(world_from_cam)
    partial = folder / f".tmp-{os.getpid()}-depth.exr"
    settings = scene.render.image_settings
    settings.file_format, settings.color_depth, settings.color_mode = "OPEN_EXR", "32", "RGB"
    scene.render.filepath = str(partial)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(partial))
    width, height = image.size
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    partial.unlink()
    return values.reshape(height, width, -1)[::-1, :, 0].copy()


def write_depth(values: np.ndarray, file: Path) -> None:
    """Millimetres in a 16-bit PNG."""
    partial = file.with_name(f".tmp-{os.getpid()}-{file.name}")
    Image.fromarray(np.rint(values * 1000).astype(np.uint16)).save(partial, compress_level=9)
    partial.replace(file)


def write_json(value: object, file: Path) -> None:
    """Indented JSON, whole or not at all."""
    partial = file.with_name(f".tmp-{os.getpid()}-{file.name}")
    partial.write_text(json.dumps(value, indent=1) + "\n")
    partial.replace(file)


def write_camera(file: Path) -> None:
    """The pinhole camera of every photo."""
    camera = {
        "schema": 1,
        "width": path.WIDTH,
        "height": path.HEIGHT,
        "fx": path.FOCAL_PX,
        "fy": path.FOCAL_PX,
    }
    camera |= {"cx": (path.WIDTH - 1) / 2, "cy": (path.HEIGHT - 1) / 2, "model": "pinhole", "distortion": []}
    write_json(camera | {"source": "truth"}, file)


def write_poses(poses: dict[str, np.ndarray], file: Path) -> None:
    """world_from_cam by photo."""
    listed = {name: np.round(pose, 9).tolist() for name, pose in poses.items()}
    write_json({"schema": 1, "frame": "world_from_cam", "unit": "m", "poses": listed}, file)


def triangles() -> np.ndarray:
    """(T, 3, 3) all triangles of the scene in the world's frame, without the garden and without small bevels."""
    for piece in bpy.data.objects:
        for modifier in piece.modifiers:
            modifier.show_viewport = modifier.width > SMALL_BEVEL_M
    graph = bpy.context.evaluated_depsgraph_get()
    parts = []
    for piece in bpy.data.objects:
        if piece.type != "MESH" or piece.name == BACKDROP:
            continue
        mesh = piece.evaluated_get(graph).data
        mesh.calc_loop_triangles()
        corners = np.empty(3 * len(mesh.loop_triangles), np.int32)
        mesh.loop_triangles.foreach_get("vertices", corners)
        points = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", points)
        matrix = np.array(piece.matrix_world)
        world = points.reshape(-1, 3).astype(float) @ matrix[:3, :3].T + matrix[:3, 3]
        parts.append(world[corners].reshape(-1, 3, 3))
    return np.concatenate(parts)


def halved(faces: np.ndarray, longest: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Halves triangles across their longest edge until none is longer than `longest`.

    Returns:
        The triangles (T, 3, 3) of each level, and which of them (T,) were halved: the halves of the k-th halved one of
        n are the k-th and the (n + k)-th triangle of the next level.
    """
    levels, parents = [], []
    while len(faces):
        lengths = np.linalg.norm(faces - np.roll(faces, -1, axis=1), axis=2)
        long = lengths.max(axis=1) > longest
        levels.append(faces)
        parents.append(long)
        order = (np.argmax(lengths, axis=1)[long, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(faces[long], order[..., None], 1).transpose(1, 0, 2)
        middle = (a + b) / 2
        faces = np.concatenate([np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])
    return levels, parents


def seen(points: np.ndarray, poses: dict[str, np.ndarray], depths: dict[str, np.ndarray]) -> np.ndarray:
    """(N,) bool: whether a depth map has the point, to `SEEN_WITHIN_M`, between its pixels or at the nearest one."""
    result = np.zeros(len(points), bool)
    for name, pose in poses.items():
        todo = np.nonzero(~result)[0]
        local = (points[todo] - pose[:3, 3]) @ pose[:3, :3]
        todo, local = todo[local[:, 2] > 0.1], local[local[:, 2] > 0.1]
        u = path.FOCAL_PX * local[:, 0] / local[:, 2] + (path.WIDTH - 1) / 2
        v = path.FOCAL_PX * local[:, 1] / local[:, 2] + (path.HEIGHT - 1) / 2
        inside = (u >= 0) & (u < path.WIDTH - 1) & (v >= 0) & (v < path.HEIGHT - 1)
        todo, z, u, v = todo[inside], local[inside, 2], u[inside], v[inside]
        depth = depths[name]
        i, j = v.astype(int), u.astype(int)
        a, b = u - j, v - i
        upper = (1 - a) * depth[i, j] + a * depth[i, j + 1]
        lower = (1 - a) * depth[i + 1, j] + a * depth[i + 1, j + 1]
        nearest = depth[np.rint(v).astype(int), np.rint(u).astype(int)]
        error = np.minimum(np.abs((1 - b) * upper + b * lower - z), np.abs(nearest - z))
        result[todo[error < SEEN_WITHIN_M]] = True
    return result


def seen_surface(poses: dict[str, np.ndarray], depths: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and triangles (T, 3): the scene less what no photo sees.

    Halves that are both seen are put together again, so that flat parts are a few large triangles.
    """
    levels, parents = halved(triangles(), PATCH_M)
    kept, whole = [], np.zeros(0, bool)
    for faces, long in zip(reversed(levels), reversed(parents), strict=True):
        both = whole[: long.sum()] & whole[long.sum() :]
        if kept:
            kept[-1] = kept[-1][whole & ~np.tile(both, 2)]
        whole = np.zeros(len(faces), bool)
        whole[long] = both
        whole[~long] = seen(faces[~long].reshape(-1, 3), poses, depths).reshape(-1, 3).all(1)
        kept.append(faces)
    kept[-1] = kept[-1][whole]
    corners = np.concatenate(kept).reshape(-1, 3)
    _, first, index = np.unique(np.rint(corners * 1e5).astype(int), axis=0, return_index=True, return_inverse=True)
    index = index.reshape(-1, 3)
    return corners[first], index[(index != np.roll(index, 1, axis=1)).all(1)]


def write_mesh(vertices: np.ndarray, corners: np.ndarray, file: Path) -> None:
    """Binary PLY, metres."""
    header = (
        "ply\nformat binary_little_endian 1.0\ncomment room sample, truth, metres, z up\n"
        f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {len(corners)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(corners), [("count", "u1"), ("corners", "<i4", 3)])
    rows["count"], rows["corners"] = 3, corners
    partial = file.with_name(f".tmp-{os.getpid()}-{file.name}")
    partial.write_bytes(header.encode() + vertices.astype("<f4").tobytes() + rows.tobytes())
    partial.replace(file)
