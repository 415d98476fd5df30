"""Libraries that don't bear each other: whichever is imported first after recon3d, its own import keeps the peace."""

import subprocess
import sys

import pytest

GROUP = "22. Library clash"
CASES = {f"{name} first": name for name in ("pycolmap", "PIL.Image", "torch", "open3d", "cv2")}


def test_the_group_is_whole():
    assert len(CASES) == 5


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_fresh_interpreter_writes_a_png_whichever_came_first(case, tmp_path):
    """pycolmap exports a zlib of its own, which Pillow's writer of PNG would otherwise run into."""
    code = (
        f"import recon3d, {CASES[case]}\nimport pycolmap, torch, cv2\nfrom PIL import Image\nimport numpy as np\n"
        "pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)\n"
        "for number in range(20):\n    Image.fromarray(pixels).save(f'{number}.png')\n"
        "assert all((np.asarray(Image.open(f'{n}.png')) == pixels).all() for n in range(20))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
