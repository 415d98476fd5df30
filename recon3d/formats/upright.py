"""Cameras and poses of photos as they are stored, turned along with their EXIF orientation."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from recon3d.geometry.camera import Calibration
from recon3d.geometry.se3 import SE3

ORIENTATION_TAG = 0x0112
QUARTER_TURNS = {3: 2, 6: 1, 8: 3}
"""Clockwise quarter turns that make a photo upright, by EXIF orientation; the mirrored ones occur in no camera."""


@dataclass(frozen=True)
class StoredPhoto:
    """What a photo's header says.

    Attributes:
        width: as stored [px].
        height: as stored [px].
        quarter_turns: clockwise, from the photo as stored to the upright photo.
    """

    width: int
    height: int
    quarter_turns: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) of the upright photo [px]."""
        return (self.height, self.width) if self.quarter_turns % 2 else (self.width, self.height)

    def turns_from(self, width: int, height: int) -> int:
        """Clockwise quarter turns from an image of this size to the upright photo.

        Tools that work on photos as they are stored (COLMAP does) record cameras of the stored size; a camera whose
        shape fits only the upright photo needs no turn.
        """
        is_upright = (width > height) != (self.width > self.height) and self.quarter_turns % 2 == 1
        return 0 if is_upright else self.quarter_turns


def stored_photos(paths: Iterable[Path]) -> dict[Path, StoredPhoto]:
    """Headers of photos; those that can't be read are left out: whoever decodes the photo will say why."""
    found = {}
    for path in paths:
        try:
            with Image.open(path) as image:
                turns = QUARTER_TURNS.get(image.getexif().get(ORIENTATION_TAG, 1), 0)
                found[path] = StoredPhoto(*image.size, turns)
        except Exception:  # decoders raise anything on broken headers
            continue
    return found


def upright_pose(world_from_cam: SE3, quarter_turns: int) -> SE3:
    """The pose of the upright camera from that of the camera as stored: a roll about z.

    A clockwise quarter turn makes the stored image's left side the top: x upright is -y stored, y upright is x stored.
    """
    stored_from_upright = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    R = np.linalg.matrix_power(stored_from_upright, quarter_turns)
    return SE3(world_from_cam.R @ R, world_from_cam.t)


def upright_calibration(calibration: Calibration, quarter_turns: int) -> Calibration:
    """The calibration of the upright photo from that of the photo as stored.

    Pixel (u, v) goes to (height - 1 - v, u) in each quarter turn, and the tangential (p1, p2) to (p2, -p1).
    """
    camera, distortion = calibration.camera.rotated(quarter_turns), calibration.distortion
    if calibration.model == "opencv":
        for _ in range(quarter_turns):
            k1, k2, p1, p2, *rest = distortion
            distortion = (k1, k2, p2, -p1, *rest)
    return Calibration(camera, calibration.model, distortion, calibration.rms_px, calibration.source)
