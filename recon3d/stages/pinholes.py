"""Pinhole images as work: each photo as a pinhole camera would have seen it."""

import dataclasses
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recon3d.ahead import ahead
from recon3d.engine.work import Doer
from recon3d.files import replacing
from recon3d.geometry import Calibration
from recon3d.photos.undistort import pinhole_of, undistort
from recon3d.photos.working import load_working, save_image
from recon3d.poses.matching import threads
from recon3d.scene import Scene
from recon3d.stages.job import given_up

THREADS = 4
"""Photos that are decoded, redrawn and written at a time, at most."""


@dataclasses.dataclass(frozen=True)
class PinholeImages:
    """images/NAME of photos, and masks/NAME where undistortion left a border.

    Attributes:
        scene: with `init` done.
        photos: file of each photo.
        calibrations: how the lens drew each.
        keep: one of `recon3d.photos.undistort.KEPT`.
    """

    scene: Scene
    photos: Mapping[str, Path]
    calibrations: Mapping[str, Calibration]
    keep: str
    title: str = "undistort"
    block: int = 16

    def begin(self) -> Doer[str, None]:
        """Has threads at hand while there is something to do."""

        def do(names: Sequence[str]) -> Iterator[tuple[str, None]]:
            count = threads() if threads() > 0 else os.cpu_count() or 1
            with ThreadPoolExecutor(min(THREADS, count)) as pool:
                for name in ahead(pool, self._write, names, 2 * THREADS):
                    yield name, None

        return do

    def is_done(self, item: str) -> bool:
        """Whether the image is there, which is written last."""
        return self._target(item).exists()

    def reads(self, item: str) -> tuple[Path, ...]:
        """Photos need nothing of each other."""
        return ()

    def give_up(self, item: str, reason: str) -> None:
        """Depth wants all images."""
        raise given_up(item, reason)

    def camera(self, name: str) -> Calibration:
        """Of the image, which need not be there."""
        calibration = self.calibrations[name]
        if calibration.is_pinhole:
            return dataclasses.replace(calibration, model="pinhole", distortion=())
        camera = pinhole_of(calibration, self.keep)
        return Calibration(camera, rms_px=calibration.rms_px, source=calibration.source)

    def _target(self, name: str) -> Path:
        return self.scene.file("images") / self.photos[name].name

    def _write(self, name: str) -> str:
        photo, calibration = self.photos[name], self.calibrations[name]
        if calibration.is_pinhole:
            with replacing(self._target(name)) as temporary:
                try:
                    os.link(photo, temporary)
                except OSError:  # a file system without hard links
                    shutil.copyfile(photo, temporary)
            return name
        image, _, mask = undistort(load_working(photo), calibration, self.keep)
        if mask is not None:
            with replacing(self.scene.file("masks") / f"{name}.png") as temporary:
                save_image(temporary, mask)
        with replacing(self._target(name)) as temporary:
            save_image(temporary, image)
        return name
