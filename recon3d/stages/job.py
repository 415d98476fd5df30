"""What every stage shares: the job it is given, what it answers, and how it is claimed, done and found up to date."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recon3d.checksums import remove_with_siblings
from recon3d.depth.model import DepthModel
from recon3d.progress import Report, silent, unseen
from recon3d.scene import UPSTREAM, Scene
from recon3d.settings import Settings
from recon3d.signals import Signal

WITHOUT_EFFECT = {"photos.timeout_s", "poses.timeout_min", "depth.batch"}
"""Settings that don't decide what comes out, only whether it does."""

SECTION = {"init": "photos"}
"""The settings section of a stage, where it isn't called as the stage."""


@dataclass(frozen=True)
class Job:
    """What a stage is to work with, beside the scene.

    Attributes:
        settings: every knob; decides what comes out.
        device: where networks and fusion run; never decides what comes out.
        model: a depth model handed in from Python, instead of `settings.depth.model`.
        report: told of progress.
        force: do the stage asked for again even where it is up to date.
        begin: told a stage's name before it is looked at.
    """

    settings: Settings = field(default_factory=Settings)
    device: str = "auto"
    model: DepthModel | None = None
    report: Report = silent
    force: bool = False
    begin: Callable[[str], None] = unseen


@dataclass(frozen=True)
class Outcome:
    """What a stage did.

    Attributes:
        stage: its name.
        line: one line for people.
        facts: the numbers of it.
        signals: what the user should know.
        fresh: False where it was up to date.
    """

    stage: str
    line: str
    facts: dict[str, Any]
    signals: tuple[Signal, ...]
    fresh: bool


Found = tuple[str, dict[str, Any], list[Signal]]
"""What a stage's work returns: the line, the facts, the signals."""


def stage_key(stage: str, version: int, settings: Settings, extra: list[str], scene: Scene | None = None) -> str:
    """sha256 of all that decides what a stage writes.

    Args:
        stage: its name.
        version: of the stage's code; raised where it writes something else than before.
        settings: its own section counts.
        extra: digests of the files that settings name, versions of models.
        scene: gives the key of the stage before; None for the first.
    """
    upstream = scene.upstream_key(stage) if scene and stage in UPSTREAM else None
    text = json.dumps([stage, version, section_of(stage, settings), extra, upstream])
    return hashlib.sha256(text.encode()).hexdigest()


def section_of(stage: str, settings: Settings) -> dict[str, Any]:
    """The settings of one stage, as the manifest keeps them; those that never decide what comes out are left out."""
    name = SECTION.get(stage, stage)
    section = dataclasses.asdict(getattr(settings, name))
    return {key: value for key, value in section.items() if f"{name}.{key}" not in WITHOUT_EFFECT}


def run_stage(scene: Scene, stage: str, key: str, job: Job, work: Callable[[], Found]) -> Outcome:
    """Claims the stage, does its work and marks it done; does nothing where it is up to date."""
    job.begin(stage)
    with scene.locked():
        if job.force:
            scene.forget(stage)
        rotten = scene.damaged(stage) if scene.is_done(stage, key) else []
        if not rotten and scene.is_done(stage, key):
            return Outcome(stage, "up to date", scene.facts(stage), tuple(scene.signals(stage)), fresh=False)
        for path in rotten:
            remove_with_siblings(path)
        scene.start(stage, key, section_of(stage, job.settings))
        line, facts, signals = work()
        scene.finish(stage, facts, signals)
    return Outcome(stage, line, facts, (*_told(rotten, scene), *signals), fresh=True)


def _told(rotten: list[Path], scene: Scene) -> list[Signal]:
    """What is said of damaged files; not kept in the scene, which is again as if nothing had happened."""
    if not rotten:
        return []
    names = ", ".join(str(path.relative_to(scene.root)) for path in rotten[:5]) + (", …" if len(rotten) > 5 else "")
    return [Signal("DAMAGED", f"{len(rotten)} files were not as they were written, and were made again: {names}")]
