"""Work whose pieces are made up: numbers that are squared into files; some break their worker, are slow, or refuse."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from recon3d.errors import InputError, StageError


@dataclass(frozen=True)
class Squares:
    """Writes the square of each number to a file of its own.

    Attributes:
        folder: of the files.
        deadly: how many workers end as they come to a number.
        slow_s: how long the first worker takes over a number [s].
        refused: a number that can't be squared.
        needs: whether each number reads the file of the one before, of the folder named.
        spared: what stands in for numbers that are given up; None = they stop the work.
    """

    folder: Path
    deadly: dict[int, int] = field(default_factory=dict)
    slow_s: dict[int, float] = field(default_factory=dict)
    refused: int | None = None
    needs: Path | None = None
    spared: int | None = None
    title: str = "squares"
    block: int = 4

    def path(self, number):
        return self.folder / f"{number}.txt"

    def begin(self):
        def do(numbers):
            for number in numbers:
                self._one(number)
                yield number, number**2

        return do

    def _one(self, number):
        if number == self.refused:
            raise InputError(f"{number}: can't be squared")
        if self._times("killed", number) <= self.deadly.get(number, 0):
            os._exit(1)
        if self._times("begun", number) == 1:
            time.sleep(self.slow_s.get(number, 0))
        self.path(number).write_text(str(number**2))

    def _times(self, what, number):
        """How often this was come to, this time counted in; known to all processes."""
        marks = self.folder / f"{what}-{number}"
        with marks.open("ab") as file:
            file.write(b".")
        return marks.stat().st_size

    def is_done(self, item):
        return self.path(item).exists()

    def reads(self, item):
        return [self.needs / f"{item - 1}.txt"] if self.needs and item else []

    def give_up(self, item, reason):
        if self.spared is None:
            raise StageError(f"{item}: {reason}")
        self.path(item).write_text(str(self.spared))
        return self.spared


def squares(folder):
    """What stands in the files."""
    return {int(path.stem): int(path.read_text()) for path in folder.glob("*.txt")}
