"""Renders the photos and makes them look taken: vignette, sensor noise, EXIF, stored orientation."""

import os
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix
from PIL import Image

from . import path

EXPOSURE_STOPS = 0.4
CROP_FACTOR = 6.1
"""Full-frame diagonal over that of the made-up phone's sensor."""
STORE = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""EXIF orientation → the turn that the stored pixels have had (the opposite of what a reader applies)."""


def set_up(scale: float, samples: int) -> None:
    """Cycles on the CPU: direct light path traced, the rest ambient occlusion, denoised."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = int(path.WIDTH * scale), int(path.HEIGHT * scale)
    scene.render.resolution_percentage = 100
    scene.render.use_persistent_data = True
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_prefilter = "FAST"
    cycles.use_light_tree = False
    # After the first bounce light comes from the world, as far as it is open: a quarter of the time of full bounces.
    cycles.use_fast_gi, cycles.fast_gi_method, cycles.ao_bounces_render = True, "REPLACE", 1
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_settings.exposure = EXPOSURE_STOPS
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.sensor_fit, camera.data.sensor_width = "HORIZONTAL", 36.0
    camera.data.lens = 36.0 * path.FOCAL_PX / path.WIDTH
    camera.data.clip_start, camera.data.clip_end = 0.02, 100.0
    scene.collection.objects.link(camera)
    scene.camera = camera


def aim(world_from_cam: np.ndarray) -> None:
    """Puts Blender's camera (y up, z back) at our pose (y down, z forward)."""
    bpy.context.scene.camera.matrix_world = Matrix((world_from_cam @ np.diag([1.0, -1.0, -1.0, 1.0])).tolist())


def taken(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A clean render → what a phone would have saved: darker corners, noise that grows in the shadows."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2) / np.hypot(width / 2, height / 2)
    light = (pixels.astype(np.float32) / 255) ** 2.2
    light *= (1 - 0.28 * radius**2 - 0.08 * radius**4)[..., None]
    light *= 2 ** rng.normal(0, 0.03)
    sigma = np.sqrt(2e-6 + 6e-5 * light)
    light = np.clip(light + sigma * rng.standard_normal(light.shape), 0, 1)
    return np.rint(255 * light ** (1 / 2.2)).astype(np.uint8)


def exif(orientation: int) -> Image.Exif:
    """What the camera writes into the file."""
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0112] = "recon3d", "made-up phone", orientation
    details = tags.get_ifd(0x8769)
    details[0x920A] = round(path.FOCAL_35MM / CROP_FACTOR, 2)
    details[0xA405] = path.FOCAL_35MM
    return tags


def save_photo(pixels: np.ndarray, orientation: int, file: Path) -> None:
    """Writes an upright picture as a JPEG stored in the given orientation."""
    image = Image.fromarray(pixels)
    turn = STORE[orientation]
    if turn is not None:
        image = image.transpose(turn)
    partial = file.with_name(f".tmp-{os.getpid()}-{file.name}")
    image.save(partial, quality=92, subsampling="4:2:0", optimize=True, exif=exif(orientation))
    partial.replace(file)


def shoot(number: int, world_from_cam: np.ndarray, file: Path, seed: int) -> None:
    """Renders one photo of the walk."""
    scene = bpy.context.scene
    aim(world_from_cam)
    scene.cycles.seed = seed + number
    partial = file.with_name(f".tmp-{os.getpid()}-render.png")
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.filepath = str(partial)
    bpy.ops.render.render(write_still=True)
    with Image.open(partial) as image:
        pixels = np.asarray(image.convert("RGB"))
    partial.unlink()
    photo = taken(pixels, np.random.default_rng((seed, number)))
    save_photo(photo, path.STORED_TURNED.get(number, 1), file)
