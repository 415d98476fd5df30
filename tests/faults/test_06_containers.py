"""Containers that photos come in, beside plain JPEG and PNG: each loads as what it shows."""

from pathlib import Path

import numpy as np
import pytest
from commands import command
from faulty import HEIGHT, WIDTH, encoded, picture, said
from PIL import Image

from recon3d.photos.working import load_working
from recon3d.scene import Scene

GROUP = "6. Containers"
HEIC = Path(__file__).parents[1] / "photos"
CORNERS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [220, 220, 220]])
"""Red, green; blue, white: what the HEIC files show."""


def several(kind):
    pages = [Image.new("RGB", (WIDTH, HEIGHT)), Image.new("RGB", (10, 10))]
    return encoded(picture(), format=kind, save_all=True, append_images=pages)


CASES = {
    "HEIC": (HEIC / "corners.heic").read_bytes(),
    "HEIC that is turned": (HEIC / "corners-rotated.heic").read_bytes(),
    "AVIF": encoded(picture(), format="AVIF", quality=95),
    "WebP": encoded(picture(), format="WEBP", quality=95),
    "MPO, as stereo cameras write": several("MPO"),
    "TIFF of three pages": several("TIFF"),
    "BMP": encoded(picture(), format="BMP"),
    "JPEG 2000": encoded(picture(), format="JPEG2000"),
}


def test_the_group_is_whole():
    assert len(CASES) == 8


@pytest.mark.parametrize("case", CASES)
def test_every_container_gives_its_first_picture_upright(case, tmp_path):
    (tmp_path / "a.jpg").write_bytes(CASES[case])  # what it is is told from its bytes
    assert "SKIPPED" not in said(command("init", tmp_path / "a.jpg", "-o", tmp_path / "s"), 0)
    image = load_working(Scene.open(tmp_path / "s").photo_paths()["a"]).astype(int)
    assert image.shape == (HEIGHT, WIDTH, 3)
    if case.startswith("HEIC"):
        assert np.abs(image[[8, 8, -8, -8], [8, -8, 8, -8]] - CORNERS).max() < 20
    else:
        assert np.abs(image - picture()).mean() < 4
