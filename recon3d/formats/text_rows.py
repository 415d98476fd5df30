"""Rows of numbers as text, many at a time."""

from collections.abc import Iterator

from recon3d.geometry.arrays import Array

CHUNK = 100_000
"""Rows that are made text at a time."""


def text_rows(pattern: str, rows: Array) -> Iterator[bytes]:
    """Yields the rows of an (N, K) array as ASCII text, in pieces.

    Args:
        pattern: of one row, with K fields as of `%` and the line's end.
        rows: the numbers.
    """
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        yield (pattern * len(part) % tuple(part.ravel().tolist())).encode("ascii")
