"""Runs inside Blender's Python: imports files into fresh scenes and writes what Blender makes of them, as JSON.

    python blender_probe.py JOB.json FOUND.json

JOB: {"files": {label: path}, "sizes": [[width, height], …] of the photos}. For each file: bounding box of all
meshes [m], colours as Blender holds them (linear), whether a material shows them, normals, and for each camera the
depth along z that rays through the pixels of its photo at 0.4 of its size meet, 0 where they meet nothing.
"""

import json
import sys

import bpy
import mathutils
import numpy as np
from mathutils.bvhtree import BVHTree

IMPORTS = {
    "ply": lambda path: bpy.ops.wm.ply_import(filepath=path),
    "obj": lambda path: bpy.ops.wm.obj_import(filepath=path),
    "stl": lambda path: bpy.ops.wm.stl_import(filepath=path),
    "glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    "usdc": lambda path: bpy.ops.wm.usd_import(filepath=path),
    "usda": lambda path: bpy.ops.wm.usd_import(filepath=path),
    "usd": lambda path: bpy.ops.wm.usd_import(filepath=path),
    "blend": lambda path: bpy.ops.wm.open_mainfile(filepath=path),
}


def probe(path, sizes):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    IMPORTS[path.rpartition(".")[2]](path)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    scene = bpy.context.scene
    meshes = [thing for thing in scene.objects if thing.type == "MESH"]
    points = [np.array([thing.matrix_world @ v.co for v in thing.data.vertices]) for thing in meshes]
    found = {
        "low": np.concatenate(points).min(axis=0).tolist(),
        "high": np.concatenate(points).max(axis=0).tolist(),
        "unit_m": scene.unit_settings.scale_length,
        "triangles": sum(len(thing.data.polygons) for thing in meshes),
        "volume": sum(volume(thing) for thing in meshes),
        "smooth": smooth(meshes[0].data),
        "properties": properties([thing for thing in scene.objects if thing.type in ("MESH", "EMPTY")]),
        "colors": colors(meshes[0].data),
        "material": shows(meshes[0]),
        "cameras": {},
    }
    found["size"] = [scene.render.resolution_x, scene.render.resolution_y]
    cameras = [thing for thing in scene.objects if thing.type == "CAMERA"]
    for camera, size in zip(cameras, sizes, strict=True) if cameras else ():
        scene.render.resolution_x, scene.render.resolution_y = size
        found["cameras"][camera.name] = seen(scene, depsgraph, camera, meshes[0])
    return found


def properties(things):
    """Custom properties of objects, which are no dictionaries."""
    return {key: str(value) for thing in things for key, value in thing.items()}


def volume(thing):
    """By the divergence theorem: negative where triangles face inwards."""
    corners = np.array(
        [[thing.matrix_world @ thing.data.vertices[i].co for i in p.vertices] for p in thing.data.polygons]
    )
    return float(np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def smooth(mesh):
    """Share of corners whose shading normal is on the side that the triangle faces."""
    good = 0
    for polygon in mesh.polygons:
        good += sum(mesh.corner_normals[i].vector.dot(polygon.normal) > 0 for i in polygon.loop_indices)
    return good / max(1, len(mesh.loops))


def colors(mesh):
    layer = mesh.color_attributes.active_color or (mesh.color_attributes[0] if len(mesh.color_attributes) else None)
    if layer is None:
        return None
    values = np.empty(4 * len(layer.data), np.float32)
    layer.data.foreach_get("color", values)
    return {"name": layer.name, "domain": layer.domain, "linear": values.reshape(-1, 4)[:, :3].mean(axis=0).tolist()}


def shows(thing):
    """Name of the colour attribute that reaches the base colour of the material, as a material preview shows it."""
    for slot in thing.material_slots:
        tree = slot.material.node_tree if slot.material else None
        for node in tree.nodes if tree else ():
            if node.type == "BSDF_PRINCIPLED" and node.inputs["Base Color"].is_linked:
                return source(node.inputs["Base Color"].links[0].from_node)
    return None


def source(node):
    if node.type == "VERTEX_COLOR":
        return node.layer_name
    if node.type == "ATTRIBUTE":
        return node.attribute_name
    for socket in node.inputs:
        for link in socket.links:
            name = source(link.from_node)
            if name:
                return name
    return None


def seen(scene, depsgraph, camera, thing):
    columns, rows = round(0.4 * scene.render.resolution_x), round(0.4 * scene.render.resolution_y)
    tree = BVHTree.FromObject(thing, depsgraph)
    to_mesh = thing.matrix_world.inverted()
    to_world = camera.matrix_world.normalized()
    frame = [np.array(corner) for corner in camera.data.view_frame(scene=scene)]  # upper right, lower right, lower left
    right, down = frame[0] - frame[3], frame[2] - frame[3]
    depth = np.zeros((rows, columns))
    for v in range(rows):
        for u in range(columns):
            ray = frame[3] + right * ((u + 0.5) / columns) + down * ((v + 0.5) / rows)
            ray = ray / -ray[2]  # one metre ahead
            origin = to_mesh @ to_world.translation
            direction = to_mesh.to_3x3() @ (to_world.to_3x3() @ mathutils.Vector(ray))
            place, _, _, distance = tree.ray_cast(origin, direction)
            if place is not None:
                depth[v, u] = distance / direction.length
    background = [b.image.name for b in camera.data.background_images if b.image and b.image.packed_file]
    return {
        "depth": depth.tolist(),
        "lens_mm": camera.data.lens,
        "sensor_mm": camera.data.sensor_width,
        "shift": [camera.data.shift_x, camera.data.shift_y],
        "background": background,
        "markers": [m.frame for m in scene.timeline_markers if m.camera == camera],
    }


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    found = {label: probe(path, job["sizes"]) for label, path in job["files"].items()}
    with open(sys.argv[2], "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
