"""Work: pieces of a stage that need nothing of each other, and what an engine is that has them done."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from recon3d.progress import Report

Item = TypeVar("Item")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Doer = Callable[[Sequence[Item]], Iterator[tuple[Item, Result]]]
"""Does pieces of work, in whatever order suits it; yields each with its result when all that it writes is there."""


class Work(Protocol[Item, Result_co]):
    """Pieces of a stage's work; a value that can be sent to another process.

    What a piece writes depends on the piece alone: not on where it is done, when, beside what, or how often.
    """

    @property
    def title(self) -> str:
        """What progress calls it."""
        ...

    @property
    def block(self) -> int:
        """Pieces that are handed to a worker at a time: neighbours share what they read."""
        ...

    def begin(self) -> Doer[Item, Result_co]:
        """Called once by each worker: loads what all pieces share."""
        ...

    def is_done(self, item: Item) -> bool:
        """Whether what the piece writes is there."""
        ...

    def reads(self, item: Item) -> Iterable[Path]:
        """Files that the piece reads and that other pieces of the same stage write."""
        ...

    def give_up(self, item: Item, reason: str) -> Result_co:
        """Stands in for a piece that no worker survives.

        Raises:
            StageError: the stage can't do without it.
        """
        ...


class Engine(Protocol):
    """Has pieces of work done."""

    @property
    def shares(self) -> int:
        """Workers that want a piece at a time: work that can be cut anyhow is cut into so many at least."""
        ...

    def do(self, work: Work[Item, Result], items: Sequence[Item], report: Report) -> Iterator[tuple[Item, Result]]:
        """Has those pieces done that are not done yet.

        Yields:
            Each piece that was done here, in any order, with its result.

        Raises:
            Recon3dError: of a piece, as it was raised.
        """
        ...

    def gather(self, work: Work[Item, Result], items: Sequence[Item]) -> None:
        """Called before what needs all the pieces.

        Raises:
            OthersAtWork: some are left to other processes, which are not done.
        """
        ...
