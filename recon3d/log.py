"""The log of a run: a JSON line in a file for each thing that happens."""

import errno
import json
import os
import re
import stat
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recon3d.errors import InputError

HEAD = b'{"time": "'
"""What a log begins with: a file that begins otherwise is none, and is not appended to."""
PASSWORD = re.compile(r"(?<=://)[^/@\s\"]+(?=@)")
"""What stands before the host in an address: nobody who reads a log needs it."""


class Log:
    """Appends to a file, each line by one write of its own, so that a killed run leaves all that it has said."""

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        """Opens the file.

        Args:
            path: made where it isn't there, with its folder.
            warn: told once where the file can't be written any more; the run goes on without.

        Raises:
            InputError: the file can't be written, or holds something else than a log.
        """
        self._path, self._warn = path, warn
        self._run = uuid.uuid4().hex[:8]  # runs share a file, one after the other or at the same time
        self._file: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # a pipe that nobody reads is an error, not a wait
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
            os.set_blocking(self._file, True)
            self._gap = _gap(path) if stat.S_ISREG(os.fstat(self._file).st_mode) else b""
        except OSError as error:
            self.close()
            raise InputError(f"--log {path}: can't be written: {error.strerror}; name another file") from error
        except InputError:
            self.close()
            raise

    def write(self, event: str, stage: str, fields: Mapping[str, Any]) -> None:
        """Appends a line.

        Args:
            event: what happens.
            stage: that it happens in; empty outside of all.
            fields: what is to be said of it.
        """
        if self._file is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = {"time": now, "run": self._run, "event": event, "stage": stage or None, **fields}
        text = PASSWORD.sub("…", json.dumps(entry, ensure_ascii=False))
        # a file name that is no UTF-8 becomes what JSON writes for it
        line = self._gap + text.encode("utf-8", errors="backslashreplace") + b"\n"
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.close()
            self._warn(f"--log {self._path}: can't be written any more: {error.strerror}; the run goes on without it")
        self._gap = b""

    def close(self) -> None:
        """Ends the log."""
        if self._file is not None:
            os.close(self._file)
        self._file = None


def _gap(path: Path) -> bytes:
    """What goes before the first line: an end to the line that a kill or a full disk has cut short."""
    with path.open("rb") as file:
        head = file.read(len(HEAD))
        if not HEAD.startswith(head):
            raise InputError(f"--log {path}: holds something else than a log; name another file, or a new one")
        if not head:
            return b""
        file.seek(-1, os.SEEK_END)
        return b"" if file.read() == b"\n" else b"\n"
