"""Many scenes, one after another or some at a time: rows that fail don't keep the others from being done."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recon3d.cores import core_count
from recon3d.errors import StageError
from recon3d.stages.batch_row import Result, RowAtWork
from recon3d.stages.batch_rows import Row

LOOK_S = 0.1
"""Between two looks at the processes [s]."""


@dataclass(frozen=True)
class Way:
    """How rows are done.

    Attributes:
        options: of `recon3d run`, for all rows, before their own.
        at_a_time: rows.
        timeout_s: that a row may take [s]; None = as long as it likes.
    """

    options: tuple[str, ...] = ()
    at_a_time: int = 1
    timeout_s: float | None = None

    @property
    def threads(self) -> int | None:
        """That each row may use, so that together they have one for each core; None = all."""
        if self.at_a_time == 1:
            return None
        cores = core_count()
        return max(1, cores // self.at_a_time)


def run_rows(rows: Sequence[Row], way: Way, tell: Callable[[Result], None]) -> None:
    """Does the rows in their order, each in a process of its own.

    On Ctrl-C those at work are ended in good order, and told as interrupted.

    Args:
        rows: of the table.
        way: how many at a time, and with what.
        tell: told when a row begins and when it ends.
    """
    waiting, at_work = list(rows), list[RowAtWork]()
    try:
        while waiting or at_work:
            while waiting and len(at_work) < way.at_a_time:
                row = waiting.pop(0)
                try:
                    at_work.append(RowAtWork(row, way.options, way.threads))
                except StageError as error:
                    tell(Result(row, "failed", error=str(error)))
                else:
                    tell(Result(row, "running"))
            time.sleep(LOOK_S)
            for process in list(at_work):
                result = process.result(way.timeout_s)
                if result:
                    at_work.remove(process)
                    tell(result)
    finally:
        for process in at_work:
            process.let_go()
        for process in at_work:
            tell(process.end())
