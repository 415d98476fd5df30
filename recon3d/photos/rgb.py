"""Any pixels that a decoder hands over, as 8-bit sRGB over white."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from recon3d.geometry.arrays import Array

_PROFILE_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_SAME_COLOUR = 2
"""Largest change of a channel, of 255, by a profile that is taken for sRGB's own."""


def to_rgb(image: Image.Image, transform: ImageCms.ImageCmsTransform | None) -> Image.Image:
    """A decoded image of any mode as RGB: 16-bit and float scaled, transparency over white, the profile applied.

    Args:
        image: decoded.
        transform: what `srgb_transform` says about it.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(eight_bit(np.asarray(image)))
    if image.mode == "La":  # premultiplied grey, which converts to nothing else
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        over = Image.new("RGBA", image.size, "white")
        over.alpha_composite(image)
        image = over.convert("RGB")
    if transform is None:
        return image.convert("RGB")
    if image.mode != transform.input_mode:
        image = image.convert(transform.input_mode)
    return ImageCms.applyTransform(image, transform) or image


def srgb_transform(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """The transform from the embedded ICC profile to sRGB; from CIE Lab by its definition.

    None where there is nothing to do: no profile, sRGB's own under whatever name, one that is broken or is for other
    colours than the image has.
    """
    if image.mode == "LAB":  # optimised, the transform is a coarse table: wrong by 11 of 255 in dark channels
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(lab, srgb, "LAB", "RGB", flags=ImageCms.Flags.NOOPTIMIZE)
    data = image.info.get("icc_profile")
    mode = {"P": "RGB", "RGBA": "RGB", "RGBX": "RGB", "1": "L", "I;16": "L", "LA": "L"}.get(image.mode, image.mode)
    if not isinstance(data, bytes) or mode not in _PROFILE_SPACES:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(data))
        if profile.profile.xcolor_space.strip() != _PROFILE_SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
        return transform if mode != "RGB" or _changes_colours(transform) else None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def eight_bit(values: Array) -> Array:
    """Numbers of any kind as uint8: 16 bits over 257, floats of 0 to 1 as they are, all larger ranges by their maximum.

    Args:
        values: (H, W) or (H, W, C), integers or floats; NaN, infinite and negative ones become 0.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    numbers = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
    top = float(numbers.max(initial=0.0))
    full = max(1.0 if values.dtype.kind == "f" else 65535.0, top)
    return np.rint(numbers * (255.0 / full)).astype(np.uint8)


def _changes_colours(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform moves any colour of a 17-step lattice: names of profiles say less."""
    steps = np.rint(np.linspace(0, 255, 17)).astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(17, 289, 3)
    moved = ImageCms.applyTransform(Image.fromarray(lattice), transform)
    return bool(np.abs(np.asarray(moved).astype(np.int16) - lattice).max() > _SAME_COLOUR)
