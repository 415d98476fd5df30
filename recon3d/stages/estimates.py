"""Estimates: what each stage of a run will leave on the disk, take in time and hold in memory, before it is done."""

import os
from dataclasses import dataclass

from recon3d.stages.depth_source import is_trusted, reads_maps, uses_ties
from recon3d.stages.intake import Intake, pixels_of
from recon3d.stages.job import Job
from recon3d.stages.match import passes_of
from recon3d.stages.pace import Pace, samples_each

# What follows was fitted to runs of three sets (docs/benchmarks.md). Units are `Pace.unit_s`, so that they go with the
# machine.
WORK: dict[str, tuple[float, float, float]] = {
    "depth": (0.0, 1.6, 0.0),
    "scale": (3.5, 0.0, 0.0),
    "refine": (0.0, 10.0, 0.0),
    "cloud": (0.0, 12.0, 0.0),
    "fuse": (0.0, 7.0, 140.0),
    "mesh": (0.0, 0.0, 400.0),
    "report": (10.0, 0.0, 0.0),
}
"""Units that a photo takes in a stage, a million pixels of the photos, and a million triangles of the surface: of
`depth` where it is read from files, of `refine` without matching."""
MATCH_EXTRA = 1.3
"""Of the time of matching alone, with what comes along: photos are read, and the misfit of each is looked at."""
TRUSTED_SHARE = 0.1
"""Of the work of `scale` where depth is a sensor's, which is looked at in few photos."""
PAIR_UNITS, PLACED_UNITS = 0.07, 3.0
"""A pair of photos of a thousand features each, which grows with the product of both; and a thousand features of a
photo while a set of `PLACED` photos gets its poses, which grows as the fourth root of their number."""
PLACED, GIVEN_SHARE = 30, 0.3
"""And what of it is left where poses are given."""
PAIRS_OF_GIVEN, LOOK_ALIKES = 7.0, 0.75
"""Pairs a photo where poses are given; and how many of its look-alikes are no neighbours' or each other's."""
TABLE_BYTES, SCALE_BYTES = 1500, 750
"""What stands of a photo in the tables of cameras, and in those of `scale`."""
FEATURE_BYTES, MATCH_BYTES, MATCH_SHARE = 128 + 24, 2 * 8, 0.1
"""Descriptor and key point; a match, and again where it fits the geometry of its two photos; and how many of a photo's
features match in another, over all pairs."""
SEEN, MOST = 0.25, 1.4e6
"""Triangles a pixel where photos are few, and those of a surface that is 512 voxels long, as most are."""
POINT_SHARE, POINT_BYTES, TRIANGLE_BYTES = 1.1, 27, 27
"""Points of the cloud a triangle; and what they and a triangle with its half of a vertex take in a file."""
THUMBNAIL_BYTES, REPORT_BYTES = 50e3, 1e6
"""Of a photo in the report, and of the rest."""
BASE_BYTES = 700e6
"""Memory of Python and its libraries."""
HELD_BYTES: dict[str, tuple[float, float]] = {
    "cloud": (0.0, 165.0),
    "fuse": (250e6, 250.0),
    "mesh": (0.0, 110.0),
    "report": (0.0, 100.0),
}
"""Memory that a stage takes beside it, and that of a triangle."""
FEATURES_HELD = 40e6
"""Memory that a thousand features a photo take while photos are matched."""
VIEWS_HELD, MAPS_HELD = 24, 24
"""Views that `refine` holds, and bytes of a pixel of theirs; beside three volumes of costs."""


@dataclass(frozen=True)
class Estimate:
    """Of one stage.

    Attributes:
        disk_bytes: what it leaves.
        passing_bytes: what stands on the disk beside that while it works.
        core_s: work of all cores together, or of the GPU [s].
        cores: that work at a time.
        memory_bytes: the most that its processes hold.
    """

    disk_bytes: float
    passing_bytes: float
    core_s: float
    cores: int
    memory_bytes: float

    @property
    def seconds(self) -> float:
        """By the clock, on a machine that has nothing else to do."""
        return self.core_s / self.cores


def estimates(intake: Intake, pace: Pace, job: Job, triangles: float | None = None) -> dict[str, Estimate]:
    """Of all stages, as if none were done and all photos were placed.

    Args:
        intake: the photos.
        pace: of the machine.
        job: what is to be done.
        triangles: of the surface, where it is there.
    """
    if triangles is None:
        triangles = min(SEEN * intake.pixels, MOST) if intake.count > 1 else 2.0 * intake.pixels
    surface = TRIANGLE_BYTES * triangles
    shown = min(intake.count, job.settings.report.photos)
    disk = {
        "scale": (SCALE_BYTES * intake.count, 0.0),
        "cloud": (POINT_BYTES * POINT_SHARE * triangles, 0.0),
        "fuse": (surface, surface),
        "mesh": (2 * surface, 0.0),
        "report": (REPORT_BYTES + THUMBNAIL_BYTES * shown, 0.0),
    }
    photos = dict.fromkeys(disk, float(intake.count)) | {"report": float(shown)}
    photos["scale"] *= TRUSTED_SHARE if is_trusted(job) else 1.0
    rest = {
        stage: Estimate(
            *written,
            _units(stage, photos[stage], intake.pixels, triangles) * pace.unit_s,
            1,
            BASE_BYTES + _held(stage, triangles),
        )
        for stage, written in disk.items()
    }
    first = {"init": _init(intake, pace), "poses": _poses(intake, pace, job), "depth": _depth(intake, pace, job)}
    return first | rest | {"refine": _refine(intake, pace, job)}


