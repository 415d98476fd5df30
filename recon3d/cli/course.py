"""The course of a command as its log tells it: when each stage and each photo was done, and with how much memory."""

import os
import platform
import shlex
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from recon3d import __version__
from recon3d.cli.app import INTERRUPTED
from recon3d.cores import core_count
from recon3d.errors import Recon3dError
from recon3d.log import Log
from recon3d.memory import forget_peak, helpers_memory, own_memory
from recon3d.settings import Settings, sections

if TYPE_CHECKING:
    from recon3d.stages.job import Outcome

UNNAMED_S = 1.0
"""Units of work that are of no photo, such as pairs, are logged so often at most, and at the end of their step [s]."""


@dataclass(frozen=True)
class Spent:
    """What a stage took.

    Attributes:
        seconds: since it began.
        peak_mib: the most memory that this process held [MiB].
        helpers_peak_mib: the most that the processes which it started were seen to hold; 0 without any [MiB].
    """

    seconds: float
    peak_mib: int
    helpers_peak_mib: int


class Course:
    """What was begun when, and what it has taken so far; told to a log where there is one."""

    def __init__(self, log: Log | None) -> None:
        self._log = log
        self._stage, self._helpers_peak_mib = "", 0
        self._began = self._stage_began = self._unit_began = time.monotonic()

    def start(self) -> None:
        """Notes what is run, and where."""
        machine = {
            "name": platform.node(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "cores": core_count(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        }
        command = shlex.join(["recon3d", *sys.argv[1:]])
        self._note("run_start", {"command": command, "version": __version__, "folder": os.getcwd(), "machine": machine})

    def settings(self, settings: Settings, device: str | None) -> None:
        """Notes the settings that differ from the defaults, and the device where it makes a difference."""
        if self._log:
            defaults = _flat(Settings())
            changed = {name: value for name, value in _flat(settings).items() if value != defaults[name]}
            self._note("settings", {"changed": changed} | ({"device": device, "gpu": _gpu()} if device else {}))

    def begin(self, stage: str) -> None:
        """Notes that a stage begins."""
        self._stage, self._helpers_peak_mib = stage, 0
        self._stage_began = self._unit_began = time.monotonic()
        forget_peak()
        self._note("stage_start", {})

    def report(self, title: str, done: int, total: int, photo: str = "") -> None:
        """Notes that a unit of work is done; see `recon3d.progress.Report`."""
        own, helpers, seconds = own_memory(), helpers_memory(), _since(self._unit_began)
        if helpers:
            self._helpers_peak_mib = max(self._helpers_peak_mib, helpers.peak_mib)
        if done and not photo and done < total and seconds < UNNAMED_S:
            return
        self._unit_began = time.monotonic()
        if done:
            unit = {"step": title, "done": done, "total": total} | ({"photo": photo} if photo else {})
            memory = {"memory_mib": own.now_mib, "peak_mib": own.peak_mib}
            memory |= {"helpers_mib": helpers.now_mib} if helpers else {}
            self._note("unit", unit | {"seconds": seconds} | memory)

    def done(self, outcome: "Outcome") -> Spent:
        """Notes what a stage did; says what it took."""
        spent = Spent(_since(self._stage_began), own_memory().peak_mib, self._helpers_peak_mib)
        self._note("stage_end", {"line": outcome.line, "up_to_date": not outcome.fresh} | asdict(spent))
        for signal in outcome.signals if outcome.fresh else ():
            self._note("signal", signal.as_json())
        self._stage = ""
        return spent

    def end(self, error: BaseException | None) -> None:
        """Notes how the command ended."""
        if error:
            said = {"kind": type(error).__name__, "text": str(error)}
            is_bug = not isinstance(error, Recon3dError | KeyboardInterrupt) and not hasattr(error, "exit_code")
            self._note("error", said | ({"traceback": traceback.format_exc()} if is_bug else {}))
            self._stage = ""
        self._note("run_end", {"exit_code": _exit_code(error), "seconds": _since(self._began)})

    def _note(self, event: str, fields: dict[str, Any]) -> None:
        if self._log:
            self._log.write(event, self._stage, fields)


@contextmanager
def followed(log: Log | None) -> Iterator[Course]:
    """The course of what is done within, and how that ends."""
    course = Course(log)
    course.start()
    try:
        yield course
    except BaseException as error:
        course.end(error)
        raise
    course.end(None)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _gpu() -> str | None:
    import torch

    if torch.backends.mps.is_available():
        return "Apple"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _flat(settings: Settings) -> dict[str, Any]:
    """All settings by `section.key`."""
    return {f"{name}.{key}": value for name in sections() for key, value in vars(getattr(settings, name)).items()}


def _exit_code(error: BaseException | None) -> int:
    """What the program is about to end with."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return int(getattr(error, "exit_code", 1)) if error else 0  # typer's own errors know theirs
