"""Progress reports: what stages call while they work; the CLI turns them into bars."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Report(Protocol):
    """Is told that `done` of `total` units of the work called `title` are done."""

    def __call__(self, title: str, done: int, total: int) -> None:
        """Called at the start, after each unit and at the end."""
        ...


def silent(title: str, done: int, total: int) -> None:
    """Reports nothing."""


def each(items: Iterable[T], title: str, report: Report, total: int | None = None) -> Iterator[T]:
    """Yields the items, telling `report` after each."""
    items = list(items) if total is None else items
    count = len(items) if isinstance(items, list) else total or 0
    report(title, 0, count)
    for done, item in enumerate(items, 1):
        yield item
        report(title, done, count)
