"""Dry run: what a run would do, leave on the disk, take in time and hold in memory; nothing is done or written."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recon3d.errors import InputError
from recon3d.place import placed
from recon3d.scene import Scene
from recon3d.stages.begun import rest_of
from recon3d.stages.chain import checked, states
from recon3d.stages.depth_source import is_trusted, nothing_recorded, reads_maps
from recon3d.stages.estimates import Estimate, estimates
from recon3d.stages.init import Photos
from recon3d.stages.intake import Intake, intake_of
from recon3d.stages.job import Job
from recon3d.stages.match import passes_of
from recon3d.stages.pace import Pace, measured


@dataclass(frozen=True)
class DryRun:
    """What is known before a run.

    Attributes:
        intake: what would be taken in.
        states: by stage "up to date", "goes on" or "to do".
        estimates: of each stage that isn't up to date.
        pace: what they rest on; None where all is up to date.
        disk: the folder, of those that are there, whose disk SCENE is on.
        free_bytes: there.
    """

    intake: Intake
    states: Mapping[str, str]
    estimates: Mapping[str, Estimate]
    pace: Pace | None
    disk: Path
    free_bytes: int

    @property
    def disk_bytes(self) -> float:
        """What is written in all, and stays."""
        return sum(one.disk_bytes for one in self.estimates.values())

    @property
    def most_bytes(self) -> float:
        """The most that stands on the disk at a time of what is written."""
        return self.disk_bytes + max((one.passing_bytes for one in self.estimates.values()), default=0.0)

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(one.seconds for one in self.estimates.values())

    @property
    def memory_bytes(self) -> float:
        """The most that is held at a time."""
        return max((one.memory_bytes for one in self.estimates.values()), default=0.0)

    @property
    def fits(self) -> bool:
        """Whether what is written should fit on the disk."""
        return self.most_bytes <= self.free_bytes


def dry_run(photos: Photos, root: str | Path, job: Job) -> DryRun:
    """Looks at the photos' headers, at the scene where there is one, and at how fast this machine is.

    Args:
        photos: as a run takes them.
        root: the scene's folder, which is not made.
        job: as a run's.

    Raises:
        InputError: a run would be refused for what was handed in.
    """
    job, root = checked(photos, root, job), placed(root)
    intake = intake_of(photos, job.settings)
    if reads_maps(job) and not job.settings.depth.maps and not intake.capture.depth:
        raise InputError(nothing_recorded(intake.count, intake.capture.format))
    found = states(photos, root, job)
    ahead = [stage for stage, state in found.items() if state != "up to date"]
    pace = measured(intake.samples, intake.working.most_common(1)[0][0], job) if ahead else None
    surface = Scene.open(root).facts("fuse").get("triangles") if found["fuse"] == "up to date" else None
    guessed = estimates(intake, pace, job, surface) if pace else {}
    passes = passes_of(job.settings.refine, trusted=is_trusted(job))
    others = min(job.settings.refine.matches, intake.count - 1)
    for stage in (stage for stage in ahead if found[stage] == "goes on"):
        guessed[stage] = rest_of(stage, guessed[stage], Scene.open(root), passes, others)
    disk = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.exists())
    return DryRun(
        intake,
        found,
        {stage: guessed[stage] for stage in ahead},
        pace,
        disk,
        shutil.disk_usage(disk).free,
    )
