"""A scene held by one process, or by several that share its work; who holds it stands in the lock file."""

import contextlib
import fcntl
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from recon3d.errors import StageError

FILE = ".lock"
SETTLE_S = 60.0
"""While the claims of processes that share a scene are tried again: each holds it alone for a moment [s]."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a folder for this process. The lock ends with the process, however that ends: a file left over is no lock.

    Raises:
        StageError: another process holds it, which is named; or the folder can't be written or locked.
    """
    with _opened(folder) as lock:
        if not lock.alone():
            raise lock.refusal()
        yield


@contextlib.contextmanager
def held_together(folder: Path) -> Iterator["Lock"]:
    """Holds a folder alone at first where nobody else does, else together with those that share it.

    Yields:
        The lock, whose `is_alone` tells.

    Raises:
        StageError: a process that doesn't share holds it; or the folder can't be written or locked.
    """
    with _opened(folder) as lock:
        until = time.monotonic() + SETTLE_S
        while not (lock.alone() or lock.together()):
            if time.monotonic() > until:
                raise lock.refusal()
            time.sleep(0.1)
        yield lock


@dataclass
class Lock:
    """An open lock file, and how it is held."""

    folder: Path
    handle: TextIO
    is_alone: bool = False

    def alone(self, patience_s: float = 0.0) -> bool:
        """Takes it for this process, whether it was held together or not; False where others hold it."""
        until = time.monotonic() + patience_s
        while not self._lock(fcntl.LOCK_EX):
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)
        self.is_alone = True
        self.handle.truncate(0)
        self.handle.seek(0)
        self.handle.write(f"process {os.getpid()} on {platform.node()}\n")
        self.handle.flush()
        return True

    def together(self) -> bool:
        """Shares it; False where somebody holds it alone."""
        self.is_alone = False
        return self._lock(fcntl.LOCK_SH)

    def refusal(self) -> StageError:
        """Says who holds it."""
        self.handle.seek(0)
        holder = " ".join(self.handle.read(200).split())
        by = f" ({holder})" if holder else ""
        return StageError(f"{self.folder}: another recon3d works on this scene{by}; wait until it is done")

    def _lock(self, how: int) -> bool:
        try:
            fcntl.flock(self.handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            path = self.folder / FILE
            raise StageError(f"{path}: can't be locked: {error.strerror}; choose a SCENE on a local disk") from error
        return True


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Lock]:
    path = folder / FILE
    try:
        # a link there would have another file emptied
        handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+", errors="replace")
    except OSError as error:
        raise StageError(f"{folder}: can't be written: {error.strerror}; choose another SCENE") from error
    with handle:
        yield Lock(folder, handle)
