"""A video file that is open: its container was checked, and no step of its decoder is waited for without end."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array
from recon3d.photos.read import check_size
from recon3d.photos.sniff import HEAD_BYTES, is_video, lacks_index, shown, what_instead
from recon3d.photos.watchdog import UnansweredError, answered


class VideoFile:
    """The frames of a video, one after another; upright, as the file says."""

    def __init__(self, video: cv2.VideoCapture, path: Path, timeout_s: float) -> None:
        self._video, self._path, self._timeout_s = video, path, timeout_s

    def says(self, what: int) -> float:
        """What the container says about itself, by one of OpenCV's CAP_PROP numbers; 0 where that is no number."""
        value: float = self._video.get(what)
        return value if math.isfinite(value) and value > 0 else 0.0

    def read(self) -> Array | None:
        """The next frame, (H, W, 3) uint8 BGR; None where there is none.

        Raises:
            UnansweredError: it was not there in time.
        """
        got, image = answered(self._video.read, self._path, self._timeout_s)
        return image if got else None

    def grab(self) -> bool:
        """Goes on to the next frame, as `read` does, without its pixels; False where there is none."""
        return answered(self._video.grab, self._path, self._timeout_s)

    def retrieve(self) -> Array | None:
        """The pixels of the frame that was gone on to."""
        got, image = answered(self._video.retrieve, self._path, self._timeout_s)
        return image if got else None


@contextmanager
def opened_video(path: Path, *, max_megapixels: float, timeout_s: float) -> Iterator[VideoFile]:
    """The open video, its container checked first: by its content alone, FFmpeg would also follow playlists.

    Raises:
        InputError: no file, no video, cut so that it can't be opened, or with larger frames.
        UnansweredError: it was not open in time.
    """
    where = shown(path)
    answered(lambda: _check(path, where), path, timeout_s)
    video = answered(lambda: _quietly_opened(path), path, timeout_s)
    try:
        if not video.isOpened():
            raise InputError(f"{where}: the video is damaged or of an unknown kind; convert it to H.264 MP4")
        video.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        file = VideoFile(video, path, timeout_s)
        width, height = (round(file.says(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        check_size(width, height, where, max_megapixels)
        yield file
    except UnansweredError:
        raise  # its decoder is still at work in the thread that hangs: not to be closed under it
    except BaseException:
        video.release()
        raise
    video.release()


def _check(path: Path, where: str) -> None:
    try:
        if not path.is_file():
            state = "is not a regular file" if path.exists() or path.is_symlink() else "no such file"
            raise InputError(f"{where}: {state}, wanted a video")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if not is_video(head):
                raise InputError(f"{where}: got {what_instead(head)}, wanted a video (MP4, MOV, AVI, MKV, WebM, …)")
            if lacks_index(file, head):
                raise InputError(f"{where}: the video is cut short (its index is missing); copy it again")
    except OSError as error:
        raise InputError(f"{where}: the video can't be read: {error.strerror or error}") from error


def _quietly_opened(path: Path) -> cv2.VideoCapture:
    """FFmpeg's decoders and OpenCV would print what they find to stderr; what matters of it becomes our errors."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # OpenCV has no other way; it looks once, at the first video
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    finally:
        cv2.utils.logging.setLogLevel(level)
