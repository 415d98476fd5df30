"""Progress bars for a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from recon3d.progress import Report


@contextmanager
def bars() -> Iterator[Report]:
    """Progress bars on stderr with rate and time left, one at a time; nothing where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def report(title: str, done: int, total: int) -> None:
        task = next((task for task in progress.tasks if task.description == title), None)
        if task is None:
            for old in progress.task_ids:
                progress.remove_task(old)
            progress.add_task(title, total=total, rate="")
            progress.start()
            task = progress.tasks[0]
        progress.update(task.id, completed=done, total=total, rate=f"{task.speed:.1f}/s" if task.speed else "")
        if done >= total:  # gone before the stage's line is printed, which would else be glued to it
            progress.stop()
            progress.remove_task(task.id)

    try:
        yield report
    finally:
        progress.stop()
