"""The engine on Ray: blocks of pieces go to whichever worker is free, and again to another where one is lost."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from recon3d.engine.cluster import Cluster, Hand, connected
from recon3d.engine.dispatch import Dispatch
from recon3d.engine.work import Item, Result, Work
from recon3d.progress import Report, named


@dataclass(eq=False)
class OnRay:
    """Has pieces done by workers on Ray; they read and write the scene, in a folder that all see or in a store.

    Begun with the first work, ended by `close`.

    Attributes:
        address: of a running cluster; None = one on this machine for this process alone.
        device: where workers compute: unless it is "cpu", each holds a GPU where there are any.
    """

    address: str | None
    device: str = "auto"
    _stack: ExitStack = field(default_factory=ExitStack)
    _cluster: Cluster | None = None
    _hands: list[Hand] = field(default_factory=list)
    _works: int = 0

    @property
    def shares(self) -> int:
        """As many as workers find a place."""
        return self._there().places

    def do(self, work: Work[Item, Result], items: Sequence[Item], report: Report) -> Iterator[tuple[Item, Result]]:
        """See `Engine.do`."""
        todo = [item for item in items if not work.is_done(item)]
        if not todo:
            return
        self._works += 1
        report(work.title, 0, len(todo))
        dispatch = Dispatch(self._there(), work, self._works, self._hands)
        try:
            for count, (item, result) in enumerate(dispatch.run(todo), 1):
                report(work.title, count, len(todo), named(item))
                yield item, result
        finally:
            dispatch.end_those_at_work()
        report(work.title, len(todo), len(todo))

    def gather(self, work: Work[Item, Result], items: Sequence[Item]) -> None:
        """Nothing is left to others."""

    def close(self) -> None:
        """Ends the workers, and the cluster where it was started here."""
        self._hands.clear()
        self._cluster = None
        self._stack.close()

    def _there(self) -> Cluster:
        if self._cluster is None:
            self._cluster = self._stack.enter_context(connected(self.address, self.device))
        return self._cluster
