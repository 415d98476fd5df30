"""Intake: what a run would take in, as the headers of the photos tell; nothing is decoded, nothing is written."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2

from recon3d.errors import InputError
from recon3d.formats.camera_file import read_camera
from recon3d.formats.capture import Capture, read_capture
from recon3d.photos.exif import calibration_from_exif
from recon3d.photos.header import Header, read_header
from recon3d.photos.read import shrunk_size
from recon3d.photos.sniff import VIDEO_SUFFIXES
from recon3d.photos.video_file import opened_video
from recon3d.photos.watchdog import answered
from recon3d.settings import PhotosSettings, Settings
from recon3d.stages.init import Photos

Size = tuple[int, int]
"""Width and height [px]."""


@dataclass(frozen=True)
class One:
    """One file of a run.

    Attributes:
        path: of the photo, or of the video.
        size: as it was taken, upright.
        small: at the working size.
        header: None of a video.
        frames: of the video; 0 of a photo.
        count: photos that it gives, at most.
        camera: where what is known of its camera comes from: "camera file", "capture", "EXIF", "guess".
        bends: it is undistorted, so that it is written a second time.
    """

    path: Path
    size: Size
    small: Size
    header: Header | None
    frames: int
    count: int
    camera: str
    bends: bool

    @property
    def copied_bytes(self) -> int:
        """Of the file, where it is copied as it is."""
        return self.header.bytes if self.header and self.header.copyable and self.small == self.size else 0

    @property
    def lossless(self) -> bool:
        """Its working copy is a PNG file."""
        return self.header is not None and self.header.lossless


@dataclass(frozen=True)
class Intake:
    """The photos of a run, before it.

    Attributes:
        capture: what was named, and what stands beside it.
        ones: the files that can be read.
        unreadable: why others can't.
        has_poses: poses are given, in a file or by the capture.
    """

    capture: Capture
    ones: tuple[One, ...]
    unreadable: tuple[str, ...]
    has_poses: bool

    @property
    def count(self) -> int:
        """Photos and frames that can be taken in, at most."""
        return sum(one.count for one in self.ones)

    @property
    def taken(self) -> Counter[Size]:
        """Sizes as taken, with how many there are of each."""
        return _counted((one.size, one.count) for one in self.ones)

    @property
    def working(self) -> Counter[Size]:
        """Sizes of the working copies."""
        return _counted((one.small, one.count) for one in self.ones)

    @property
    def films(self) -> Counter[Size]:
        """Sizes of the videos' frames, with how many there are of each."""
        return _counted((one.size, one.frames) for one in self.ones if one.frames)

    @property
    def pixels(self) -> int:
        """Of all of them together, at the working size."""
        return pixels_of(self.working)

    @property
    def lossless_share(self) -> float:
        """Of the pixels that are kept as PNG."""
        return pixels_of(_counted((one.small, one.count) for one in self.ones if one.lossless)) / self.pixels

    @property
    def samples(self) -> list[Path]:
        """Two photos; none where there are only videos."""
        paths = [one.path for one in self.ones if one.header]
        return paths[:: max(1, len(paths) // 2)][:2]


def intake_of(photos: Photos, settings: Settings) -> Intake:
    """Reads the headers.

    Args:
        photos: as a run takes them.
        settings: of photos and poses.

    Raises:
        InputError: no photos, or none that can be read.
    """
    capture = read_capture(photos, settings.photos.format)
    has_poses = bool(settings.poses.file or capture.world_from_cam)
    ones, unreadable = [], []
    for path in capture.photos:
        try:
            ones.append(_one(path, capture, settings, has_poses))
        except InputError as error:
            unreadable.append(str(error))
    if not ones:
        raise InputError(f"none of {len(capture.photos)} photos can be read; the first: {unreadable[0]}")
    return Intake(capture, tuple(ones), tuple(unreadable), has_poses)


def pixels_of(sizes: Counter[Size]) -> int:
    """Pixels of all photos together."""
    return sum(count * width * height for (width, height), count in sizes.items())


def _counted(sizes: Iterable[tuple[Size, int]]) -> Counter[Size]:
    found: Counter[Size] = Counter()
    for size, count in sizes:
        found[size] += count
    return found


def _one(path: Path, capture: Capture, settings: Settings, has_poses: bool) -> One:
    limits, header, frames = settings.photos, None, 0
    if path.suffix.lower() in VIDEO_SUFFIXES:
        size, frames = _film(path, limits)
    else:
        header = answered(lambda: read_header(path, max_megapixels=limits.max_megapixels), path, limits.timeout_s)
        size = header.size
    if limits.camera:
        camera, bends = "camera file", not read_camera(Path(limits.camera), size).is_pinhole
    elif path in capture.calibrations:
        camera, bends = "capture", not capture.calibrations[path].is_pinhole
    else:
        camera = "EXIF" if header and calibration_from_exif(header.exif, *size) else "guess"
        bends = settings.poses.calibrate_lens and not has_poses and len(capture.photos) + frames > 1
    count = min(frames, limits.video_frames) if frames else 1
    return One(path, size, shrunk_size(*size, limits.max_side), header, frames, count, camera, bends)


def _film(path: Path, limits: PhotosSettings) -> tuple[Size, int]:
    """Size and count of a video's frames, as it announces them."""
    with opened_video(path, max_megapixels=limits.max_megapixels, timeout_s=limits.timeout_s) as video:
        width, height = (round(video.says(what)) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return (width, height), max(1, round(video.says(cv2.CAP_PROP_FRAME_COUNT)))
