"""Shards: several processes, on any machines, that do a share each of one scene's work."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recon3d.engine.in_process import InProcess
from recon3d.engine.work import Item, Result, Work
from recon3d.errors import InputError, StageError
from recon3d.progress import Report

PATIENCE_S = 1800.0
"""Time without any new file of the others after which they are no longer waited for [s]."""
LOOK_S = 0.5
"""Between two looks at what the others have done [s]."""


class OthersAtWork(Exception):
    """This share is done, and the others' is not: the last of them finishes the stage."""


@dataclass(frozen=True)
class Shard:
    """Does one share of the pieces, those that lie side by side.

    Attributes:
        number: of this share, from 1.
        count: shares in all.
        patience_s: how long to wait for what other shares make and pieces of this one read, without any coming [s].
    """

    number: int
    count: int
    patience_s: float = PATIENCE_S

    @classmethod
    def parsed(cls, text: str) -> "Shard":
        """From "2/8".

        Raises:
            InputError: it is not that.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        number, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= count:
            raise InputError(f"--shard: got {text!r}, wanted NUMBER/COUNT, from 1/COUNT to COUNT/COUNT, such as 2/8")
        return cls(number, count)

    @property
    def shares(self) -> int:
        """As many as there are shards."""
        return self.count

    def do(self, work: Work[Item, Result], items: Sequence[Item], report: Report) -> Iterator[tuple[Item, Result]]:
        """See `Engine.do`; pieces that read what other shards make wait for it."""
        ends = [round(len(items) * part / self.count) for part in (self.number - 1, self.number)]
        mine = list(items[slice(*ends)])
        while mine := [item for item in mine if not work.is_done(item)]:
            yield from InProcess().do(work, self._ready(work, mine), report)

    def gather(self, work: Work[Item, Result], items: Sequence[Item]) -> None:
        """See `Engine.gather`."""
        missing = sum(not work.is_done(item) for item in items)
        if missing:
            raise OthersAtWork(
                f"part {self.number} of {self.count} is done; of {len(items)} pieces {missing} are the others'"
            )

    def _ready(self, work: Work[Item, Result], items: Sequence[Item]) -> list[Item]:
        """Those pieces for which there is all that they read; waits until there are some."""
        read = [set(work.reads(item)) for item in items]
        least, since = None, time.monotonic()
        while True:
            missing = {path for path in set[Path]().union(*read) if not path.exists()}  # each looked for once
            ready = [item for item, paths in zip(items, read, strict=True) if not paths & missing]
            if ready:
                return ready
            if least is None or len(missing) < least:
                least, since = len(missing), time.monotonic()
            elif time.monotonic() - since > self.patience_s:
                raise StageError(
                    f"{min(map(str, missing))}: not there, nor {len(missing) - 1} more files that other shards make, "
                    f"and none came for {self.patience_s / 60:.0f} minutes; see that they run, then run this one "
                    "again: it goes on from here"
                )
            time.sleep(LOOK_S)
