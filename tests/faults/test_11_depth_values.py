"""Depth that is no distance: left out and counted, never fused."""

import numpy as np
import pytest
from commands import command
from faulty import HEIGHT, WIDTH, encoded, picture, refused, said
from PIL import Image

from recon3d.files import load_array
from recon3d.scene import Scene

GROUP = "11. Depth values"
GOOD = np.linspace(1, 3, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)


def with_some(value):
    """A third of the map is something else."""
    depth = GOOD.copy()
    depth[: HEIGHT // 3] = value
    return depth


def wrapping():
    """Steps of 1 mm beyond what 16 bits times a thousandth hold in integer arithmetic: 65.534 m."""
    return np.where(with_some(0) > 0, 65534, 0).astype(np.uint16)


CASES = {
    "NaN": (with_some(np.nan), 2 / 3),
    "plus infinity": (with_some(np.inf), 2 / 3),
    "minus infinity": (with_some(-np.inf), 2 / 3),
    "zero": (with_some(0.0), 2 / 3),
    "negative": (with_some(-2.0), 2 / 3),
    "one value everywhere": (np.full_like(GOOD, 2.0), 1.0),
    "none valid": (np.full_like(GOOD, np.nan), None),
    "beyond the range": (with_some(1e4), 2 / 3),
    "uint16 near its end": (wrapping(), 2 / 3),
    "undershoot below zero": (with_some(-1e-4), 2 / 3),
}
"""Each map, and the share of its pixels that counts as depth; None = the run ends with a reason."""


def test_the_group_is_whole():
    assert len(CASES) == 10


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_distance_is_left_out_and_counted(case, tmp_path):
    depth, share = CASES[case]
    (tmp_path / "a.png").write_bytes(encoded(picture(), format="PNG"))
    maps = tmp_path / "maps"
    maps.mkdir()
    if depth.dtype == np.uint16:
        Image.fromarray(depth).save(maps / "a.png")
    else:
        np.save(maps / "a.npy", depth)
    done = command("run", tmp_path / "a.png", "-o", tmp_path / "s", "--depth", maps, "--set", "depth.trust=true")
    scene = Scene.open(tmp_path / "s")
    if share is None:
        refused(done, "no photo has any depth", "maps_unit_m")
        return
    said(done, 0)
    stored = load_array(scene.depth_path("a"))
    assert np.isfinite(stored).all() and (stored >= 0).all()
    assert scene.facts("depth")["valid_share"] == pytest.approx(share, abs=0.01)
    assert f"{100 * share:.0f} % of the pixels valid" in done.stdout
    if depth.dtype == np.uint16:
        assert np.unique(stored) == pytest.approx([0, 65.534])
    else:
        assert np.array_equal(stored[HEIGHT // 3 :], depth[HEIGHT // 3 :])
