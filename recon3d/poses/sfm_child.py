"""The process that structure from motion is done in: pycolmap clashes with other libraries, and may crash."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recon3d.errors import StageError
from recon3d.poses.matching import Matching, threads
from recon3d.poses.pairs import Pair
from recon3d.progress import Report, silent

WORKER = "recon3d.poses.sfm_worker"
"""The module that is run."""
SCRATCH = ".tmp-sfm-"
"""How the names of folders begin that a process works in."""
_WHAT = "structure from motion: "
POISON = 3
"""Photos whose features may crash the process; with one more it is not the photos."""


class CrashError(StageError):
    """The process did not end by itself."""


class Child:
    """The process, which does tasks one after another; begun with the first, and again after a crash.

    Attributes:
        matching: what it is about.
        scratch: folder that it works in, removed by `close`.
    """

    def __init__(self, matching: Matching, folder: Path, *, limit_all: bool = False) -> None:
        """Makes the scratch folder.

        Args:
            matching: what it is about.
            folder: where the scratch folder lies, of the file system that results go to.
            limit_all: the time limit is of all tasks together, not of each.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.matching = matching
        self.scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=folder)).absolute()
        self._limit_s = 60 * matching.timeout_min
        self._until = time.monotonic() + self._limit_s if limit_all else None
        self._processes: list[subprocess.Popen[bytes]] = []
        # whoever forgets it ends it
        self.close = weakref.finalize(self, _close, self._processes, self.scratch)
        matching.link(self.scratch / "photos")

    def do(self, task: str, report: Report = silent, **values: Any) -> Any:
        """Has a task done; gives its result.

        Raises:
            CrashError: the process ended before the task did.
            StageError: it can't be done, or took longer than that.
        """
        process = self._process()
        assert process.stdin is not None and process.stdout is not None
        timed_out = threading.Event()

        def end() -> None:
            timed_out.set()
            _kill(process)

        left_s = self._limit_s if self._until is None else self._until - time.monotonic()
        timer = threading.Timer(min(max(left_s, 0), threading.TIMEOUT_MAX), end)
        timer.start()
        answer = None
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at birth: its exit code and log tell why
                process.stdin.write(json.dumps({"task": task, **values}, default=str).encode() + b"\n")
                process.stdin.flush()
            for line in process.stdout:
                answer = json.loads(line)
                if "title" not in answer:
                    break
                report(answer["title"], answer["done"], answer["total"])
        except BaseException:  # nobody waits for its answer any more
            self._end()
            raise
        finally:
            timer.cancel()
        if answer is not None and "problem" in answer:
            raise StageError(answer["problem"])
        if answer is not None and "result" in answer:
            return answer["result"]
        code = process.wait()
        self._end()
        if timed_out.is_set():
            minutes = self.matching.timeout_min
            raise StageError(
                f"{_WHAT}not done after {minutes:g} minutes, ended; features and matches are kept, "
                "so run again with a larger poses.timeout_min, or with fewer photos"
            )
        how = f"was ended by signal {-code} (9: perhaps for lack of memory)" if code < 0 else f"ended with code {code}"
        raise CrashError(f"{_WHAT}its process {how}; it last said: {_last_line(self._log)}")

    def features(self, database: Path, numbers: Sequence[int]) -> None:
        """Has features found in photos; one that crashes the process among others and again alone goes without.

        Raises:
            CrashError: more photos than that did.
            StageError: it can't be done.
        """
        try:
            self.do("features", database=database, photos=list(numbers))
        except CrashError:
            crashes = 0
            for number in numbers:
                try:
                    self.do("features", database=database, photos=[number])
                except CrashError as crash:
                    crashes += 1
                    if crashes > POISON:
                        raise
                    why = f"its features can't be found, {str(crash).removeprefix(_WHAT)}"
                    self.do("note", database=database, photo=number, text=why)

    def matches(self, database: Path, pairs: Sequence[Pair], parts: Mapping[Path, Sequence[int]]) -> None:
        """Has pairs matched; after a crash goes on, once.

        Args:
            database: takes the matches.
            pairs: numbers of photos.
            parts: databases with features that `database` lacks, and of which photos.

        Raises:
            CrashError: twice.
            StageError: it can't be done.
        """
        sources = {str(part): list(numbers) for part, numbers in parts.items()}
        try:
            self.do("matches", database=database, pairs=pairs, parts=sources)
        except CrashError:
            self.do("matches", database=database, pairs=pairs, parts=sources)

    @property
    def _log(self) -> Path:
        return self.scratch / "log.txt"

    def _process(self) -> "subprocess.Popen[bytes]":
        if not self._processes:
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                # the last digits of a product may depend on how many threads share it
                "OPENBLAS_NUM_THREADS": "1",
            }
            with self._log.open("wb") as errors:
                process = subprocess.Popen(
                    # -P: a user's random.py or numpy.py in the current folder is not ours.
                    [sys.executable, "-P", "-m", WORKER],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                    start_new_session=True,
                )
            self._processes.append(process)
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                job = {**self.matching.record, "scratch": str(self.scratch), "threads": threads()}
                process.stdin.write(json.dumps(job).encode() + b"\n")
        return self._processes[0]

    def _end(self) -> None:
        _end(self._processes.pop())


def _close(processes: "list[subprocess.Popen[bytes]]", scratch: Path) -> None:
    while processes:
        _end(processes.pop())
    shutil.rmtree(scratch, ignore_errors=True)


def _end(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None and process.stdout is not None
    _kill(process)
    process.wait()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"
