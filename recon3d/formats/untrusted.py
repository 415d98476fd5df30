"""Text, JSON and numbers of files that we did not write, read without trusting them."""

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array

MAX_TEXT_BYTES = 256 * 2**20
"""Larger text files are refused before they are read [bytes]."""

MAX_COORDINATE = 1e9
"""No camera stands farther from its world's origin than this, in any unit."""


@contextlib.contextmanager
def naming(where: object) -> Iterator[None]:
    """Puts `where` (a file, an entry of it) in front of the message of an `InputError` raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def read_bytes(path: Path, *, limit: int = MAX_TEXT_BYTES) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Raises:
        InputError: it is absent, no regular file (a fifo would hang), too large, or unreadable.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
        size = path.stat().st_size
        if size > limit:
            raise InputError(f"{path}: got {size} bytes, wanted at most {limit}; is it the right file?")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the file can't be read: {error}") from error


def read_text(path: Path, *, limit: int = MAX_TEXT_BYTES) -> str:
    """The text of a UTF-8 file of at most `limit` bytes, a byte order mark taken away.

    Raises:
        InputError: it can't be read, or is no text.
    """
    try:
        return read_bytes(path, limit=limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file: {error}") from error


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        InputError: it can't be read, is no JSON, nests too deeply, says NaN, or names a key twice in one object.
    """
    return parse_json(read_text(path), where=str(path))


def parse_json(text: str, *, where: str) -> Any:
    """As `read_json`, from a text already read; `where` is how errors call it."""
    with naming(where):
        try:
            return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        except RecursionError as error:
            raise InputError("the JSON nests too deeply to be read") from error
        except ValueError as error:
            raise InputError(f"not a JSON file: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """As `read_json`; the value must be an object."""
    data = read_json(path)
    if not isinstance(data, dict):
        raise InputError(f"{path}: got a JSON {type(data).__name__}, wanted an object {{…}}")
    return data


def number(value: Any, where: str) -> float:
    """`value` of a JSON file as a finite float; `where` is how errors call it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where}: got {_short(value)}, wanted a number")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise InputError(f"{where}: got {_short(value)}, wanted a finite number")
    return result


def matrix(value: Any, where: str) -> Array:
    """Nested lists of a JSON file as an (R, C) float64 matrix of finite numbers."""
    rows = value if isinstance(value, list) else []
    widths = {len(row) if isinstance(row, list) else 0 for row in rows}
    if len(widths) != 1 or 0 in widths:
        raise InputError(f"{where}: got {_short(value)}, wanted a matrix as a list of rows of equal length")
    return np.array([[number(x, where) for x in row] for row in rows], np.float64)


def floats(words: list[str], where: str) -> list[float]:
    """Words of a text file as floats, which may be NaN or infinite; `where` is how errors call them."""
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise InputError(f"{where}: {error}; wanted numbers") from error


def pose_numbers(values: npt.ArrayLike) -> Array:
    """Numbers of a pose as float64: finite, and small enough for their squares to be numbers too.

    Raises:
        InputError: NaN, infinite, or beyond `MAX_COORDINATE`.
    """
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise InputError("pose: got NaN or infinite numbers, wanted a rigid transform")
    if array.size and np.abs(array).max() > MAX_COORDINATE:
        raise InputError(f"pose: got {np.abs(array).max():g}, wanted at most {MAX_COORDINATE:g}; what is its unit?")
    return array


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON file, refused where a key is there twice (Python would silently keep the last)."""
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InputError(f"the key {_short(twice)} is there twice in one object")
    return result


def _no_constant(name: str) -> float:
    """Refuses the NaN and Infinity that Python's JSON reader would take."""
    raise InputError(f"got {name}, wanted finite numbers")


def _short(value: Any) -> str:
    """`value` for an error line: at most 60 characters."""
    text = f"a nested {type(value).__name__}" if isinstance(value, list | dict) and len(value) > 8 else _repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _repr(value: Any) -> str:
    """`repr`, also of integers that Python won't print."""
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} too long to print"
