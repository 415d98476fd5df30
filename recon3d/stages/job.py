"""What every stage shares: the job it is given, what it answers, and how it is claimed, done and found up to date."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recon3d.depth.model import DepthModel
from recon3d.engine.in_process import IN_PROCESS
from recon3d.engine.shard import OthersAtWork, Shard
from recon3d.engine.work import Engine
from recon3d.errors import InputError, StageError
from recon3d.lock import SETTLE_S
from recon3d.progress import Report, silent, unseen
from recon3d.scene import UPSTREAM, Scene
from recon3d.settings import Settings
from recon3d.signals import Signal
from recon3d.stages.room import check_stage

WITHOUT_EFFECT = {"photos.timeout_s", "poses.timeout_min", "depth.batch"}
"""Settings that don't decide what comes out, only whether it does."""

SHARED = ("poses", "depth", "refine", "fuse")
"""Stages whose work can be shared by processes that know nothing of each other."""

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
        engine: has the pieces of the work done; never decides what comes out.
        looks_only: stages say whether they are up to date, and neither do nor write anything.
    """

    settings: Settings = field(default_factory=Settings)
    device: str = "auto"
    model: DepthModel | None = None
    report: Report = silent
    force: bool = False
    begin: Callable[[str], None] = unseen
    engine: Engine = IN_PROCESS
    looks_only: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """What of the job goes to other processes: who listens, and whom it employs, stay here."""
        return vars(self) | {"report": silent, "begin": unseen, "engine": IN_PROCESS}


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
    """Claims the stage, does its work and marks it done; does nothing where it is up to date.

    Raises:
        InputError: a share of it was asked for, and it can't be shared.
        StageError: another process works on the scene; or the work could not be done.
    """
    if isinstance(job.engine, Shard):
        raise InputError(f"--shard: stage {stage} is done by one process; shards share {', '.join(SHARED)}")
    return run_shared_stage(scene, stage, key, job, lambda: work)


def run_shared_stage(
    scene: Scene, stage: str, key: str, job: Job, spread: Callable[[], Callable[[], Found]]
) -> Outcome:
    """The same for a stage whose pieces the job's engine does, perhaps in other processes.

    Args:
        scene: whose.
        stage: its name.
        key: of `stage_key`.
        job: the stage's.
        spread: has the pieces done; gives the work that is left when all of them are there.
    """
    if job.looks_only:
        return _looked_at(scene, stage, key, job)
    job.begin(stage)
    if isinstance(job.engine, Shard):
        if scene.mirror:
            raise InputError(f"--shard: shares a SCENE in a folder, not {scene.place}; take --engine ray")
        return _run_share(scene, stage, key, job, spread)
    with scene.locked():
        if job.force:
            scene.forget(stage)
        rotten = _claim(scene, stage, key, job)
        if rotten is None:
            return _up_to_date(scene, stage)
        line, facts, signals = spread()()
        scene.finish(stage, facts, signals)
    return Outcome(stage, line, facts, (*_told(rotten, scene), *signals), fresh=True)


def _run_share(scene: Scene, stage: str, key: str, job: Job, spread: Callable[[], Callable[[], Found]]) -> Outcome:
    """One of several processes: the first claims the stage, the last to be done with its share ends it."""
    with scene.shared() as lock:
        if lock.is_alone:
            if _claim(scene, stage, key, job) is None:
                return _up_to_date(scene, stage)
            if not lock.together():
                raise lock.refusal()
        elif not scene.is_claimed(stage, key):
            raise StageError(
                f"{scene.place}: others work on this scene, on another stage or with other settings; wait until they "
                "are done"
            )
        try:
            work = spread()
        except OthersAtWork as rest:
            return Outcome(stage, str(rest), {}, (), fresh=True)
        if not lock.alone(SETTLE_S) or scene.is_done(stage, key):
            return Outcome(stage, "all parts are done; another process ends the stage", {}, (), fresh=True)
        line, facts, signals = work()
        scene.finish(stage, facts, signals)
    return Outcome(stage, line, facts, tuple(signals), fresh=True)


def _claim(scene: Scene, stage: str, key: str, job: Job) -> list[Path] | None:
    """Makes the stage this process's; names what of it was damaged and is removed, or None where it is up to date."""
    rotten = scene.damaged(stage) if scene.says_done(stage, key) else []
    if not scene.is_done(stage, key):  # what was deleted is made again without a word
        rotten = [path for path in rotten if path.exists()]
    elif not rotten:
        return None
    for path in rotten:
        scene.remove_damaged(path)
    scene.start(stage, key, section_of(stage, job.settings))
    check_stage(scene, stage)
    return rotten


def _up_to_date(scene: Scene, stage: str) -> Outcome:
    return Outcome(stage, "up to date", scene.facts(stage), tuple(scene.signals(stage)), fresh=False)


def _looked_at(scene: Scene, stage: str, key: str, job: Job) -> Outcome:
    """What would become of the stage."""
    if not job.force and scene.is_done(stage, key):
        return _up_to_date(scene, stage)
    goes_on = not job.force and scene.is_claimed(stage, key)
    return Outcome(stage, "goes on" if goes_on else "to do", {}, (), fresh=True)


def _told(rotten: list[Path], scene: Scene) -> list[Signal]:
    """What is said of damaged files; not kept in the scene, which is again as if nothing had happened."""
    if not rotten:
        return []
    names = ", ".join(str(path.relative_to(scene.root)) for path in rotten[:5]) + (", …" if len(rotten) > 5 else "")
    return [Signal("DAMAGED", f"{len(rotten)} files were not as they were written, and were made again: {names}")]


def given_up(photo: str, reason: str) -> StageError:
    """What is said of a photo that no worker survives."""
    return StageError(f"{photo}: {reason}; leave this photo out, or look at the memory of the machines that work")
