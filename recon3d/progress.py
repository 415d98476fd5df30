"""Progress reports: what stages call while they work; the CLI turns them into bars and lines of a log."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Report(Protocol):
    """Is told that `done` of `total` units of the work called `title` are done, and of which photo the last one is."""

    def __call__(self, title: str, done: int, total: int, photo: str = "") -> None:
        """Called at the start, after each unit and at the end."""
        ...


def silent(title: str, done: int, total: int, photo: str = "") -> None:
    """Reports nothing."""


def unseen(stage: str) -> None:
    """Is told of a stage that begins, and does nothing."""


def named(item: object) -> str:
    """The photo that an item is of, where items are names of photos."""
    return item if isinstance(item, str) else ""


def each(
    items: Iterable[T], title: str, report: Report, total: int | None = None, photo: Callable[[T], str] = named
) -> Iterator[T]:
    """Yields the items, telling `report` after each; `photo` says which photo an item is of."""
    items = list(items) if total is None else items
    count = len(items) if isinstance(items, list) else total or 0
    report(title, 0, count)
    for done, item in enumerate(items, 1):
        yield item
        report(title, done, count, photo(item))
