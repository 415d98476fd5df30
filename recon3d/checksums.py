"""Checksums of what the stages of a scene left, so that a file that rotted or was cut short is found."""

import re
import zlib
from collections.abc import Iterable
from pathlib import Path

from recon3d.files import read_json, write_json

FILE = "checksums.json"
_CHUNK_BYTES = 2**20


def write_checksums(root: Path, stage: str, paths: Iterable[Path]) -> None:
    """Notes size and CRC-32 of the files that a stage has left.

    Args:
        root: the scene's folder.
        stage: whose files they are; what was noted for it before is forgotten.
        paths: files and folders in `root`; folders count with all that is in them.
    """
    whole = noted(root) | {stage: {str(path.relative_to(root)): checksum_of(path) for path in files_of(paths)}}
    write_json(root / FILE, whole)


def damaged(root: Path, stage: str) -> list[Path]:
    """The files of a stage that are not what was noted, or not there; empty where nothing was noted."""
    found = []
    for name, checksum in noted(root).get(stage, {}).items():
        path = root / name
        if not path.is_file() or checksum_of(path) != checksum:
            found.append(path)
    return found


def remove_with_siblings(path: Path) -> None:
    """Removes a damaged file and all that was made together with it: depth with its sigma, whichever is damaged."""
    for sibling in list(path.parent.iterdir()) if path.parent.is_dir() else []:
        if sibling.is_file() and are_siblings(sibling, path):
            sibling.unlink()


def are_siblings(path: Path, other: Path) -> bool:
    """Whether two files were made together."""
    return path.parent == other.parent and _photo(path) == _photo(other)


def noted(root: Path) -> dict[str, dict[str, str]]:
    """What was noted, by stage: of each file its size [bytes] and CRC-32."""
    path = root / FILE
    found: dict[str, dict[str, str]] = read_json(path) if path.exists() else {}
    return found


def files_of(paths: Iterable[Path], *, databases: bool = False) -> list[Path]:
    """Regular files, sorted; without temporary ones, and a database, which its library may write whenever it likes."""
    found = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    whole = (f for f in found if f.is_file() and not f.name.startswith(".tmp-"))
    return sorted(f for f in whole if databases or ".db" not in f.suffix)


def checksum_of(path: Path) -> str:
    """Size and CRC-32: against rot, not against malice."""
    total = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            total = zlib.crc32(chunk, total)
    return f"{path.stat().st_size} {total:08x}"


def _photo(path: Path) -> str:
    return re.sub(r"(\.sigma)?\.(npy|json|jpg|png)$", "", path.name)
