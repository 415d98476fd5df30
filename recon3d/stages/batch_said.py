"""What became of the rows of a batch, for people, for spreadsheets and as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recon3d.files import replacing
from recon3d.formats.csv_table import csv_bytes
from recon3d.stages.batch_row import Result

ERROR_CHARACTERS = 160
"""Of an error in the table for people; all of it stands in the log, the CSV and the JSON."""


def facts(result: Result) -> dict[str, Any]:
    """The figures of a row; null where there is none."""
    size: Sequence[float | None] = result.size_m or (None,) * 3
    return {
        "row": result.row.number,
        "scene": str(result.row.scene),
        "result": result.end,
        "registered": result.registered,
        "photos": result.photos,
        "triangles": result.triangles,
        **dict(zip(("size_x_m", "size_y_m", "size_z_m"), size, strict=True)),
        "seconds": round(result.seconds, 1),
        "error": result.error or None,
        "log": str(result.row.log),
    }


def write_results(path: Path, results: Sequence[Result]) -> None:
    """Writes them as CSV.

    Raises:
        StageError: the file can't be written.
    """
    rows = [facts(result) for result in results]
    with replacing(path) as temporary:
        temporary.write_bytes(csv_bytes(list(rows[0]), [list(row.values()) for row in rows]))


def lines(results: Sequence[Result]) -> list[str]:
    """A table for people, and a line that counts."""
    header = ["row", "scene", "result", "photos", "triangles", "size [m]", "seconds", "error"]
    table = [header, *(_cells(result) for result in results)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    to_the_right = {0, 3, 4, 6}
    said = [
        "  ".join(
            cell.rjust(width) if i in to_the_right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    ends = [result.end for result in results]
    counts = ", ".join(f"{ends.count(end)} {end}" for end in dict.fromkeys(sorted(ends)))
    return [*said, f"{len(results)} row{'s' if len(results) > 1 else ''}: {counts}"]


def _cells(result: Result) -> list[str]:
    error = "".join(c if c.isprintable() else "?" for c in result.error)
    return [
        str(result.row.number),
        result.row.name,
        result.end,
        "" if result.photos is None else f"{result.registered}/{result.photos}",
        "" if result.triangles is None else str(result.triangles),
        " x ".join(f"{side:.2f}" for side in result.size_m),
        f"{result.seconds:.1f}" if result.seconds else "",
        error if len(error) <= ERROR_CHARACTERS else f"{error[:ERROR_CHARACTERS]}…",
    ]
