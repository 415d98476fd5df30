"""One row of a batch at work, in a process of its own, and what became of it."""

import contextlib
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from recon3d.errors import Recon3dError, StageError
from recon3d.manifest import MANIFEST
from recon3d.scene import Scene
from recon3d.stages.batch_rows import Row

MODULE = "recon3d.cli.row"
"""The module that is run."""
GRACE_S = 10.0
"""While a process that was let go of may still end by itself [s]."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Where libraries look for how many threads to start."""
HEAD = "recon3d "
"""What the log of a row begins with."""
TAIL_BYTES = 65536
"""End of the log in which the error is looked for [bytes]."""

End = Literal["waiting", "running", "done", "up to date", "failed", "timed out", "interrupted"]


@dataclass(frozen=True)
class Result:
    """What became of a row.

    Attributes:
        row: which.
        end: how it stands.
        seconds: that it took [s].
        error: in one line; empty where there is none.
        registered: photos that have a pose.
        photos: photos of the scene.
        triangles: of the mesh.
        size_m: width, depth and height of the mesh [m]; empty where there is none.
    """

    row: Row
    end: End = "waiting"
    seconds: float = 0.0
    error: str = ""
    registered: int | None = None
    photos: int | None = None
    triangles: int | None = None
    size_m: tuple[float, ...] = ()

    @property
    def is_bad(self) -> bool:
        """Whether it came to an end that is none."""
        return self.end in ("failed", "timed out", "interrupted")


class RowAtWork:
    """A process that does one row; it ends when its standard input is closed, so it never outlives the batch."""

    def __init__(self, row: Row, options: Sequence[str], threads: int | None) -> None:
        """Starts it.

        Args:
            row: to do.
            options: of `recon3d run` that come before the row's own.
            threads: that it may use at a time; None = all.

        Raises:
            StageError: its log can't be written.
        """
        self.row, self._since, self._before = row, time.monotonic(), _manifest_of(row.scene)
        command = row.command(["--verbose", *options])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        environment |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
        if threads:
            environment = dict.fromkeys(THREADS, str(threads)) | environment
        try:
            with _opened(row.log) as log:
                self._log_start = log.tell()
                log.write(f"{HEAD}{shlex.join(command)}\n".encode(errors="backslashreplace"))
                self._process = subprocess.Popen(
                    # -P: a user's random.py or numpy.py in the current folder is not ours
                    [sys.executable, "-P", "-m", MODULE, *command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,  # Ctrl-C reaches the batch alone, which lets go of its rows
                )
        except OSError as error:
            raise StageError(f"{row.log}: the row can't be begun: {error.strerror}") from error

    def result(self, timeout_s: float | None) -> Result | None:
        """What became of it; None while it runs. Ends it where it has taken longer than `timeout_s`."""
        if self._process.poll() is not None:
            return self._ended()
        seconds = time.monotonic() - self._since
        if timeout_s is None or seconds < timeout_s:
            return None
        self.end()
        why = f"not done after {timeout_s / 60:g} minutes (--timeout-min), ended; the same command goes on from there"
        return Result(self.row, "timed out", seconds, why)

    def let_go(self) -> None:
        """Tells it to end, and doesn't wait."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def end(self) -> Result:
        """Ends it, in good order where it answers soon."""
        self.let_go()
        try:
            self._process.wait(GRACE_S + 2)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also where Ctrl-C comes again
            if self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        return Result(self.row, "interrupted", time.monotonic() - self._since, "ended by Ctrl-C; run it again to go on")

    def _ended(self) -> Result:
        self.let_go()
        seconds, code = time.monotonic() - self._since, self._process.returncode
        if code:
            return Result(self.row, "failed", seconds, self._why(code))
        fresh = _manifest_of(self.row.scene) != self._before
        try:
            scene = Scene.open(self.row.scene)
            poses, mesh = scene.facts("poses"), scene.facts("mesh")
            size = tuple(map(float, mesh["size_m"]))
            counts = int(poses["registered"]), int(poses["photos"]), int(mesh["triangles"])
        except (Recon3dError, KeyError) as error:
            return Result(self.row, "failed", seconds, f"all went well, and yet its scene can't be read: {error}")
        return Result(self.row, "done" if fresh else "up to date", seconds, "", *counts, size)

    def _why(self, code: int) -> str:
        """The last that it said about itself, or else the last that it said."""
        with self.row.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, log.tell() - TAIL_BYTES))
            lines = log.read().decode("utf-8", errors="replace").strip().splitlines()
        if code < 0:
            killed = " (perhaps for lack of memory)" if -code == signal.SIGKILL else ""
            return f"its process was ended by signal {-code}{killed}; the same command goes on from there"
        said = [line.removeprefix("recon3d: ") for line in lines if line.startswith("recon3d: ")]
        return said[-1] if said else f"ended with code {code}: {lines[-1].strip() if lines else 'it said nothing'}"


def _manifest_of(scene: Path) -> tuple[int, int] | None:
    """Tells apart whether a run has written the scene's manifest, which one that finds all up to date leaves alone."""
    try:
        found = (scene / MANIFEST).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _opened(log: Path) -> IO[bytes]:
    """A log to append to: a regular file that is new or one of ours, and no link to another place."""
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    file = os.fdopen(os.open(log, flags, 0o666), "a+b", buffering=0)
    is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    if not is_file or not HEAD.encode().startswith(_head(file)):
        file.close()
        raise StageError(f"{log}: holds something else than a row's log; name another scene, or move it away")
    return file


def _head(file: IO[bytes]) -> bytes:
    """The beginning of a file, which stays at its end."""
    file.seek(0)
    head = file.read(len(HEAD))
    file.seek(0, os.SEEK_END)
    return head
