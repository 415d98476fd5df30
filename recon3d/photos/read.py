"""Reads any photo file as an upright sRGB array, or says in one line why it can't."""

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from pi_heif import HeifImageFile
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array, checked
from recon3d.photos.exif import Exif, exif_of_tags, read_exif
from recon3d.photos.rgb import eight_bit, srgb_transform, to_rgb
from recon3d.photos.sniff import (
    HEAD_BYTES,
    RAW_SUFFIXES,
    has_broken_texts,
    is_cut_short,
    is_lossless_webp,
    kind_of,
    shown,
    what_instead,
)
from recon3d.photos.sniff import SUFFIXES as SUFFIXES

_OPENERS: dict[str, Callable[[BinaryIO], ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
    "HEIF": HeifImageFile,
    "AVIF": AvifImageFile,
    "BMP": BmpImageFile,
    "JPEG2000": Jpeg2KImageFile,
    "GIF": GifImageFile,
}
"""Pillow's readers, called directly: `Image.open` would apply its own size limit, which is global, and would try
every other format it knows on a damaged file."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")


class _Quiet:
    """Python's warnings are off, which is a state of the whole process, while any thread is in here.

    Nobody waits for who is in here: one whose disk doesn't answer would hold up all others.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._before = threading.Lock(), 0, warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._before.__exit__(None, None, None)


_QUIET = _Quiet()


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo as it is to be looked at.

    Attributes:
        image: (H, W, 3) uint8 sRGB, upright.
        exif: what the camera wrote; `orientation` is already applied.
        size: width and height of the upright photo before any shrinking [px].
        lossless: the file keeps every pixel (PNG, TIFF, BMP, GIF, lossless WebP).
        copyable: a plain JPEG whose own bytes show this image to any reader: three 8-bit channels, upright, in sRGB,
            whole, a single picture, and not shrunk.
    """

    image: Array
    exif: Exif
    size: tuple[int, int]
    lossless: bool
    copyable: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", checked("photo", self.image, np.uint8, ("H", "W", 3)))


def read_photo(path: str | Path, *, max_megapixels: float, max_side: int | None = None) -> Photo:
    """Reads a photo of any common format, mode and orientation. Safe to call from several threads.

    The first page of a TIFF or MPO file counts. Transparency is laid over white. An embedded ICC profile is applied
    where it is valid. JPEG files are decoded at a fraction of their size where that is enough.

    Args:
        path: the file; what it is is told from its bytes, not its ending.
        max_megapixels: larger photos are refused before anything is decoded [megapixels].
        max_side: photos whose longer side is above this are shrunk to it [px]; None = never.

    Raises:
        InputError: no file, no photo, truncated, damaged, RAW, animated or too large.
    """
    path = Path(path)
    where = shown(path)
    if path.suffix.lower() in RAW_SUFFIXES:
        raise InputError(f"{where}: got a RAW file, wanted a developed photo; convert it to JPEG or TIFF")
    try:
        if not path.is_file():
            state = "is not a regular file" if path.exists() or path.is_symlink() else "no such file"
            raise InputError(f"{where}: {state}, wanted a photo")
        with path.open("rb") as file:
            return _read(file, where, max_megapixels, max_side)
    except OSError as error:
        raise InputError(f"{where}: the photo can't be read: {error.strerror or error}") from error


def photo_of(image: Array, *, max_side: int | None = None) -> Photo:
    """A photo of pixels that come from no photo file, such as a frame of a video.

    Args:
        image: (H, W, 3) uint8 sRGB, upright.
        max_side: as in `read_photo`.
    """
    height, width = image.shape[:2]
    target = shrunk_size(width, height, max_side)
    if target != (width, height):
        image = np.asarray(Image.fromarray(image).resize(target, Image.Resampling.LANCZOS, reducing_gap=3.0))
    return Photo(image, Exif(), (width, height), lossless=False, copyable=False)


def _read(file: BinaryIO, where: str, max_megapixels: float, max_side: int | None) -> Photo:
    head = file.read(HEAD_BYTES)
    kind = kind_of(head)
    if not kind:
        raise InputError(f"{where}: got {what_instead(head)}, wanted a photo (JPEG, PNG, TIFF, WebP, HEIC, …)")
    try:
        return _decoded(file, kind, where, max_megapixels, max_side)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{where}: not enough memory to decode the photo; make it smaller") from error
    except Exception as error:  # decoders raise anything at all on damaged files
        if "truncated" in str(error).lower() or is_cut_short(file, kind):
            raise InputError(f"{where}: the {kind} file is truncated; copy it again from its source") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{where}: the {kind} file is damaged or of an unknown variant ({reason})") from error


def _decoded(file: BinaryIO, kind: str, where: str, max_megapixels: float, max_side: int | None) -> Photo:
    image, tags = opened(file, kind, where, max_megapixels)
    width, height = image.size
    if kind in ("GIF", "WEBP") and getattr(image, "is_animated", False):
        raise InputError(f"{where}: got an animated {kind} file, wanted a still photo; save one frame as PNG")
    if kind == "PNG":
        image.load()  # its EXIF may stand behind the pixels
    exif = tags or quiet_exif(image)
    target = shrunk_size(width, height, max_side)
    box: tuple[float, float, float, float] = (0, 0, width, height)
    if isinstance(image, JpegImageFile):
        drafted = image.draft(None, target)
        box = drafted[1] if drafted else box
    image.load()
    transform = srgb_transform(image)
    plain = kind == "JPEG" and image.mode == "RGB" and transform is None and "mp" not in image.info
    rgb = to_rgb(image, transform)
    if target != (width, height):
        rgb = rgb.resize(target, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    turn = 1 if kind == "TIFF" else exif.orientation or 1  # Pillow and OpenCV both turn TIFF files themselves
    copyable = plain and target == (width, height) and turn == 1 and not is_cut_short(file, kind)
    if turn > 1:
        rgb = rgb.transpose(_UPRIGHT[turn])
        if turn >= 5:
            width, height = height, width
    return Photo(np.asarray(rgb), exif, (width, height), is_lossless(file, kind, image), copyable)


def opened(file: BinaryIO, kind: str, where: str, max_megapixels: float) -> tuple[Image.Image, Exif | None]:
    """The photo with only its header read, or, for pixels that Pillow has no mode for, decoded with its tags.

    Raises:
        InputError: it is too large.
        Exception: of any kind at all, on damaged files.
    """
    if kind == "HEIF" and has_broken_texts(file):
        raise ValueError("an item type is not text")
    file.seek(0)
    try:
        with _QUIET:
            image = _OPENERS[kind](file)
    except Image.DecompressionBombError as error:
        raise InputError(f"{where}: the photo is larger than its {kind} decoder takes; save it as JPEG") from error
    except Exception:
        if kind != "TIFF" or is_cut_short(file, kind):
            raise
        return _tiff_of_numbers(file, where, max_megapixels)
    check_size(*image.size, where, max_megapixels)
    return image, None


def _tiff_of_numbers(file: BinaryIO, where: str, max_megapixels: float) -> tuple[Image.Image, Exif]:
    """A TIFF whose channels Pillow does not know, such as three floats, decoded by OpenCV."""
    file.seek(0)
    tags = Image.Exif()
    tags.load_from_fp(file)
    check_size(int(tags[256]), int(tags[257]), where, max_megapixels)
    file.seek(0)
    values = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise ValueError("neither Pillow nor OpenCV knows its pixels")
    if values.ndim == 3:
        values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    return Image.fromarray(eight_bit(values)), exif_of_tags(tags)


def check_size(width: int, height: int, where: str, max_megapixels: float) -> None:
    """Refuses pictures that are empty or above the limit, by what their header says.

    Raises:
        InputError: naming `where`.
    """
    megapixels = width * height / 1e6
    if width < 1 or height < 1:
        raise InputError(f"{where}: got a photo of {width} x {height} px, wanted at least 1 x 1 px")
    if megapixels > max_megapixels:
        raise InputError(
            f"{where}: got {width} x {height} px ({megapixels:.0f} megapixels), wanted at most {max_megapixels:g}; "
            "make it smaller or raise photos.max_megapixels"
        )


def quiet_exif(image: Image.Image) -> Exif:
    """EXIF of a photo whose header was read."""
    with _QUIET:
        return read_exif(image)


def shrunk_size(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """(width, height) of a photo whose longer side may be `max_side` at most [px].

    Raises:
        InputError: a `max_side` below 1.
    """
    longer = max(width, height)
    if max_side is None or longer <= max_side:
        return width, height
    if max_side < 1:
        raise InputError(f"photos.max_side: got {max_side} px, wanted at least 1 px")
    return max(1, round(width * max_side / longer)), max(1, round(height * max_side / longer))


def is_lossless(file: BinaryIO, kind: str, image: Image.Image) -> bool:
    """Whether the file keeps every pixel."""
    if kind == "WEBP":
        return is_lossless_webp(file)
    return kind in ("PNG", "BMP", "GIF") or (kind == "TIFF" and image.info.get("compression") not in _LOSSY_TIFF)
