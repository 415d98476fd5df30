"""What structure from motion is asked: photos, their cameras and pairs, and the record that features depend on."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from recon3d.errors import InputError
from recon3d.formats.colmap_camera import colmap_params, colmap_start
from recon3d.geometry import SE3, Calibration
from recon3d.poses.pairs import pairs_by_pose
from recon3d.settings import PosesSettings

USED_SETTINGS = ("features", "exhaustive_up_to", "similar", "neighbours", "seed")
"""Settings that the features and matches depend on."""
REFINED_SOURCES = ("EXIF", "guess")
"""Calibrations that structure from motion may improve; others are kept."""


@dataclass(frozen=True, eq=False)
class Matching:
    """Photos whose features are to be found and matched.

    Attributes:
        photos: file of each photo, in capture order.
        record: all that the features and matches depend on.
        given: poses that are kept; None where they are to be found.
        timeout_min: how long a process may work on it [min].
    """

    photos: Mapping[str, Path]
    record: dict[str, Any]
    given: Mapping[str, SE3] | None
    timeout_min: float

    @classmethod
    def of(
        cls,
        photos: Mapping[str, Path],
        calibrations: Mapping[str, Calibration],
        settings: PosesSettings,
        *,
        groups: Mapping[str, str] | None = None,
        given: Mapping[str, SE3] | None = None,
        pairs: Sequence[tuple[str, str]] | None = None,
    ) -> "Matching":
        """Says what is asked.

        Photos of one size, calibration and group share a camera (`settings.one_camera`). Calibrations from EXIF or a
        guess start a search for focal length and one radial coefficient (`settings.calibrate_lens`); any other is kept
        as it is, as all are with given poses.

        Args:
            photos: file of each photo, in capture order; features don't look at EXIF, so the files must be upright.
            calibrations: of the photos as the files are, keyed alike.
            settings: of the poses stage.
            groups: a text per photo, such as make and model: cameras that are to be found are shared only within one.
            given: poses that are kept to the last digit, but where they are adjusted; photos without one are left out
                of the model.
            pairs: photos to match; None = all pairs of a small set, neighbours and look-alikes of a large one, or
                neighbours by pose where poses are given.

        Raises:
            InputError: a photo and its calibration differ in size, or are not keyed alike.
        """
        _check(photos, calibrations)
        if given is not None:
            given = {name: given[name] for name in photos if name in given}
            pairs = pairs_by_pose(given) if pairs is None else pairs
        record = _record(photos, calibrations, groups or {}, settings, pairs, refine=given is None)
        return cls(photos, record, given, settings.timeout_min)

    @property
    def text(self) -> str:
        """The record as it is written."""
        return json.dumps(self.record, indent=1)

    @property
    def key(self) -> str:
        """Short, and another for another record."""
        return sha256(self.text.encode()).hexdigest()[:16]

    @property
    def names(self) -> list[str]:
        """The photos, in capture order."""
        return list(self.photos)

    def link(self, target: Path) -> None:
        """Gives the photos the names that they have in the database."""
        target.mkdir()
        for path, image in zip(self.photos.values(), self.record["images"], strict=True):
            try:
                (target / image["file"]).symlink_to(path.absolute())
            except OSError:  # no symbolic links here, as on a Windows without the privilege
                shutil.copyfile(path, target / image["file"])


def _check(photos: Mapping[str, Path], calibrations: Mapping[str, Calibration]) -> None:
    for name, path in photos.items():
        if name not in calibrations:
            raise InputError(f"{path}: no calibration for this photo; wanted one for each photo")
        camera = calibrations[name].camera
        with Image.open(path) as image:
            size = image.size
        if size != (camera.width, camera.height):
            raise InputError(
                f"{path}: the photo is {size[0]} x {size[1]} px and its calibration is for "
                f"{camera.width} x {camera.height} px; resize the calibration with the photo"
            )


def _record(
    photos: Mapping[str, Path],
    calibrations: Mapping[str, Calibration],
    groups: Mapping[str, str],
    settings: PosesSettings,
    pairs: Sequence[tuple[str, str]] | None,
    *,
    refine: bool,
) -> dict[str, Any]:
    """All that the features and matches depend on; photos that share a calibration and a group share a camera."""
    cameras: list[dict[str, Any]] = []
    shared: dict[tuple[Calibration, str], int] = {}
    images = []
    for i, (name, path) in enumerate(photos.items()):
        calibration = calibrations[name]
        refined = refine and calibration.source in REFINED_SOURCES
        # Two makes of camera with the same guess are two cameras; a known calibration says itself what it is of.
        key = (calibration, groups.get(name, "") if refined else "")
        number = shared.get(key, len(cameras)) if settings.one_camera else len(cameras)
        if number == len(cameras):
            shared[key] = number
            start = colmap_start(calibration, lens=settings.calibrate_lens)
            model, params = start if refined else colmap_params(calibration)
            cameras.append(
                {
                    "model": model,
                    "width": calibration.camera.width,
                    "height": calibration.camera.height,
                    "params": params,
                    "refine": refined,
                    "known_focal": calibration.source != "guess",
                    "source": "SfM" if refined else calibration.source,
                }
            )
        # Numbers in the database, since the pair lists that COLMAP reads split names at blanks.
        file = f"{i:06d}{path.suffix.lower()}"
        entry = {"name": name + path.suffix, "file": file, "bytes": path.stat().st_size, "camera": number}
        images.append(entry)
    index = {name: i for i, name in enumerate(photos)}
    return {
        "schema": 1,
        "pycolmap": version("pycolmap"),  # features and matches of another version are not mixed with these
        "cameras": cameras,
        "images": images,
        "pairs": None if pairs is None else [[index[a], index[b]] for a, b in pairs],
        "settings": {name: getattr(settings, name) for name in USED_SETTINGS},
    }


def threads() -> int:
    """That may compute at a time: what OMP_NUM_THREADS says, or -1 for as many as there are cores."""
    try:
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    except (KeyError, ValueError):
        return -1
