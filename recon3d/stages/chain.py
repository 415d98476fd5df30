"""The chain of stages: a whole run, or one stage with what is missing before it."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from recon3d.scene import OUTPUTS, UPSTREAM, Scene
from recon3d.settings import Settings
from recon3d.stages.cloud import cloud
from recon3d.stages.depth import depth, is_trusted
from recon3d.stages.fuse import fuse
from recon3d.stages.init import Photos, init
from recon3d.stages.job import SECTION, Job, Outcome
from recon3d.stages.poses import poses
from recon3d.stages.refine import refine
from recon3d.stages.scale import scale

STAGES: dict[str, Callable[[Scene, Job], Outcome]] = {
    "poses": lambda scene, job: poses(scene, job, trusted_depth=is_trusted(job)),
    "depth": depth,
    "scale": lambda scene, job: scale(scene, job, trusted_depth=is_trusted(job)),
    "refine": lambda scene, job: refine(scene, job, trusted_depth=is_trusted(job)),
    "cloud": cloud,
    "fuse": fuse,
}
"""The stages after init, in their order."""


def run(photos: Photos, root: str | Path, job: Job) -> Iterator[Outcome]:
    """Does all stages, yielding each outcome as it is there.

    Raises:
        InputError: something handed in can't be used.
        StageError: a stage could not reach a result.
    """
    yield init(photos, root, job)
    scene = Scene.open(root)
    for stage in STAGES.values():
        yield stage(scene, job)


def run_to(scene: Scene, stage: str, job: Job) -> Iterator[Outcome]:
    """Does one stage, after those before it that are missing or stale.

    Raises:
        InputError: something handed in can't be used.
        StageError: the scene has no photos yet, or a stage could not reach a result.
    """
    needed = [stage]
    while needed[0] in UPSTREAM:
        needed.insert(0, UPSTREAM[needed[0]])
    for name in needed[1:]:
        yield STAGES[name](scene, dataclasses.replace(job, force=job.force and name == stage))


def settings_of(scene: Scene) -> Settings:
    """The settings that the scene was last worked with: what a single stage goes on from."""
    settings = Settings()
    for stage in OUTPUTS:
        settings = settings.replaced(SECTION.get(stage, stage), **scene.settings_of(stage))
    return settings
