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

MAX_EDGE_M = 0.04
SEEN_WITHIN_M = 0.01


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
    """(T, 3, 3) all triangles of the scene in the world's frame, modifiers applied, without the garden."""
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


def split(faces: np.ndarray, longest: float) -> np.ndarray:
    """Halves triangles across their longest edge until none is longer than `longest`."""
    done = []
    while len(faces):
        lengths = np.linalg.norm(faces - np.roll(faces, -1, axis=1), axis=2)
        first = np.argmax(lengths, axis=1)
        long = lengths.max(axis=1) > longest
        done.append(faces[~long])
        order = (first[long, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(faces[long], order[..., None], 1).transpose(1, 0, 2)
        middle = (a + b) / 2
        faces = np.concatenate([np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])
    return np.concatenate(done)


def seen(points: np.ndarray, poses: dict[str, np.ndarray], depths: dict[str, np.ndarray]) -> np.ndarray:
    """(N,) bool: whether a depth map has the point, to `SEEN_WITHIN_M`, at its pixel or one beside it."""
    result = np.zeros(len(points), bool)
    for name, pose in poses.items():
        local = (points - pose[:3, 3]) @ pose[:3, :3]
        z = np.maximum(local[:, 2], 1e-3)
        u = np.rint(path.FOCAL_PX * local[:, 0] / z + (path.WIDTH - 1) / 2).astype(int)
        v = np.rint(path.FOCAL_PX * local[:, 1] / z + (path.HEIGHT - 1) / 2).astype(int)
        inside = (local[:, 2] > 0.1) & (u >= 1) & (u < path.WIDTH - 1) & (v >= 1) & (v < path.HEIGHT - 1) & ~result
        where = np.nonzero(inside)[0]
        for dv, du in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)):
            there = depths[name][v[where] + dv, u[where] + du]
            result[where] |= np.abs(there - z[where]) < SEEN_WITHIN_M
    return result


def seen_surface(poses: dict[str, np.ndarray], depths: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and triangles (T, 3): the scene cut small, less what no photo sees."""
    faces = split(triangles(), MAX_EDGE_M)
    keys = np.rint(faces.reshape(-1, 3) * 1e5).astype(np.int64)
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    vertices, corners = faces.reshape(-1, 3)[first], index.reshape(-1, 3)
    proper = (corners != np.roll(corners, 1, axis=1)).all(1)
    corners = corners[proper]
    corners = corners[seen(vertices, poses, depths)[corners].all(1)]
    used, index = np.unique(corners, return_inverse=True)
    return vertices[used], index.reshape(-1, 3)


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