def _units(stage: str, photos: float, pixels: float, triangles: float) -> float:
    per_photo, per_million, per_million_triangles = WORK[stage]
    return per_photo * photos + (per_million * pixels + per_million_triangles * triangles) / 1e6


def _held(stage: str, triangles: float) -> float:
    always, per_triangle = HELD_BYTES.get(stage, (0.0, 0.0))
    return always + per_triangle * triangles


def _cores() -> int:
    return os.cpu_count() or 1


def _init(intake: Intake, pace: Pace) -> Estimate:
    threads, written, spent = min(4, _cores()), TABLE_BYTES * intake.count, 0.0
    encoded = 0.0
    for one in intake.ones:
        pixels = one.count * one.small[0] * one.small[1]
        written += one.copied_bytes
        spent += 0.0 if one.frames else pace.decode_s
        if not one.copied_bytes:
            encoded += pixels * (pace.png_bytes if one.lossless else pace.jpeg_bytes)
            spent += pixels / 1e6 * pace.encode_s
    spent += 2 * pixels_of(intake.films) / 1e6 * pace.encode_s
    full = max(width * height for width, height in intake.taken)
    return Estimate(written + encoded, 0.0, spent, threads, BASE_BYTES + 6 * full * threads)


def _poses(intake: Intake, pace: Pace, job: Job) -> Estimate:
    count, thousands = intake.count, pace.features / 1e3
    if intake.has_poses and is_trusted(job):
        count = min(count, job.settings.scale.trusted_photos)
    pairs = _pairs(count, intake, job)
    bends, share = any(one.bends for one in intake.ones), intake.lossless_share
    written = intake.pixels * (share * pace.png_bytes + (1 - share) * pace.jpeg_bytes) if bends else 0.0
    features = count * pace.features * FEATURE_BYTES + pairs * MATCH_SHARE * pace.features * MATCH_BYTES
    if intake.count == 1:
        return Estimate(TABLE_BYTES, 0.0, pace.encode_s, 1, BASE_BYTES)
    placed = PLACED_UNITS * count * thousands * (count / PLACED) ** 0.25 * (GIVEN_SHARE if intake.has_poses else 1.0)
    spent = count * pace.features_s + (pairs * PAIR_UNITS * thousands**2 + placed) * pace.unit_s
    spent += 3 * pace.encode_s * intake.pixels / 1e6 if bends else 0.0
    memory = BASE_BYTES + FEATURES_HELD * thousands + 2 * features
    return Estimate(features + written + 2 * TABLE_BYTES * intake.count, 0.0, spent, _cores(), memory)


def _pairs(count: int, intake: Intake, job: Job) -> float:
    """Pairs of photos that are matched, about."""
    settings, every = job.settings.poses, count * (count - 1) / 2
    if intake.has_poses:
        return min(every, PAIRS_OF_GIVEN * count)
    if count <= settings.exhaustive_up_to:
        return every
    return min(every, count * (settings.neighbours + LOOK_ALIKES * settings.similar))


def _depth(intake: Intake, pace: Pace, job: Job) -> Estimate:
    if reads_maps(job) or uses_ties(job):
        return Estimate(4 * intake.pixels, 0.0, _units("depth", 0, intake.pixels, 0) * pace.unit_s, 1, BASE_BYTES)
    maps, spent = 2 if pace.has_sigma else 1, pace.load_s + intake.count * pace.predict_s
    lanes = 1 if pace.on_gpu else _cores()
    memory = BASE_BYTES + pace.network_bytes + lanes * pace.photo_bytes
    return Estimate(4 * intake.pixels * maps, 0.0, spent, lanes, memory)


def _refine(intake: Intake, pace: Pace, job: Job) -> Estimate:
    settings = job.settings.refine
    passes = passes_of(settings, trusted=is_trusted(job)) if intake.count > 1 else ()
    others = min(settings.matches, intake.count - 1)
    samples = MATCH_EXTRA * sum(how.share**2 * samples_each(how, others) for how in passes)
    largest = max(width * height for width, height in intake.working)
    volumes = 3 * max((4 * how.share**2 * how.count for how in passes), default=0)
    return Estimate(
        8 * intake.pixels,
        sum(8 * how.share**2 for how in passes) * intake.pixels,
        intake.pixels / 1e6 * samples * pace.match_s + _units("refine", 0, intake.pixels, 0) * pace.unit_s,
        _cores() if passes and not pace.on_gpu else 1,
        BASE_BYTES + largest * (VIEWS_HELD * MAPS_HELD + volumes),
    )
