"""The default engine: this process does all the work itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recon3d.engine.work import Item, Result, Work
from recon3d.progress import Report, each, named


@dataclass(frozen=True)
class InProcess:
    """Does the pieces in this process."""

    shares: int = 1

    def do(self, work: Work[Item, Result], items: Sequence[Item], report: Report) -> Iterator[tuple[Item, Result]]:
        """See `Engine.do`."""
        todo = [item for item in items if not work.is_done(item)]
        if todo:
            done = work.begin()(todo)
            yield from each(done, work.title, report, len(todo), lambda answer: named(answer[0]))

    def gather(self, work: Work[Item, Result], items: Sequence[Item]) -> None:
        """Nothing is left to others."""


IN_PROCESS = InProcess()
