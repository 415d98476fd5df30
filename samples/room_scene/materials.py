"""Pictures and colours → Blender materials; colours are sRGB 0…255, spans metres."""

import bpy
import numpy as np

from .surfaces import Colour


def linear(colour: Colour) -> tuple[float, float, float, float]:
    """Bytes of sRGB → the linear RGBA that shaders take."""
    c = np.asarray(colour, float) / 255
    return (*np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).tolist(), 1.0)


def _principled(name: str, roughness: float, coat: float, sheen: float):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Coat Weight"].default_value = coat
    shader.inputs["Coat Roughness"].default_value = 0.08
    shader.inputs["Sheen Weight"].default_value = sheen
    material.cycles.emission_sampling = "NONE"  # what glows only looks bright; the lamps give the light
    return material, shader


def plain(
    name: str,
    colour: Colour,
    roughness: float = 0.6,
    *,
    metallic: float = 0.0,
    coat: float = 0.0,
    glow: float = 0.0,
) -> bpy.types.Material:
    """One colour all over; `glow` > 0 makes it shine of itself."""
    material, shader = _principled(name, roughness, coat, 0.0)
    shader.inputs["Base Color"].default_value = linear(colour)
    shader.inputs["Metallic"].default_value = metallic
    if glow:
        shader.inputs["Emission Color"].default_value = linear(colour)
        shader.inputs["Emission Strength"].default_value = glow
    return material


def picture(name: str, pixels: np.ndarray) -> bpy.types.Image:
    """(H, W, 3) uint8, top row first → a Blender image."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = pixels[::-1] / 255
    image.pixels.foreach_set(rgba.ravel())
    image.pack()
    return image


def painted(
    name: str,
    pixels: np.ndarray,
    span: tuple[float, float] | None = None,
    *,
    roughness: float = 0.6,
    bump: float = 0.0,
    coat: float = 0.0,
    sheen: float = 0.0,
    lets_light_through: float = 0.0,
    glow: float = 0.0,
) -> bpy.types.Material:
    """A material that shows a picture.

    Args:
        name: its name in the scene.
        pixels: (H, W, 3) uint8.
        span: what the picture covers (across, up) [m], where the mesh has UVs in metres; None = UVs are 0…1.
        roughness: 0 = mirror, 1 = chalk.
        bump: height between the picture's black and white [m].
        coat: lacquer, 0…1.
        sheen: fuzz of cloth, 0…1.
        lets_light_through: share of light that passes, as through a curtain.
        glow: how brightly the picture shines of itself.
    """
    material, shader = _principled(name, roughness, coat, sheen)
    tree = material.node_tree
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = picture(name, pixels)
    if span is not None:
        where = tree.nodes.new("ShaderNodeTexCoord")
        mapping = tree.nodes.new("ShaderNodeMapping")
        mapping.inputs["Scale"].default_value = (1 / span[0], 1 / span[1], 1)
        tree.links.new(where.outputs["UV"], mapping.inputs["Vector"])
        tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    if glow:
        tree.links.new(texture.outputs["Color"], shader.inputs["Emission Color"])
        shader.inputs["Emission Strength"].default_value = glow
    if bump:
        relief = tree.nodes.new("ShaderNodeBump")
        relief.inputs["Distance"].default_value = bump
        tree.links.new(texture.outputs["Color"], relief.inputs["Height"])
        tree.links.new(relief.outputs["Normal"], shader.inputs["Normal"])
    if lets_light_through:
        through = tree.nodes.new("ShaderNodeBsdfTranslucent")
        mix = tree.nodes.new("ShaderNodeMixShader")
        mix.inputs["Fac"].default_value = lets_light_through
        tree.links.new(texture.outputs["Color"], through.inputs["Color"])
        tree.links.new(shader.outputs["BSDF"], mix.inputs[1])
        tree.links.new(through.outputs["BSDF"], mix.inputs[2])
        tree.links.new(mix.outputs["Shader"], tree.nodes["Material Output"].inputs["Surface"])
    return material
