"""Estimates: what each stage of a run will leave on the disk, take in time and hold in memory, before it is done."""

import os
from dataclasses import dataclass

from recon3d.stages.depth_source import is_trusted, reads_maps, uses_ties
from recon3d.stages.intake import Intake, pixels_of
from recon3d.stages.job import Job
from recon3d.stages.match import passes_of
from recon3d.stages.pace import Pace, samples_each

# What follows was fitted to runs of the sample room and of four captures (bench/foresight.py). Times are in units of
# `Pace.unit_s`, so that they go with the machine.
BASE_BYTES = 650e6
"""Python and its libraries."""
TABLE_BYTES = 1500
"""What stands of a photo in the tables of a stage."""
FEATURE_BYTES, MATCH_BYTES = 128 + 24, 2 * 8
"""Descriptor and key point; a match, and again where it fits the geometry of its two photos."""
MATCH_SHARE = 0.1
"""Of a photo's features that match in another, over all pairs."""
PAIR_UNITS = 0.05
"""A pair of photos of a thousand features each; grows with the product of both."""
MAPPED_UNITS = 5.0
"""A thousand features of a photo while poses are found, in a set of `MAPPED_SET` photos; grows as the fourth root."""
MAPPED_SET = 30
SCALE_UNITS, KEPT_UNITS, CLOUD_UNITS, FUSE_UNITS, CLEAN_UNITS, REPORT_UNITS = 8.0, 15.0, 5.0, 20.0, 60.0, 20.0
"""A million pixels of the photos, in the stages that bear these names; a million triangles where they are cleaned."""
SEEN_TRIANGLES, MOST_TRIANGLES = 0.2, 1.5e6
"""Triangles a pixel, and those of a surface that is 512 voxels long."""
THUMBNAIL_BYTES, REPORT_BYTES = 30e3, 2e6
"""Of a photo in the report, and of the rest."""


@dataclass(frozen=True)
class Estimate:
    """Of one stage.

    Attributes:
        disk_bytes: what it leaves.
        passing_bytes: what stands on the disk beside that while it works.
        core_s: work of all cores together, or of the GPU [s].
        cores: that work at a time, on average.
        memory_bytes: the most that its processes hold.
    """

    disk_bytes: float
    passing_bytes: float
    core_s: float
    cores: float
    memory_bytes: float

    @property
    def seconds(self) -> float:
        """By the clock, on a machine that has nothing else to do."""
        return self.core_s / self.cores


def estimates(intake: Intake, pace: Pace, job: Job) -> dict[str, Estimate]:
    """Of all stages, as if none were done and all photos were placed.

    Args:
        intake: the photos.
        pace: of the machine.
        job: what is to be done.
    """
    cores, settings = os.cpu_count() or 1, job.settings
    million = intake.pixels / 1e6
    largest = max(width * height for width, height in intake.working)
    triangles = min(SEEN_TRIANGLES * intake.pixels, MOST_TRIANGLES) if intake.count > 1 else 2.0 * intake.pixels
    passes = passes_of(settings.refine, trusted=is_trusted(job)) if intake.count > 1 else ()
    others = min(settings.refine.matches, intake.count - 1)
    samples = sum(how.share**2 * samples_each(how, others) for how in passes)
    passing = sum(8 * how.share**2 for how in passes) * intake.pixels
    fusing = min(settings.fuse.max_memory_gib * 2**30, 40e3 * triangles / 10)
    return {
        "init": _init(intake, pace, cores),
        "poses": _poses(intake, pace, job, cores),
        "depth": _depth(intake, pace, job, cores),
        "scale": Estimate(
            2 * TABLE_BYTES * intake.count, 0, SCALE_UNITS * million * pace.unit_s, 1, BASE_BYTES + 10 * largest
        ),
        "refine": Estimate(
            8 * intake.pixels,
            passing,
            million * (samples * pace.match_s + KEPT_UNITS * pace.unit_s),
            cores if passes else 1,
            BASE_BYTES + largest * (24 * 24 + (4 * 65 * 3 if passes else 0)),
        ),
        "cloud": Estimate(
            POINT_BYTES * triangles / 2, 0, CLOUD_UNITS * million * pace.unit_s, 1, BASE_BYTES + 200 * triangles
        ),
        "fuse": Estimate(
            (VERTEX_BYTES / 2 + TRIANGLE_BYTES) * triangles,
            (VERTEX_BYTES / 2 + TRIANGLE_BYTES) * triangles,
            FUSE_UNITS * million * pace.unit_s,
            1,
            BASE_BYTES + fusing,
        ),
        "mesh": Estimate(
            2 * (VERTEX_BYTES / 2 + TRIANGLE_BYTES) * triangles,
            0,
            CLEAN_UNITS * triangles / 1e6 * pace.unit_s,
            1,
            BASE_BYTES + 400 * triangles,
        ),
        "report": Estimate(
            THUMBNAIL_BYTES * min(intake.count, settings.report.photos) + REPORT_BYTES,
            0,
            REPORT_UNITS * million * pace.unit_s,
            1,
            BASE_BYTES + 400 * triangles,
        ),
    }


