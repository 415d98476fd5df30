"""Tables as CSV: those of users read without trusting them, ours written so that no cell is taken for a formula."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recon3d.errors import InputError
from recon3d.formats.untrusted import read_bytes

MAX_BYTES = 4 * 2**20
"""Larger tables are refused before they are read [bytes]."""
MAX_COLUMNS = 500
"""More columns are refused; there are fewer settings."""
DELIMITERS = ",;\t"
FORMULA = "=+-@＝＋－＠"
"""What spreadsheets take a cell that begins with it for: a formula, which may run programs."""


@dataclass(frozen=True)
class TableRow:
    """One row.

    Attributes:
        number: of its line in the file, from 1: what editors and spreadsheets call it.
        cells: texts without blanks around them.
    """

    number: int
    cells: tuple[str, ...]


def read_table(path: Path) -> list[TableRow]:
    """The rows of a CSV file, first the header's; blank ones, and those whose first cell begins with #, left out.

    Cells are apart by commas, semicolons or tabs, whichever the header has most of; they may stand in double quotes,
    but never go over several lines.

    Args:
        path: UTF-8 text, with or without a byte order mark.

    Raises:
        InputError: it can't be read, is too large, no such text, or no table.
    """
    try:
        text = read_bytes(path, limit=MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is no UTF-8; save the table as CSV in UTF-8") from error
    rows: list[TableRow] = []
    delimiter = ""
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        delimiter = delimiter or max(DELIMITERS, key=line.count)
        cells = _cells(line, delimiter, f"{path}: row {number}")
        if any(cells) and not cells[0].startswith("#"):
            rows.append(TableRow(number, cells))
    if not rows:
        raise InputError(f"{path}: holds nothing, wanted a header and rows of cells")
    return rows


def _cells(line: str, delimiter: str, where: str) -> tuple[str, ...]:
    try:
        (cells,) = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    except csv.Error as error:
        raise InputError(
            f"{where}: {error}; quotes go around a whole cell, on one line, and are doubled in it"
        ) from error
    if len(cells) > MAX_COLUMNS:
        raise InputError(f"{where}: got {len(cells)} cells, wanted at most {MAX_COLUMNS}")
    if any(unicodedata.category(character) == "Cc" for cell in cells for character in cell.strip()):
        raise InputError(f"{where}: a cell holds a control character, wanted plain text")
    return tuple(cell.strip() for cell in cells)


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table as CSV.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, characters that can't be printed
    become "?".

    Args:
        columns: names for the header.
        rows: cells, a number or a text each; None = empty.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue().encode("utf-8", errors="backslashreplace")


def _plain(text: str) -> str:
    line = "".join(c if c.isprintable() else "?" for c in text)
    return f"'{line}" if line.lstrip()[:1] in set(FORMULA) else line
