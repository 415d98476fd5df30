"""Signals: things a user should know about a result, each with its number and what to do about it."""

from dataclasses import asdict, dataclass
from typing import Any

ADVICE = {
    "SKIPPED": "look at the files named; the other photos went on",
    "BROKEN_VIDEO": "copy the video again from its source; the frames before the break went on",
    "SPARSE_VIDEO": "raise photos.video_frames, or take a shorter or slower video",
    "GUESSED_FOV": "give the camera with --camera FILE, or use photos with EXIF; sizes depend on it",
    "LOW_PARALLAX": "move sideways between photos, not only turn",
    "ODOMETRY": "look at the result: odometry drifts; photos taken a step aside let structure from motion place them",
    "NO_OVERLAP": "take photos between them, with at least 60 % overlap, or reconstruct each by itself",
    "DUPLICATES": "leave one of each out: a copy adds nothing; photos a step apart would",
    "UNREGISTERED": "take more photos between these and their neighbours, with at least 60 % overlap",
    "NO_POSE": "add their poses to the file, or leave these photos out",
    "EXTRA_POSES": "add these photos, or nothing if they were left out on purpose",
    "POSES_MISFIT": "see that the poses are of these photos, in their order, and that the camera is right (--camera)",
    "FEW_TIES": "more overlap between photos, or more texture, makes ties",
    "FAR_FROM_TIES": "more photos of these parts make ties where there is texture; a depth network fills the rest",
    "EMPTY": "untextured surfaces need a depth network (recon3d models), or more photos from nearer by",
    "SCALE_SPREAD": "the depth model disagrees with itself across views; try another model",
    "OUTLIER_VIEW": "look at these photos: blur, mirrors or a wrong pose; leave them out if nothing helps",
    "UNKNOWN_SCALE": "give metric poses or --set scale.factor=METRES_PER_UNIT",
    "OUT_OF_RANGE": "see depth.max_depth_m; a network knows no depth beyond its training: recon3d models has others",
    "ROUTER_UNSURE": "say which it is: --model zoedepth-n for rooms, zoedepth-k for streets",
    "NO_PREDICTION": "these photos have no depth, the others went on; try another model (--model, --metric-from)",
    "SMALLER_BATCH": "nothing needs doing; depth.batch=N starts with so many",
    "LICENCE": "see that your use is allowed, or choose a model with another licence: recon3d models",
    "TRUNC_LT_RESIDUAL": "leave fuse.truncation automatic, or set it to twice that",
}
"""What to do about each signal."""


@dataclass(frozen=True)
class Signal:
    """One thing a user should know.

    Attributes:
        code: one of `ADVICE`.
        message: one line in plain language, with its number and unit.
        photos: names of the photos it is about; empty for the whole set.
    """

    code: str
    message: str
    photos: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.code]

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {**asdict(self), "photos": list(self.photos), "advice": self.advice}
