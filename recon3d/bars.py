"""Progress bars for a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recon3d.progress import Report


@contextmanager
def bars() -> Iterator[Report]:
    """Progress bars on stderr with rate and time left; nothing where stderr is not a terminal."""
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
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def report(title: str, done: int, total: int) -> None:
            if title not in tasks or done == 0:
                for task in tasks.values():
                    progress.update(task, visible=False)
                tasks[title] = progress.add_task(title, total=total, rate="")
            speed = progress.tasks[progress.task_ids.index(tasks[title])].speed
            progress.update(tasks[title], completed=done, total=total, rate=f"{speed:.1f}/s" if speed else "")

        yield report
