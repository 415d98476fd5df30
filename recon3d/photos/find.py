"""Which photos a user means, in the order they were taken, and the name of each in the scene."""

import glob
import hashlib
import itertools
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from recon3d.errors import InputError
from recon3d.photos.sniff import RAW_SUFFIXES, SUFFIXES, VIDEO_SUFFIXES, shown

NAME_BYTES = 180
"""Longest name of a photo in the scene [bytes of UTF-8]: file systems take 255, and names get prefixes and endings."""


def find_photos(source: str | Path | Sequence[str | Path]) -> list[Path]:
    """The photos of a folder (not of its subfolders), a glob pattern, one file, or a list of any of them.

    Hidden files and whatever is no regular file are passed over in folders and patterns. A video counts where it is
    named; in folders and patterns videos are passed over, since telephones put a short one beside each photo.

    Returns:
        Paths in natural order (IMG_2 before IMG_10), each file once.

    Raises:
        InputError: nothing is there, or nothing of it is a photo.
    """
    if isinstance(source, str | Path):
        found = _photos_of(source)
    else:
        if not source:
            raise InputError("photos: got an empty list, wanted at least one photo, folder or pattern")
        found = [path for item in source for path in _photos_of(item)]
    once: dict[str, Path] = {}
    for path in sorted(found, key=_natural_key):
        once.setdefault(os.path.realpath(path), path)
    return list(once.values())


def scene_names(paths: Sequence[Path]) -> dict[str, Path]:
    """Names the photos: the stem in NFC, made safe as a file name and unique, whatever the case.

    Where stems collide, the first in order of paths keeps the stem, the next is `IMG~png` after its ending, then
    `IMG~2`, `IMG~3`. A name depends on the set of paths, not on their order.

    Returns:
        Path by name, in the order given.
    """
    ordered = sorted(set(paths), key=lambda path: (path.name, str(path)))
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in ordered:  # whole stems come first, so that a photo that is called IMG~png stays so
        name = _fitted(_safe(path.stem), "")
        if _folded(name) not in taken:
            taken.add(_folded(name))
            names[path] = name
    for path in ordered:
        if path not in names:
            name = next(name for name in _alternatives(path) if _folded(name) not in taken)
            taken.add(_folded(name))
            names[path] = name
    return {names[path]: path for path in paths}


def frame_name(name: str, number: int, taken: Collection[str] = ()) -> str:
    """The name of a frame of the video that is called `name` in the scene, apart from the names taken by photos."""
    folded = {_folded(other) for other in taken}
    endings = (f"-{number:06d}" + "~frame" * times for times in itertools.count())
    return next(fitted for fitted in (_fitted(name, ending) for ending in endings) if _folded(fitted) not in folded)


def not_files(folder: Path) -> list[Path]:
    """What in a folder is called a photo and is no regular file: a folder, a pipe, a link to nowhere."""
    called = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES)
    return [path for path in called if not path.name.startswith(".") and not path.is_file()]


def _photos_of(source: str | Path) -> list[Path]:
    text = os.path.expanduser(source)
    path = Path(text)
    try:
        if path.is_dir():
            return _photos_in(path)
        if path.is_file():
            return [_checked_suffix(path)]
        if path.exists() or path.is_symlink():
            raise InputError(
                f"{shown(path)}: got something that is neither a file nor a folder (a pipe, a device or a link to "
                "nowhere), wanted photos"
            )
        if glob.has_magic(text):
            return _photos_matching(text)
    except OSError as error:
        raise InputError(f"{shown(path)}: the photos can't be read: {error.strerror}") from error
    raise InputError(f"{shown(path)}: no such file or folder; wanted a folder of photos, a photo or a glob pattern")


def _photos_in(folder: Path) -> list[Path]:
    inside = sorted(folder.iterdir())
    if not inside:
        raise InputError(f"{shown(folder)}: the folder is empty, wanted photos ({_wanted()})")
    files = [path for path in inside if not path.name.startswith(".")]
    return _only_photos(files, f"{shown(folder)}: the folder holds no photos (its subfolders are not searched)")


def _photos_matching(pattern: str) -> list[Path]:
    files = [Path(text) for text in glob.glob(pattern, recursive=True)]
    where = shown(Path(pattern))
    if not files:
        raise InputError(f"{where}: the pattern matches nothing, wanted photos ({_wanted()})")
    return _only_photos(files, f"{where}: nothing that the pattern matches is a photo")


def _only_photos(files: list[Path], complaint: str) -> list[Path]:
    files = [path for path in files if path.is_file()]
    photos = [path for path in files if path.suffix.lower() in SUFFIXES]
    if photos:
        return photos
    raw = [path for path in files if path.suffix.lower() in RAW_SUFFIXES]
    if raw:
        raise InputError(
            f"{complaint}: got {len(raw)} RAW files such as {shown(raw[0])}; convert to JPEG or TIFF first"
        )
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    if videos:
        raise InputError(f"{complaint}: got {len(videos)} videos such as {shown(videos[0])}; name the video itself")
    raise InputError(f"{complaint}, wanted files that end in {_wanted()}")


def _checked_suffix(path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix in RAW_SUFFIXES:
        raise InputError(f"{shown(path)}: got a RAW file; convert to JPEG or TIFF first")
    if suffix not in SUFFIXES | VIDEO_SUFFIXES:
        videos = " ".join(sorted(VIDEO_SUFFIXES))
        raise InputError(
            f"{shown(path)}: got the ending {suffix!r}, wanted a photo ({_wanted()}) or a video ({videos})"
        )
    return path


def _wanted() -> str:
    return " ".join(sorted(SUFFIXES))


def _natural_key(path: Path) -> tuple[list[list[str | int]], str]:
    """Orders parts of a path with numbers by value: split with one group alternates text, number, text."""
    parts = [re.split(r"([0-9]+)", part.casefold()) for part in path.parts]
    return [[int(x) if i % 2 else x for i, x in enumerate(part)] for part in parts], str(path)


def _alternatives(path: Path) -> Iterable[str]:
    stem = _safe(path.stem)
    suffix = _safe(path.suffix[1:])
    if path.suffix:
        yield _fitted(stem, f"~{suffix}")
    number = 2
    while True:
        yield _fitted(stem, f"~{number}")
        number += 1


def _safe(stem: str) -> str:
    """The stem in NFC without what file systems, shells or the scene's own endings stumble over."""
    text = unicodedata.normalize("NFC", stem)
    text = "".join("_" if c in "/\\" or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    text = re.sub(r"^[-.]+", lambda match: "_" * len(match[0]), text)
    text = re.sub(r"\.(sigma)$", r"_\1", text, flags=re.IGNORECASE)  # NAME.sigma.npy stands beside NAME.npy
    return text or "_"


def _fitted(text: str, ending: str) -> str:
    """Text and ending, cut to `NAME_BYTES` at a character boundary; a hash of the whole text keeps it unique."""
    if len((text + ending).encode()) <= NAME_BYTES:
        return text + ending
    ending = f"~{hashlib.sha256(text.encode()).hexdigest()[:8]}{ending}"
    room = max(0, NAME_BYTES - len(ending.encode()))
    return text.encode()[:room].decode(errors="ignore") + ending


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
