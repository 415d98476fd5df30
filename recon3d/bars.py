"""Progress for people: bars on a terminal, elsewhere a line now and then where that is wanted."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from recon3d.progress import Report, silent

MANY = 1_000_000
"""From this total on, such as of bytes, counts are shown in millions."""
LINE_S = 10.0
"""Time between two lines of progress [s]."""


@contextmanager
def bars(elsewhere: Report = silent) -> Iterator[Report]:
    """Progress bars on stderr with rate and time left, one at a time; where it is no terminal, `elsewhere` is told."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    if not console.is_terminal:
        yield elsewhere
        return
    progress = Progress(*columns, console=console, transient=True)

    def report(title: str, done: int, total: int, photo: str = "") -> None:
        task = next((task for task in progress.tasks if task.description == title), None)
        if task is None:
            for old in progress.task_ids:
                progress.remove_task(old)
            progress.add_task(title, total=total, count="", rate="")
            progress.start()
            task = progress.tasks[0]
        rate = f"{counted(task.speed, total)}/s" if task.speed else ""
        progress.update(task.id, completed=done, total=total, count=_of(done, total), rate=rate)
        if done >= total:  # gone before the stage's line is printed, which would else be glued to it
            progress.stop()
            progress.remove_task(task.id)

    try:
        yield report
    finally:
        progress.stop()


def now_and_then(say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> Report:
    """Progress as lines, such as "depth: 12/200, 0.4/s, 470 s left": for the output of a batch job.

    Args:
        say: is given a line when some time has passed since the last one.
        clock: [s].
    """
    said = clock()
    step, began, first = "", said, 0

    def report(title: str, done: int, total: int, photo: str = "") -> None:
        nonlocal said, step, began, first
        now = clock()
        if title != step:
            step, began, first = title, now, done
        if done and now - said >= LINE_S:
            said, rate = now, (done - first) / max(now - began, 1e-3)
            left = f", {counted(rate, total)}/s, {(total - done) / rate:.0f} s left" if rate else ""
            say(f"{title}: {_of(done, total)}{left}")

    return report


def counted(number: float, total: int) -> str:
    """A count or a rate for people: in millions where the total is large; a rate with one decimal."""
    if total >= MANY:
        return f"{number / 1e6:.1f} M"
    return str(number) if isinstance(number, int) else f"{number:.1f}"


def _of(done: int, total: int) -> str:
    """Such as "3/28" or "197.4/1380.0 M"."""
    return f"{counted(done, total).removesuffix(' M')}/{counted(total, total)}"
