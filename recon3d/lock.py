"""A scene held by one process; who holds it stands in the lock file."""

import contextlib
import fcntl
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from recon3d.errors import StageError

FILE = ".lock"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a folder for this process. The lock ends with the process, however that ends: a file left over is no lock.

    Raises:
        StageError: another process holds it, which is named; or the folder can't be written or locked.
    """
    path = folder / FILE
    try:
        # a link there would have another file emptied
        handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+", errors="replace")
    except OSError as error:
        raise StageError(f"{folder}: can't be written: {error.strerror}; choose another SCENE") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = " ".join(handle.read(200).split())
            by = f" ({holder})" if holder else ""
            raise StageError(f"{folder}: another recon3d works on this scene{by}; wait until it is done") from error
        except OSError as error:
            raise StageError(f"{path}: can't be locked: {error.strerror}; choose a SCENE on a local disk") from error
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {platform.node()}\n")
        handle.flush()
        yield
