"""Entries of files, matched to the names of photos."""

import unicodedata
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from recon3d.photos.find import scene_names


def as_text(name: str) -> str:
    """A photo's name as text that can be encoded: bytes of a file name that are no UTF-8 become �."""
    return name.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")


def photo_name(entry: str, names: Collection[str]) -> str:
    """The one of `names` that a file's `entry` means, or "" where it means none.

    An entry is a photo's file name, with or without folders and ending (`images/IMG_1.jpg`, `IMG_1`), or the name
    itself. Where twins were told apart by their ending (`IMG_1~png`), the entry with that ending means that one.

    Args:
        entry: as the file says it.
        names: names of photos in the scene (NFC).
    """
    path = PurePosixPath(unicodedata.normalize("NFC", entry).replace("\\", "/"))
    (named,) = scene_names([Path(path.name)])  # the stem, made safe as the scene's own names are
    for name in (f"{named}~{path.suffix[1:]}", path.name, named, str(path)):
        if name in names:
            return name
    return ""
