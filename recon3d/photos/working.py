"""The scene's own copies of photos: written once without needless loss, read back often."""

from pathlib import Path

import numpy as np
from PIL import Image

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array
from recon3d.photos.read import Photo
from recon3d.photos.sniff import shown

JPEG_QUALITY = 95


def working_suffix(photo: Photo) -> str:
    """The ending of a photo's working copy: ".png" where the source is lossless, else ".jpg"."""
    return ".png" if photo.lossless else ".jpg"


def write_working(photo: Photo, source: Path, target: Path) -> None:
    """Writes a photo's working copy: the source's own bytes where they do, else its pixels.

    Args:
        photo: what `read_photo` made of `source`.
        source: the file that the photo came from.
        target: ends in `working_suffix(photo)`.

    Raises:
        InputError: the source is gone.
        OSError: the target can't be written.
    """
    if not photo.copyable:
        save_image(target, photo.image)
        return
    try:
        data = source.read_bytes()
    except OSError as error:
        raise InputError(f"{shown(source)}: the photo can no longer be read: {error.strerror}") from error
    target.write_bytes(data)


def save_image(target: Path, image: Array) -> None:
    """Writes an (H, W, 3) or (H, W) uint8 image as its ending says: PNG, or JPEG of quality 95 without subsampling.

    Raises:
        InputError: another ending.
        OSError: the target can't be written.
    """
    suffix = target.suffix.lower()
    if suffix == ".png":
        Image.fromarray(image).save(target, format="PNG")
    elif suffix in (".jpg", ".jpeg"):
        Image.fromarray(image).save(target, format="JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    else:
        raise InputError(f"{shown(target)}: got the ending {suffix!r} for an image, wanted .png or .jpg")


def load_working(path: Path) -> Array:
    """Reads a working copy as (H, W, 3) uint8 sRGB: by the decoder of `read_photo`, so that the pixels are the same.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # decoders raise anything at all on damaged files
        raise InputError(f"{shown(path)}: the scene's image can't be read ({error}); run init with --force") from error