POINT_BYTES, VERTEX_BYTES, TRIANGLE_BYTES = 27, 27, 13
"""In PLY files."""


def _init(intake: Intake, pace: Pace, cores: int) -> Estimate:
    threads, copied, encoded, spent = min(4, cores), 0, 0.0, 0.0
    for one in intake.ones:
        pixels = one.count * one.small[0] * one.small[1]
        copied += one.copied_bytes
        spent += 0 if one.frames else pace.decode_s
        if not one.copied_bytes:
            encoded += pixels * (pace.png_bytes if one.lossless else pace.jpeg_bytes)
            spent += pixels / 1e6 * pace.encode_s
    spent += 2 * pixels_of(intake.films) / 1e6 * pace.encode_s
    full = max(width * height for width, height in intake.taken)
    return Estimate(copied + encoded + TABLE_BYTES * intake.count, 0, spent, threads, BASE_BYTES + 6 * full * threads)


def _poses(intake: Intake, pace: Pace, job: Job, cores: int) -> Estimate:
    settings, count, thousands = job.settings.poses, intake.count, pace.features / 1e3
    is_given = intake.has_poses
    if is_given and is_trusted(job):
        count = min(count, job.settings.scale.trusted_photos)
    if is_given:
        pairs = 7.0 * count
    elif count <= settings.exhaustive_up_to:
        pairs = count * (count - 1) / 2
    else:
        pairs = count * (settings.neighbours + 0.75 * settings.similar)
    pairs = min(pairs, count * (count - 1) / 2)
    bends, share = any(one.bends for one in intake.ones), intake.lossless_share
    written = intake.pixels * (share * pace.png_bytes + (1 - share) * pace.jpeg_bytes) if bends else 0.0
    found = count * thousands * MAPPED_UNITS * (count / MAPPED_SET) ** 0.25 * (0.3 if is_given else 1.0)
    spent = count * pace.features_s + (pairs * PAIR_UNITS * thousands**2 + found) * pace.unit_s
    spent += 3 * pace.encode_s * intake.pixels / 1e6 if bends else 0.0
    features = count * pace.features * FEATURE_BYTES + pairs * MATCH_SHARE * pace.features * MATCH_BYTES
    memory = BASE_BYTES + cores * 8e6 * thousands + 2 * features
    if intake.count == 1:
        return Estimate(TABLE_BYTES, 0, 0.1, 1, BASE_BYTES)
    return Estimate(features + written + TABLE_BYTES * intake.count, 0, spent, cores, memory)


def _depth(intake: Intake, pace: Pace, job: Job, cores: int) -> Estimate:
    if reads_maps(job) or uses_ties(job):
        spent, per_photo = intake.pixels / 1e6 * pace.unit_s, 1
    else:
        spent, per_photo = pace.load_s + intake.count * pace.predict_s, 2 if pace.has_sigma else 1
    return Estimate(4 * intake.pixels * per_photo, 0, spent, cores, BASE_BYTES)
