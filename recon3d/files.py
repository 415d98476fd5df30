"""Files that are whole or not there: writes by rename, and reads that name what is damaged."""

import contextlib
import errno
import hashlib
import json
import os
import platform
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError, StageError
from recon3d.geometry.arrays import Array

Replacing = Callable[[Path], contextlib.AbstractContextManager[Path]]
"""What gives a temporary sibling to write and puts it in the place of a file, as `replacing` does."""

UNWRITABLE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG)
)
"""Errors that lie in where a file is to go."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary sibling to write; flushes it and renames it over `path` when all went well.

    Raises:
        StageError: the file can't be written (no space, no permission, a read-only disk).
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        _raise_where_unwritable(path, error)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder with all that is in it; what stood at `path` is deleted when all went well.

    Raises:
        StageError: the folder can't be written.
    """
    temporary, old = _temporary(path), _temporary(path, "old-")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for written in temporary.rglob("*"):
            _flush(written)
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        _raise_where_unwritable(path, error)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _temporary(path: Path, kind: str = "") -> Path:
    """A sibling that no other process writes, nor one of the same number on another machine that shares the folder."""
    machine = zlib.crc32(platform.node().encode(errors="replace")) & 0xFFFF
    return path.with_name(f".tmp-{os.getpid()}.{machine:04x}-{kind}{path.name}")


def _raise_where_unwritable(path: Path, error: OSError) -> None:
    """Where the disk is why, says so."""
    if error.errno in UNWRITABLE:
        raise StageError(f"{path}: can't be written: {error.strerror}; free space or choose another place") from error


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Removes a file, a link (not what it leads to) or a folder with all that is in it, where there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, data: Any, *, via: Replacing = replacing) -> None:
    """Writes JSON, whole or not at all; equal data gives equal bytes."""
    with via(path) as temporary:
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        # a file name that is no UTF-8 goes to disk and comes back as it was
        temporary.write_bytes(text.encode("utf-8", errors="surrogateescape"))


def read_json(path: Path) -> Any:
    """Reads a JSON file of a scene."""
    try:
        return json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except FileNotFoundError as error:
        raise StageError(f"{path}: missing; run the command again with --force") from error
    except (ValueError, OSError, RecursionError) as error:
        raise StageError(f"{path}: damaged ({error}); delete it and run the command again") from error


def file_digest(path: Path) -> bytes:
    """sha256 of a file's content.

    Raises:
        InputError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error


def digest(*paths: Path, of: Callable[[Path], bytes] = file_digest) -> str:
    """sha256 over the digests of files, in the order given."""
    total = hashlib.sha256()
    for path in paths:
        total.update(of(path))
    return total.hexdigest()


def save_array(path: Path, array: Array, *, via: Replacing = replacing) -> None:
    """Writes one .npy file, whole or not at all."""
    with via(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


def load_array(path: Path) -> Array:
    """Reads one .npy file of the scene; never unpickles.

    Raises:
        StageError: missing or damaged.
    """
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StageError(f"{path}: missing or damaged ({error}); run the stage again with --force") from error
    return array
