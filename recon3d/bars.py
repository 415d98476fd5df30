"""Progress bars for a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from recon3d.progress import Report

MANY = 1_000_000
"""From this total on, such as of bytes, counts are shown in millions."""


@contextmanager
def bars() -> Iterator[Report]:
    """Progress bars on stderr with rate and time left, one at a time; nothing where stderr is not a terminal."""
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
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

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


def counted(number: float, total: int) -> str:
    """A count or a rate for people: in millions where the total is large; a rate with one decimal."""
    if total >= MANY:
        return f"{number / 1e6:.1f} M"
    return str(number) if isinstance(number, int) else f"{number:.1f}"


def _of(done: int, total: int) -> str:
    """Such as "3/28" or "197.4/1380.0 M"."""
    return f"{counted(done, total).removesuffix(' M')}/{counted(total, total)}"
