"""Signals: things a user should know about a result, each with its number and what to do about it."""

from dataclasses import asdict, dataclass
from typing import Any

ADVICE = {
    "SKIPPED": "look at the files named; the other photos went on",
    "DAMAGED": "nothing needs doing; if it happens again, look after the disk",
    "SMALL_DISK": "make room before the long work begins; recon3d run … --dry-run tells what each stage needs",
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
    "POSES_ADJUSTED": "nothing needs doing; a calibrated camera and poses in step with the photos do better still",
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
    "DOUBLE_WALL": "look at the photos with the largest differences; a wrong pose or scale makes a second wall",
}
"""What to do about each signal."""

MEANING = {
    "DAMAGED": "files of the scene were changed or spoilt behind its back, as a failing disk does",
    "SKIPPED": "some files could not be used as photos, and the result is without them",
    "SMALL_DISK": "the disk may not hold what the run writes, and the run would stop before its end",
    "BROKEN_VIDEO": "the video ends in damage, and what it shows after that is missing",
    "SPARSE_VIDEO": "the frames that were kept lie far apart, so that some may share too little",
    "GUESSED_FOV": "nothing says how wide the lens sees, so an ordinary one was assumed; a wrong one bends the world",
    "LOW_PARALLAX": "the photos were taken from nearly one place, and from there distances can hardly be told",
    "ODOMETRY": "the photos were placed one after another by their depth, and small errors add up along the way",
    "NO_OVERLAP": "these photos share nothing with the others; how the parts lie to each other is not known",
    "DUPLICATES": "some photos are copies of others, or were taken from the very same place",
    "UNREGISTERED": "it could not be found out where these photos were taken, and the result is without them",
    "NO_POSE": "the file of poses has none for these photos, and the result is without them",
    "EXTRA_POSES": "the file of poses names photos that are not here",
    "POSES_ADJUSTED": "poses, as trackers give them, were a little off, and depth from photos wants them exact",
    "POSES_MISFIT": "what the photos show and where the poses put it don't fit; the surface will be torn or blurred",
    "FEW_TIES": "the scale of these photos' depth rests on their neighbours, and may be off",
    "FAR_FROM_TIES": "these parts were filled in from known points that lie far from them",
    "EMPTY": "these parts have no depth, and will be holes",
    "SCALE_SPREAD": "the depth model takes the same things for nearer in some photos and farther in others",
    "OUTLIER_VIEW": "what these photos say of the distance of things is not what the others say",
    "UNKNOWN_SCALE": "the shape may be right, but its lengths are not metres",
    "OUT_OF_RANGE": "depth beyond what the model or the settings allow was dropped",
    "ROUTER_UNSURE": "the model could not tell whether these photos show a room or a street, which it knows apart",
    "NO_PREDICTION": "the depth model gave nothing of use for these photos",
    "SMALLER_BATCH": "the memory held fewer photos at a time than were asked for; the result is the same",
    "LICENCE": "the model that was used may not be used for everything",
    "TRUNC_LT_RESIDUAL": "surfaces that differ by more than the truncation are built side by side, not averaged",
    "DOUBLE_WALL": "some surfaces were built twice, a little apart, since photos don't agree where they are",
}
"""What each signal means, for people who have never heard of it."""


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

    @property
    def meaning(self) -> str:
        """What it means."""
        return MEANING[self.code]

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {**asdict(self), "photos": list(self.photos), "advice": self.advice}
