"""Photos that lie on their side stand upright in the scene, and their cameras with them."""

import numpy as np
import pytest
from commands import command
from faulty import encoded, picture, said
from PIL import Image
from stored import STORED

from recon3d.photos.working import load_working
from recon3d.scene import Scene

GROUP = "5. EXIF orientation"
UPRIGHT = picture()

CASES: dict[str, int | None] = {f"orientation {number}": number for number in range(1, 9)}
CASES |= {"no orientation": None, "orientation 9, which there is not": 9}


def test_the_group_is_whole():
    assert len(CASES) == 10


@pytest.mark.parametrize("case", CASES)
def test_pixels_and_intrinsics_are_those_of_the_upright_photo(case, tmp_path):
    orientation = CASES[case]
    tags = Image.Exif()
    tags[272] = "a camera"
    tags.get_ifd(0x8769)[41989] = 28
    if orientation is not None:
        tags[274] = orientation
    stored = np.ascontiguousarray(STORED.get(orientation, STORED[1])(UPRIGHT))
    (tmp_path / "a.png").write_bytes(encoded(stored, format="PNG", exif=tags))
    said(command("init", tmp_path / "a.png", "-o", tmp_path / "s"), 0)
    scene = Scene.open(tmp_path / "s")
    assert np.array_equal(load_working(scene.photo_paths()["a"]), UPRIGHT)
    calibration = scene.calibrations()["a"]
    height, width = UPRIGHT.shape[:2]
    assert (calibration.camera.width, calibration.camera.height) == (width, height)
    assert (calibration.camera.cx, calibration.camera.cy) == ((width - 1) / 2, (height - 1) / 2)
    assert calibration.camera.fx == pytest.approx(28 / 43.2666 * np.hypot(width, height), rel=1e-4)
    assert calibration.source == "EXIF"
