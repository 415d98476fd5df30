"""Dispatch: one work on its way through the workers of a cluster, whatever becomes of them."""

import statistics
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic

from recon3d.engine.cluster import READY_S, Cluster, Hand, check_same
from recon3d.engine.work import Item, Result, Work
from recon3d.errors import StageError

TRIES = 2
"""Workers that may be lost over a piece that they had for themselves, before it is given up."""
BLOCKS_EACH = 4
"""Blocks per worker at least, where there are pieces enough: a slow worker takes fewer."""
LOOK_S = 1.0
"""Between two looks at which machines are there and what is late [s]."""
LATE, LATE_S = 3.0, 10.0
"""A block that takes so many times the usual, and longer than this, is done by another worker too [s]."""
GONE_S = 30.0
"""Time for workers that are ended to be gone [s]."""


@dataclass(eq=False)
class _Block(Generic[Item]):
    """Pieces that go to a worker together.

    Attributes:
        items: the pieces.
        lost: workers that were lost over it.
        copies: workers that are at it.
        since: when the last of them began, by `time.monotonic` [s].
        is_done: one of them has done it.
    """

    items: list[Item]
    lost: int = 0
    copies: int = 0
    since: float = 0.0
    is_done: bool = False


@dataclass(eq=False)
class Dispatch(Generic[Item, Result]):
    """A work, and who is at what.

    Attributes:
        cluster: where.
        work: whose pieces are done.
        number: of the work, by which workers know whether they have begun it.
        hands: the workers; grows with the machines, and shrinks as workers are lost.
    """

    cluster: Cluster
    work: Work[Item, Result]
    number: int
    hands: list[Hand]
    _busy: dict[Any, tuple[Hand, _Block[Item]]] = field(default_factory=dict)
    _took_s: list[float] = field(default_factory=list)

    def run(self, items: list[Item]) -> Iterator[tuple[Item, Result]]:
        """Yields the pieces as they are done.

        Pieces that a worker did before it was lost are not heard of: what they wrote is there.

        Raises:
            Recon3dError: of a piece; or it is given up, and the stage can't do without it.
            StageError: no worker finds a place, or they are of another version.
        """
        size = max(1, min(self.work.block, -(-len(items) // (BLOCKS_EACH * self.cluster.places))))
        queue = deque(_Block(items[start : start + size]) for start in range(0, len(items), size))
        sent, looked, alive = self.cluster.ray.put(self.work), -LOOK_S, time.monotonic()
        while queue or any(not block.is_done for _, block in self._busy.values()):
            if time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                self.cluster.welcome(self.hands, len(queue) + len(self._busy))
            for hand in self._idle():
                block = queue.popleft() if queue else self._late()
                if block is not None:
                    block.copies, block.since = block.copies + 1, time.monotonic()
                    self._busy[hand.actor.do.remote(self.number, sent, block.items)] = hand, block
            if self._busy:
                alive = time.monotonic()
            elif time.monotonic() - alive > READY_S:
                raise StageError(
                    f"--engine ray: no worker found a place within {READY_S:.0f} s; others may hold all cores or GPUs: "
                    "see ray status"
                )
            yield from self._answers(queue)

    def end_those_at_work(self) -> None:
        """Ends the workers that are still at something: late ones, or all where an error ends the work.

        They are waited for: nothing is written after this.
        """
        for hand, _ in self._busy.values():
            self.cluster.ray.kill(hand.actor)
            self.hands.remove(hand)
        if self._busy:
            self.cluster.ray.wait(list(self._busy), num_returns=len(self._busy), timeout=GONE_S)
        self._busy.clear()

    def _answers(self, queue: deque[_Block[Item]]) -> Iterator[tuple[Item, Result]]:
        """What those have done who answer next; greets those who have come."""
        ray, greetings = self.cluster.ray, {hand.greeting: hand for hand in self.hands if not hand.is_ready}
        answered, _ = ray.wait([*self._busy, *greetings], timeout=LOOK_S)
        for reference in answered:
            if reference in greetings:
                self._greet(greetings[reference])
                continue
            hand, block = self._busy.pop(reference)
            block.copies -= 1
            try:
                done, error = ray.get(reference)
            except ray.exceptions.RayActorError as loss:
                self.hands.remove(hand)
                yield from self._after_loss(block, queue, str(loss))
                continue
            if block.is_done:
                continue
            block.is_done = True
            self._took_s.append(time.monotonic() - block.since)
            yield from done
            if error is not None:
                raise error

    def _greet(self, hand: Hand) -> None:
        """Takes in a worker that has come; one that died on the way comes again, some times."""
        ray = self.cluster.ray
        try:
            check_same(*ray.get(hand.greeting))
        except ray.exceptions.RayActorError as loss:
            self.hands.remove(hand)
            self.cluster.stillborn.append(str(loss))
            if len(self.cluster.stillborn) > TRIES * self.cluster.places:
                raise StageError(f"--engine ray: workers die as they start: {_why(str(loss))}") from loss
        else:
            hand.is_ready = True

    def _after_loss(self, block: _Block[Item], queue: deque[_Block[Item]], loss: str) -> Iterator[tuple[Item, Result]]:
        """What becomes of a block whose worker is lost: pieces that were together go on one by one."""
        if block.is_done or block.copies:
            return
        left = [item for item in block.items if not self.work.is_done(item)]
        alone = len(block.items) == 1
        block.lost, block.is_done = block.lost + 1, not left
        if not left:
            return
        if not alone:
            block.is_done = True
            queue.extend(_Block([item]) for item in left)
        elif block.lost < TRIES:
            queue.append(block)
        else:
            block.is_done = True
            (item,) = left
            yield item, self.work.give_up(item, f"{block.lost + 1} workers were lost over it: {_why(loss)}")

    def _idle(self) -> list[Hand]:
        """Workers that have come and are at nothing."""
        busy = {id(hand) for hand, _ in self._busy.values()}
        return [hand for hand in self.hands if hand.is_ready and id(hand) not in busy]

    def _late(self) -> _Block[Item] | None:
        """A block that its only worker is late with."""
        usual = statistics.median(self._took_s) if self._took_s else float("inf")
        limit, now = max(LATE_S, LATE * usual), time.monotonic()
        late = [b for _, b in self._busy.values() if not b.is_done and b.copies == 1 and now - b.since > limit]
        return min(late, key=lambda block: block.since, default=None)


def _why(loss: str) -> str:
    """What Ray says of a death, in a few words."""
    if "creation task" in loss:  # it raised as it started: the traceback's last line
        return loss.strip().splitlines()[-1].strip()
    if "OOM" in loss or "OutOfMemory" in loss:
        return "there was too little memory"
    return "its process ended, as by a crash or for lack of memory"
