"""Runs inside Blender's Python, which has bpy and nothing of ours: makes the scene that `blend.py` asks for.

    python blend_worker.py FOLDER

FOLDER holds job.json and the mesh's arrays. Imported by nothing.
"""

import json
import sys
from pathlib import Path
from typing import Any

import bpy
import mathutils
import numpy as np

SENSOR_MM = 36.0
"""Width of the sensor that cameras are given [mm]: only its ratio to the focal length says anything."""
FRUSTUM_M = 0.15
"""How large cameras are drawn [m]."""


def main(folder: Path) -> None:
    """Makes the scene and saves it."""
    job = json.loads((folder / "job.json").read_text())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0  # no .blend1 beside it
    scene = bpy.context.scene
    _set_up(scene, job["views"])
    surface = _mesh(folder, job["comment"])
    scene.collection.objects.link(surface)
    photos = bpy.data.collections.new("photos")
    scene.collection.children.link(photos)
    for number, view in enumerate(job["views"], 1):
        camera = _camera(view)
        photos.objects.link(camera)
        marker = scene.timeline_markers.new(view["name"], frame=number)
        marker.camera = camera
        scene.camera = scene.camera or camera
    bpy.ops.wm.save_as_mainfile(filepath=job["out"], check_existing=False, compress=True)


def _set_up(scene: Any, views: list[dict[str, Any]]) -> None:
    """Metres, the photos' size, and light that leaves the photos' colours as they are."""
    scene.unit_settings.system, scene.unit_settings.scale_length = "METRIC", 1.0
    scene.view_settings.view_transform = "Standard"  # AgX would pale the photos' colours
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 64
    world = bpy.data.worlds.new("white")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    scene.world = world
    scene.frame_start, scene.frame_end = 1, max(1, len(views))
    if views:
        camera = views[0]["camera"]
        scene.render.resolution_x, scene.render.resolution_y = camera["width"], camera["height"]
        scene.render.resolution_percentage = 100
        ratio = camera["fx"] / camera["fy"]  # Blender has one focal length and pixels of some shape
        scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = max(1 / ratio, 1.0), max(ratio, 1.0)


def _mesh(folder: Path, comment: str) -> Any:
    """The mesh with its colours, and a material wired to them."""
    vertices, triangles = np.load(folder / "vertices.npy"), np.load(folder / "triangles.npy")
    colors = np.load(folder / "colors.npy")
    mesh = bpy.data.meshes.new("recon3d")
    mesh.vertices.add(len(vertices))
    mesh.attributes["position"].data.foreach_set("vector", vertices.ravel())
    mesh.loops.add(triangles.size)
    mesh.attributes[".corner_vert"].data.foreach_set("value", np.ascontiguousarray(triangles, np.int32).ravel())
    mesh.polygons.add(len(triangles))
    mesh.polygons.foreach_set("loop_start", np.arange(0, triangles.size, 3, dtype=np.int32))
    layer = mesh.color_attributes.new("Color", "BYTE_COLOR", "POINT")
    rgba = np.ones((len(colors), 4), np.float32)
    rgba[:, :3] = colors / 255
    layer.data.foreach_set("color_srgb", rgba.ravel())
    mesh.color_attributes.active_color = layer
    mesh.update(calc_edges=True)
    if (folder / "normals.npy").exists():
        mesh.normals_split_custom_set_from_vertices(np.load(folder / "normals.npy"))
    material = bpy.data.materials.new("photo colours")
    material.use_nodes = True
    surface = material.node_tree.nodes["Principled BSDF"]
    surface.inputs["Roughness"].default_value = 1.0
    surface.inputs["Specular IOR Level"].default_value = 0.0
    attribute = material.node_tree.nodes.new("ShaderNodeVertexColor")
    attribute.layer_name, attribute.location = layer.name, (-300, 300)
    material.node_tree.links.new(attribute.outputs["Color"], surface.inputs["Base Color"])
    mesh.materials.append(material)
    thing = bpy.data.objects.new("recon3d", mesh)
    if comment:
        thing["scale"] = comment
    return thing


def _camera(view: dict[str, Any]) -> Any:
    """A camera that sees what the photo saw, the photo in front of it, half seen through."""
    pinhole = view["camera"]
    width, height = pinhole["width"], pinhole["height"]
    lens = bpy.data.cameras.new(view["name"])
    lens.sensor_fit, lens.sensor_width = "HORIZONTAL", SENSOR_MM
    lens.lens = SENSOR_MM * pinhole["fx"] / width
    lens.sensor_height = SENSOR_MM * height / width * pinhole["fx"] / pinhole["fy"]
    # in widths of the sensor; the principal point's pixel has its centre at a half
    lens.shift_x = 0.5 - (pinhole["cx"] + 0.5) / width
    lens.shift_y = ((pinhole["cy"] + 0.5) / height - 0.5) * lens.sensor_height / SENSOR_MM
    lens.clip_start, lens.clip_end, lens.display_size = 0.01, 1000.0, FRUSTUM_M
    if view["picture"]:
        image = bpy.data.images.load(view["picture"])
        image.pack()
        lens.show_background_images = True
        background = lens.background_images.new()
        background.image, background.alpha = image, 0.5
        background.display_depth, background.frame_method = "FRONT", "STRETCH"
    camera = bpy.data.objects.new(view["name"], lens)
    camera.matrix_world = mathutils.Matrix(view["world_from_opengl"])
    camera["photo"] = view["name"]
    for key, value in pinhole.items():
        camera[key] = value
    return camera


if __name__ == "__main__":
    main(Path(sys.argv[1]))
