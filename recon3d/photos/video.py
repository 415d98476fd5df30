"""The few frames of a video that are worth being photos: apart by how the picture moved, and sharp."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array
from recon3d.photos.read import Photo, photo_of
from recon3d.photos.sniff import HEAD_BYTES, is_video_cut_short, shown
from recon3d.photos.video_file import opened_video
from recon3d.progress import Report, silent

LEAST_STEP = 0.04
"""Picked frames are at least about this far apart, however many are asked for [longer sides of the picture]."""

WIDE_STEP = 0.25
"""Frames that are further apart than this overlap too little for structure from motion [longer sides]."""

_SURVEY_SIDE = 480  # blur that matters at the working size still shows at this one [px]
_CORNERS = 200
_LEAST_CORNERS = 12
_RENEWAL = 0.08  # corners are found anew after this motion: most are still in the picture [longer sides]
_PATIENCE = 5  # frames without corners, such as blurred ones, before the view counts as another


@dataclass(frozen=True, eq=False)
class Survey:
    """What a first pass over all N frames found.

    Attributes:
        motion: (N,) how far the picture has moved since the first frame [longer sides]; never falls.
        sharpness: (N,) variance of the Laplacian of the small grey frame; compares frames of about the same view.
        time_s: (N,) when each frame is shown [s]; never falls.
        announced: frames that the file says it has; 0 where it does not say.
        is_cut: whether decoding ended well before the end that the file announces.
    """

    motion: Array
    sharpness: Array
    time_s: Array
    announced: int
    is_cut: bool


def survey_video(
    path: str | Path, *, max_megapixels: float, timeout_s: float = math.inf, report: Report = silent
) -> Survey:
    """Looks at each frame once, small and grey; memory does not grow with the frames but by three numbers each.

    Args:
        path: the video.
        max_megapixels: larger frames are refused before any is decoded [megapixels].
        timeout_s: how long a frame is waited for [s].
        report: told of progress.

    Raises:
        InputError: no file, no video, cut so that it can't be opened, or without a frame that can be decoded.
        UnansweredError: a frame was not there in time.
    """
    path = Path(path)
    title = f"frames of {shown(Path(path.name))}"
    motion: list[float] = []
    sharpness: list[float] = []
    times: list[float] = []
    track: _Track | None = None
    with opened_video(path, max_megapixels=max_megapixels, timeout_s=timeout_s) as video:
        announced = round(video.says(cv2.CAP_PROP_FRAME_COUNT))
        fps = video.says(cv2.CAP_PROP_FPS) or 25.0
        while (image := video.read()) is not None:
            grey = _small_grey(image, track.reference.shape if track else None)
            unsure = track.lost if track else 0
            track = _followed(track, grey) if track else _started(grey, 0.0)
            motion.append((track.travelled + track.shift) / _SURVEY_SIDE)
            if unsure and track.reference is grey:  # the new view began when the old one was lost
                motion[-1 - unsure :] = [motion[-1]] * (unsure + 1)
            sharpness.append(float(cv2.Laplacian(grey, cv2.CV_32F).var()))
            times.append(max(video.says(cv2.CAP_PROP_POS_MSEC) / 1000, times[-1] if times else 0.0))
            report(title, len(motion), max(announced, len(motion)))
    if not motion:
        raise InputError(f"{shown(path)}: got a video without a frame that can be decoded; convert it to H.264 MP4")
    is_cut = _is_cut(path)
    if is_cut is None:  # by count and by time, since such containers estimate the count from the time
        lasts_s = announced / fps
        is_cut = len(motion) < 0.95 * announced - 2 and times[-1] < 0.95 * lasts_s - 0.2
    return Survey(np.maximum.accumulate(motion), np.array(sharpness), np.array(times), announced, is_cut)


def pick_frames(survey: Survey, *, count: int, interval_s: float | None = None) -> list[int]:
    """Numbers of the frames to keep: the sharpest of each stretch in which the picture moves by one step.

    A step is `LEAST_STEP`, or more where the frames would be too many: so a camera that stands still gives one frame,
    and a fast one more than a slow one. Two frames are never nearer than half a step.

    Args:
        survey: of the video.
        count: the most frames that are wanted.
        interval_s: stretches last at least this long, too [s].

    Returns:
        Numbers from 0, increasing; at least one.

    Raises:
        InputError: no frames are asked for.
    """
    step, interval = step_of(survey, count), interval_s or 0.0
    motion, times, sharpness = survey.motion, survey.time_s, survey.sharpness
    picks: list[int] = []
    start, frames = 0, len(motion)
    for end in range(1, frames + 1):
        moved_on = end < frames and motion[end] - motion[start] >= step and times[end] - times[start] >= interval
        if not moved_on and end < frames:
            continue
        stretch = np.arange(start, end)
        if picks:
            far = motion[stretch] - motion[picks[-1]] >= step / 2
            stretch = stretch[far & (times[stretch] - times[picks[-1]] >= interval / 2)]
        if len(stretch) and len(picks) < count:
            picks.append(int(stretch[np.argmax(sharpness[stretch])]))
        start = end
    return picks


def step_of(survey: Survey, count: int) -> float:
    """How far the picture moves from one picked frame to the next, about [longer sides].

    Raises:
        InputError: no frames are asked for.
    """
    if count < 1:
        raise InputError(f"photos.video_frames: got {count}, wanted at least 1")
    return max(LEAST_STEP, float(survey.motion[-1]) / count)


def frames_of(
    path: str | Path,
    picks: Collection[int],
    *,
    max_megapixels: float,
    max_side: int | None = None,
    timeout_s: float = math.inf,
) -> Iterator[tuple[int, Photo]]:
    """Decodes the picked frames in a second pass, one in memory at a time, upright as the file says.

    Args:
        path: the video.
        picks: numbers of frames, as `pick_frames` gives them.
        max_megapixels: larger frames are refused before any is decoded [megapixels].
        max_side: frames whose longer side is above this are shrunk to it [px]; None = never.
        timeout_s: how long a frame is waited for [s].

    Yields:
        Number and photo, in order.

    Raises:
        InputError: the video can't be opened.
        UnansweredError: a frame was not there in time.
    """
    last = max(picks, default=-1)
    with opened_video(Path(path), max_megapixels=max_megapixels, timeout_s=timeout_s) as video:
        for number in range(last + 1):
            if not video.grab():
                return
            if number in picks:
                image = video.retrieve()
                if image is not None:
                    yield number, photo_of(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), max_side=max_side)


def _is_cut(path: Path) -> bool | None:
    with path.open("rb") as file:
        return is_video_cut_short(file, file.read(HEAD_BYTES))


def _small_grey(image: Array, shape: tuple[int, int] | None) -> Array:
    """(h, w) uint8 grey of a BGR frame, its longer side `_SURVEY_SIDE`, or of the shape given."""
    height, width = image.shape[:2]
    if shape is None:
        scale = _SURVEY_SIDE / max(height, width)
        shape = max(16, round(height * scale)), max(16, round(width * scale))
    grey: Array = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), shape[::-1], interpolation=cv2.INTER_AREA)
    return grey


@dataclass(frozen=True, eq=False)
class _Track:
    """Corners of a reference frame, followed to the newest one.

    Attributes:
        reference: (h, w) uint8 grey.
        corners: (K, 1, 2) float32 in the reference [px].
        newest: (K, 1, 2) float32, where they were last seen [px].
        travelled: motion up to the reference [px].
        shift: median motion of the corners since [px].
        lost: frames since they were last seen.
    """

    reference: Array
    corners: Array
    newest: Array
    travelled: float
    shift: float = 0.0
    lost: int = 0


def _started(grey: Array, travelled: float) -> _Track:
    corners = cv2.goodFeaturesToTrack(grey, _CORNERS, 0.01, 8)
    corners = np.zeros((0, 1, 2), np.float32) if corners is None else corners
    return _Track(grey, corners, corners, travelled)


def _followed(track: _Track, grey: Array) -> _Track:
    """The track one frame on.

    Corners are followed from the reference, not from frame to frame, so that noise does not add up to motion. They
    count as seen where following them back leads to where they came from (Kalal et al., ICPR 2010). A view that
    stays unrecognised is another one: a step away.
    """
    if len(track.corners) >= _LEAST_CORNERS:
        newest, seen = _seen(track, grey)
        if seen.mean() >= 0.5:
            moved = np.linalg.norm(newest[seen] - track.corners[seen], axis=-1)
            track = replace(track, newest=newest, shift=float(np.median(moved)), lost=0)
            if track.shift < _RENEWAL * _SURVEY_SIDE:
                return track
            return _started(grey, track.travelled + track.shift)
        if track.lost + 1 < _PATIENCE:
            return replace(track, lost=track.lost + 1)
    renewed = _started(grey, track.travelled + track.shift)
    was_blank, is_blank = (len(t.corners) < _LEAST_CORNERS for t in (track, renewed))
    jump = 0.0 if was_blank and is_blank else LEAST_STEP * _SURVEY_SIDE
    return replace(renewed, travelled=renewed.travelled + jump)


def _seen(track: _Track, grey: Array) -> tuple[Array, Array]:
    """Where the corners are in a frame, (K, 1, 2) [px], and which of them, (K,) bool, were found."""
    flags = cv2.OPTFLOW_USE_INITIAL_FLOW
    newest, found, _ = cv2.calcOpticalFlowPyrLK(track.reference, grey, track.corners, track.newest.copy(), flags=flags)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(grey, track.reference, newest, track.corners.copy(), flags=flags)
    returns = np.linalg.norm(back - track.corners, axis=-1)[:, 0] < 1.0
    return newest, (found[:, 0] == 1) & (found_back[:, 0] == 1) & returns
