"""Photos of extreme sizes: read with bounded memory, or refused with the setting that decides."""

import subprocess
import sys

import pytest
from commands import command
from faulty import encoded, good_folder, only_the_good_one_is_in, picture, refused, said
from PIL import Image

GROUP = "7. Extremes"
MOST_GIB = 2.0
"""Memory that reading the largest of them may take: libraries 0.4, a photo of 250 megapixels decoded 0.75, twice."""


def smooth(width, height):
    return picture(width=width, height=height)


CASES = {
    "100 megapixels of one bit": lambda: encoded(Image.new("1", (10_000, 10_000), 1), format="PNG"),
    "196 megapixels": lambda: encoded(Image.new("RGB", (14_000, 14_000), (90, 120, 50)), format="JPEG"),
    "1 x 1 px": lambda: encoded(smooth(1, 1), format="PNG"),
    "2 x 2 px": lambda: encoded(smooth(2, 2), format="PNG"),
    "1 x 100 px": lambda: encoded(smooth(1, 100), format="PNG"),
    "a panorama of 6:1": lambda: encoded(smooth(384, 64), format="PNG"),
    "a side of 65 535 px": lambda: encoded(smooth(65_535, 2), format="PNG"),
}
LARGE = [case for case in CASES if "megapixels" in case]


def test_the_group_is_whole():
    assert len(CASES) == 7


SMALL = {
    "1 x 1 px": "no surface",
    "2 x 2 px": "no depth is left",
    "1 x 100 px": "no surface",
    "a panorama of 6:1": None,
    "a side of 65 535 px": "a.png",
}
"""What a run with such a photo alone ends with; None = with a mesh."""


@pytest.mark.parametrize("case", SMALL)
def test_small_and_endless_photos_go_through_or_end_in_one_line(case, tmp_path):
    (tmp_path / "a.png").write_bytes(CASES[case]())
    done = command("run", tmp_path / "a.png", "-o", tmp_path / "s", "--model", "demo")
    if SMALL[case]:
        refused(done, SMALL[case])
    else:
        said(done, 0)


def test_an_endless_photo_is_skipped_by_name_and_the_others_go_on(tmp_path):
    photos = good_folder(tmp_path / "photos")
    (photos / "bad.png").write_bytes(CASES["a side of 65 535 px"]())
    only_the_good_one_is_in(photos, tmp_path / "s", "bad.png", "no camera sees so")


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE)
def test_large_photos_are_read_in_bounded_memory(case, tmp_path):
    (tmp_path / "a.jpg").write_bytes(CASES[case]())
    code = (
        "import sys\nfrom pathlib import Path\nfrom recon3d.cli import main\nsys.argv = ['recon3d', *sys.argv[1:]]\n"
        "try:\n    main()\nfinally:\n"  # not ru_maxrss, which a child inherits from the process that starts it
        "    print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
    )
    line = [sys.executable, "-c", code, "init", str(tmp_path / "a.jpg"), "-o", str(tmp_path / "s")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=True)
    assert int(done.stdout.split()[-1]) < MOST_GIB * 2**20
    with Image.open(tmp_path / "s" / "photos" / ("a.png" if "one bit" in case else "a.jpg")) as image:
        assert image.size == (1024, 1024)


def test_what_is_larger_is_refused_with_the_setting(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture(), format="PNG"))
    done = command("init", tmp_path / "a.png", "-o", tmp_path / "s", "--set", "photos.max_megapixels=0.001")
    assert "raise photos.max_megapixels" in said(done, 1)
