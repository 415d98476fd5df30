import math

import numpy as np
import pytest

from recon3d.depth.focal import applies, focal_factor, scaled
from recon3d.depth.model import DepthPrediction, Head
from recon3d.geometry import Calibration, Camera

CAMERA = Camera(640, 480, 600.0, 610.0, 319.5, 239.5)


def head(focal_px):
    return Head("nyu", 1.0, focal_px, (1e-3, 10.0))


@pytest.mark.parametrize(
    ("focal_px", "factor"),
    [(600.0, 1.0), (400.0, 1.5), (800.0, 0.75), (100.0, 2.0), (6000.0, 0.5)],  # the last two are clamped
)
def test_the_factor_is_the_photo_s_focal_length_over_the_training_s(focal_px, factor):
    assert focal_factor(CAMERA, head(focal_px)) == pytest.approx(factor, rel=1e-12)


def test_networks_that_look_at_the_focal_length_have_no_factor():
    assert focal_factor(CAMERA, head(None)) is None
    assert focal_factor(CAMERA, None) is None


def test_the_factor_does_not_depend_on_the_size_of_the_photo():
    """The network sees a photo twice as large shrunk twice as much: the training's focal length grows with it."""
    large = CAMERA.resized(1280, 960)
    assert focal_factor(large, head(2 * 415.0)) == pytest.approx(focal_factor(CAMERA, head(415.0)), rel=1e-12)


def test_auto_corrects_where_the_focal_length_is_known():
    known = {source: applies("auto", Calibration(CAMERA, source=source)) for source in ("calib file", "EXIF", "SfM")}
    assert known == {"calib file": True, "EXIF": True, "SfM": True}
    guess = Calibration(CAMERA, source="guess")
    assert [applies(choice, guess) for choice in ("off", "auto", "on")] == [False, False, True]


def test_a_pinhole_photo_of_a_plane_comes_out_at_its_distance():
    """What the network says of a plane at 3 m by a lens 1.5 times as long as its training's is 3 m / 1.5."""
    truth = np.full((480, 640), 3.0, np.float32)
    seen = DepthPrediction(truth / np.float32(1.5), 0.1 * truth / np.float32(1.5), head=head(400.0))
    factor = focal_factor(CAMERA, seen.head)
    found = scaled(seen, factor)
    assert np.allclose(found.values, truth, rtol=1e-6)
    assert np.allclose(found.sigma, 0.1 * truth, rtol=1e-6)
    assert found.head == seen.head and found.kind == "metric"


def test_what_is_no_depth_stays_none():
    values = np.array([[0.0, math.nan, 2.0]], np.float32)
    assert np.array_equal(scaled(DepthPrediction(values), 1.5).values, np.float32([[0, math.nan, 3]]), equal_nan=True)
