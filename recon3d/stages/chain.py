"""The chain of stages: a whole run, or one stage with what is missing before it."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from recon3d.engine.shard import Shard
from recon3d.errors import InputError, StageError
from recon3d.formats.capture import read_capture
from recon3d.scene import OUTPUTS, UPSTREAM, Scene
from recon3d.settings import Settings
from recon3d.stages.cloud import cloud
from recon3d.stages.depth import depth
from recon3d.stages.depth_source import check_maps, is_trusted, with_model
from recon3d.stages.foresight import foresee
from recon3d.stages.fuse import fuse
from recon3d.stages.init import Photos, init
from recon3d.stages.job import SECTION, Job, Outcome
from recon3d.stages.match import passes_of
from recon3d.stages.mesh import mesh
from recon3d.stages.poses import poses
from recon3d.stages.refine import refine
from recon3d.stages.report import report
from recon3d.stages.room import outlook
from recon3d.stages.scale import check_known, scale
from recon3d.stages.texture import texture

STAGES: dict[str, Callable[[Scene, Job], Outcome]] = {
    "poses": lambda scene, job: poses(scene, job, trusted_depth=is_trusted(job)),
    "depth": depth,
    "scale": lambda scene, job: scale(scene, job, trusted_depth=is_trusted(job)),
    "refine": lambda scene, job: _refine(scene, job),
    "cloud": cloud,
    "fuse": fuse,
    "mesh": mesh,
    "report": report,
}
"""The stages after init, in their order."""

ON_DEMAND: dict[str, Callable[[Scene, Job], Outcome]] = {"texture": texture}
"""Stages that are done only where they are asked for."""


def run(photos: Photos, root: str | Path, job: Job) -> Iterator[Outcome]:
    """Does all stages, yielding each outcome as it is there.

    Raises:
        InputError: something handed in can't be used.
        StageError: a stage could not reach a result.
    """
    job = checked(photos, root, job)
    outcome, scene = init(photos, root, job), Scene.open(root)
    warnings = outlook(scene, passes_of(job.settings.refine, trusted=is_trusted(job)))
    yield dataclasses.replace(outcome, signals=(*outcome.signals, *warnings))
    check_maps(scene, job)
    for stage in STAGES.values():
        yield stage(scene, dataclasses.replace(job, force=False))


def checked(photos: Photos, root: str | Path, job: Job) -> Job:
    """The job of a whole run, with a depth model that is at hand: what can be known to fail is said before any work.

    Raises:
        InputError: something handed in can't be used.
    """
    try:
        job = with_model(job, Scene.open(root) if Scene.is_at(root) else None, goes_on=False)
        _check_files(job)
        check_known(job.settings.scale)
    except InputError:
        read_capture(photos, job.settings.photos.format)  # what is wrong with the photos is said first
        raise
    return job


def states(photos: Photos, root: str | Path, job: Job) -> dict[str, str]:
    """What a run would do, stage by stage: "up to date", "goes on" (begun, and not done) or "to do"; nothing is done.

    Raises:
        InputError: something else stands where the scene would be made.
    """
    found = dict.fromkeys(("init", *STAGES), "to do")
    if not Scene.is_at(root):
        Scene.check_place(root)
        return found
    job = dataclasses.replace(job, looks_only=True)
    scene = Scene.open(root)
    found["init"] = init(photos, root, job).line
    if found["init"] == "up to date":
        check_maps(scene, job)
    for stage, look in STAGES.items():
        if found[UPSTREAM[stage]] == "up to date":  # its key is in theirs
            found[stage] = look(scene, dataclasses.replace(job, force=False)).line
    return found


def run_to(scene: Scene, stage: str, job: Job) -> Iterator[Outcome]:
    """Does one stage, after those before it that are missing or stale.

    Raises:
        InputError: something handed in can't be used.
        StageError: the scene has no photos yet, or a stage could not reach a result.
    """
    if stage != "poses":  # which needs no depth
        job = with_model(job, scene, goes_on=True)
    check_known(job.settings.scale)
    needed = [stage]
    while needed[0] in UPSTREAM:
        needed.insert(0, UPSTREAM[needed[0]])
    if isinstance(job.engine, Shard):
        needed = _alone(scene, stage, job)
    if scene.is_done("init") and (rotten := scene.damaged("init")):
        raise StageError(
            f"{rotten[0]}: not as it was written ({len(rotten)} such files); take the photos in again with: recon3d "
            f"init PHOTOS -o {scene.place}"
        )
    for name in needed[1:]:
        yield (STAGES | ON_DEMAND)[name](scene, dataclasses.replace(job, force=job.force and name == stage))


def _alone(scene: Scene, stage: str, job: Job) -> list[str]:
    """The stage that shards share; what comes before it must be done."""
    before = UPSTREAM.get(stage, stage)
    if scene.state(before) != "done":
        raise StageError(
            f"{scene.place}: --shard: stage {before} is not done; first run: recon3d {before} {scene.place}"
        )
    if job.force:
        raise InputError("--force: goes without --shard: each would undo what the others did; run it once without")
    return [before, stage]


def _refine(scene: Scene, job: Job) -> Outcome:
    """Stage refine, where what comes after it can be done."""
    foresee(scene, job.settings)
    return refine(scene, job, trusted_depth=is_trusted(job))


def _check_files(job: Job) -> None:
    """What can be known to be missing is said before any work is done, not after structure from motion."""
    for path in (job.settings.poses.file, job.settings.photos.camera):
        if path and not Path(path).exists():
            raise InputError(f"{path}: no such file or folder; the settings name it")


def settings_of(scene: Scene) -> Settings:
    """The settings that the scene was last worked with: what a single stage goes on from."""
    settings = Settings()
    for stage in OUTPUTS:
        section = SECTION.get(stage, stage)
        known = {field.name for field in dataclasses.fields(getattr(settings, section))}
        values = {key: value for key, value in scene.settings_of(stage).items() if key in known}  # of an older recon3d
        settings = settings.replaced(section, **values)
    return settings
