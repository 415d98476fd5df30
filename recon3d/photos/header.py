"""What the header of a photo says of it, without its pixels."""

from dataclasses import dataclass
from pathlib import Path

from recon3d.errors import InputError
from recon3d.photos.exif import Exif
from recon3d.photos.read import is_lossless, opened, quiet_exif
from recon3d.photos.sniff import HEAD_BYTES, kind_of, shown


@dataclass(frozen=True)
class Header:
    """One photo, not decoded.

    Attributes:
        size: width and height of the upright photo [px].
        exif: what the camera wrote.
        lossless: the file keeps every pixel.
        copyable: its own bytes do as a working copy, where it need not shrink: a JPEG that stands upright.
        bytes: of the file.
    """

    size: tuple[int, int]
    exif: Exif
    lossless: bool
    copyable: bool
    bytes: int


def read_header(path: Path, *, max_megapixels: float) -> Header:
    """Reads what stands before the pixels.

    Args:
        path: the file.
        max_megapixels: larger photos are refused [megapixels].

    Raises:
        InputError: no photo, or one that can't be taken in; whoever decodes it says better why.
    """
    where = shown(path)
    try:
        with path.open("rb") as file:
            kind = kind_of(file.read(HEAD_BYTES))
            if not kind:
                raise InputError(f"{where}: got no photo, wanted one (JPEG, PNG, TIFF, WebP, HEIC, …)")
            image, tags = opened(file, kind, where, max_megapixels)
            exif = tags or quiet_exif(image)
            width, height = image.size
            turn = 1 if kind == "TIFF" else exif.orientation or 1
            size = (height, width) if turn >= 5 else (width, height)
            copyable = kind == "JPEG" and turn == 1
            return Header(size, exif, is_lossless(file, kind, image), copyable, path.stat().st_size)
    except InputError:
        raise
    except Exception as error:  # decoders raise anything at all on damaged files
        raise InputError(f"{where}: its header can't be read ({error or type(error).__name__})") from error
