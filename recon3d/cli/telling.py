"""What a command tells people while it works, at the level that they asked for: its lines, signals and progress."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from recon3d.bars import bars, now_and_then
from recon3d.cli.course import Course, Spent, followed
from recon3d.cli.words import one_line, short
from recon3d.engine.in_process import IN_PROCESS
from recon3d.errors import InputError
from recon3d.log import Log
from recon3d.progress import Report, silent
from recon3d.settings import Settings

if TYPE_CHECKING:
    from recon3d.engine.work import Engine
    from recon3d.signals import Signal
    from recon3d.stages.job import Job, Outcome

Level = Literal["quiet", "normal", "verbose"]


@dataclass(frozen=True)
class Telling:
    """How a command tells what it does.

    Attributes:
        level: quiet says nothing but errors, verbose more than is normal.
        as_json: facts on stdout instead of lines.
        progress: shows it.
        course: measures and logs what is done; None where nobody asked for that.
    """

    level: Level
    as_json: bool
    progress: Report
    course: Course | None

    def job(
        self,
        settings: Settings,
        device: str | None = None,
        *,
        force: bool = False,
        engine: "Engine" = IN_PROCESS,
    ) -> "Job":
        """The job of a command, which tells here what becomes of it; the device where it makes a difference."""
        from recon3d.stages.job import Job

        if self.course:
            self.course.settings(settings, device)
        return Job(settings, device or "auto", None, self.report, force, self.begin, engine)

    def begin(self, stage: str) -> None:
        """Logs that a stage begins."""
        if self.course:
            self.course.begin(stage)

    def report(self, title: str, done: int, total: int, photo: str = "") -> None:
        """Shows and logs progress."""
        self.progress(title, done, total, photo)
        if self.course:
            self.course.report(title, done, total, photo)

    def all(self, outcomes: "Iterable[Outcome]") -> "list[Outcome]":
        """Tells each outcome when it is there: its line on stdout, its signals on stderr. In the end facts as JSON."""
        done = []
        for outcome in outcomes:
            done.append(outcome)
            spent = self.course.done(outcome) if self.course else None
            self.line(f"{outcome.stage}: {outcome.line}")
            if spent and self.level == "verbose":
                self.aside(_spent(spent))
            for signal in outcome.signals if outcome.fresh else ():
                self._signal(signal)
        if self.as_json:
            facts = {
                outcome.stage: {
                    **outcome.facts,
                    "fresh": outcome.fresh,
                    "signals": [signal.as_json() for signal in outcome.signals],
                }
                for outcome in done
            }
            typer.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return done

    def line(self, text: str) -> None:
        """Says what was done, on stdout."""
        if self.level != "quiet" and not self.as_json:
            typer.echo(text)

    def aside(self, text: str) -> None:
        """Says what else a user should know, on stderr."""
        if self.level != "quiet":
            _said(text)

    def _signal(self, signal: "Signal") -> None:
        verbose = self.level == "verbose"
        self.aside(f"{signal.code}: {signal.message if verbose else short(signal.message)} → {signal.advice}")
        if verbose and not all(photo in signal.message for photo in signal.photos):
            self.aside(f"  photos: {', '.join(signal.photos)}")


@contextmanager
def telling(
    scene: Path | None, *, log: Path | None, quiet: bool, verbose: bool, as_json: bool = False
) -> Iterator[Telling]:
    """Tells what a command does within; the log also tells how that ended.

    Args:
        scene: the scene's folder, where there is one.
        log: the file of `--log`.
        quiet: of `--quiet`.
        verbose: of `--verbose`.
        as_json: of `--json`.

    Raises:
        BadParameter: quiet and verbose at once.
        InputError: the log can't be written, or would lie in the scene.
    """
    if quiet and verbose:
        raise typer.BadParameter("got --quiet and --verbose, wanted one of them")
    if log and scene and log.resolve().is_relative_to(scene.resolve()):
        raise InputError(f"--log {log}: lies in SCENE, which holds nothing but what recon3d makes; name one beside it")
    level: Level = "quiet" if quiet else "verbose" if verbose else "normal"
    with ExitStack() as stack:
        file = stack.enter_context(closing(Log(log, _said))) if log else None
        progress = silent if quiet else stack.enter_context(bars(now_and_then(_said) if verbose else silent))
        course = stack.enter_context(followed(file)) if file or verbose else None
        yield Telling(level, as_json, progress, course)


def _said(text: str) -> None:
    typer.echo(f"  {one_line(text)}", err=True)


def _spent(spent: Spent) -> str:
    """What a stage took, for people."""
    helpers = f", and {spent.helpers_peak_mib} MiB in processes of its own" if spent.helpers_peak_mib else ""
    return f"{spent.seconds:.1f} s, at most {spent.peak_mib} MiB{helpers}"
