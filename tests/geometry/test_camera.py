import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon3d.errors import InputError
from recon3d.geometry import Calibration, Camera

CAMERA = Camera(640, 480, 500.0, 510.0, 320.5, 239.0)


def test_backprojected_pixels_project_onto_themselves():
    depth = np.random.default_rng(0).uniform(0.5, 5, (480, 640)).astype(np.float32)
    pixels = CAMERA.project(CAMERA.backproject(depth))
    u, v = np.meshgrid(np.arange(640), np.arange(480))
    assert np.abs(pixels - np.stack([u, v], -1)).max() < 1e-3  # float32 of 640 px


def test_backprojected_depth_is_z_not_distance():
    depth = np.full((480, 640), 2.0, np.float32)
    points = CAMERA.backproject(depth)
    assert np.array_equal(points[..., 2], depth)
    assert np.linalg.norm(points[0, 0]) > 2.0


@given(st.integers(8, 2000), st.integers(8, 2000))
def test_resizing_keeps_every_ray(width, height):
    resized = CAMERA.resized(width, height)
    # corner to corner: the image's outline, at -½ and size - ½, lies on the same rays
    for u, v in ((-0.5, -0.5), (639.5, 479.5)):
        ru, rv = (u + 0.5) * width / 640 - 0.5, (v + 0.5) * height / 480 - 0.5
        assert math.isclose((u - CAMERA.cx) / CAMERA.fx, (ru - resized.cx) / resized.fx, abs_tol=1e-9)
        assert math.isclose((v - CAMERA.cy) / CAMERA.fy, (rv - resized.cy) / resized.fy, abs_tol=1e-9)


def test_field_of_view_spans_the_longer_side():
    camera = Camera.from_fov(480, 640, math.radians(60))
    assert math.isclose(2 * math.atan(320 / camera.fy), math.radians(60))
    assert (camera.cx, camera.cy) == (239.5, 319.5)


def test_points_behind_the_camera_have_no_pixel():
    assert np.isnan(CAMERA.project(np.array([[0.1, 0.1, -1.0], [0.0, 0.0, 0.0]]))).all()


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ((640, 480, 0.0, 500.0, 320, 240), "fx"),
        ((640, 480, 500.0, -1.0, 320, 240), "fy"),
        ((640, 480, 500.0, 500.0, 700, 240), "principal point"),
        ((640, 480, math.nan, 500.0, 320, 240), "fx"),
        ((640, 480, 1.2, 1.2, 320, 240), "pixels"),  # radians or degrees for pixels
        ((0, 480, 500.0, 500.0, 0, 240), "width"),
    ],
)
def test_impossible_cameras_are_refused_by_the_number(values, word):
    with pytest.raises(InputError, match=word):
        Camera(*values)


def test_distortion_of_the_wrong_length_is_refused():
    with pytest.raises(InputError, match="4 or 5 or 8"):
        Calibration(CAMERA, "opencv", (0.1, 0.2))


def test_depth_of_another_size_is_refused():
    with pytest.raises(InputError, match="480, 640"):
        CAMERA.backproject(np.zeros((10, 10), np.float32))


def test_cropping_moves_the_principal_point_by_whole_pixels():
    """By hand: 640 x 480 px less 100 columns on the left and 40 rows on top; no half pixel comes in."""
    assert CAMERA.cropped(100, 40, 400, 300) == Camera(400, 300, 500.0, 510.0, 220.5, 199.0)


@pytest.mark.parametrize("part", [(-1, 0, 600, 400), (300, 0, 341, 400), (0, 0, 0, 400), (0, 100, 640, 381)])
def test_a_part_outside_the_image_is_refused(part):
    with pytest.raises(InputError, match="640 x 480"):
        CAMERA.cropped(*part)


def test_a_part_without_the_principal_point_is_refused():
    with pytest.raises(InputError, match="principal point"):
        CAMERA.cropped(400, 0, 200, 480)


@pytest.mark.parametrize(
    ("turns", "turned"),
    [
        (0, CAMERA),
        (1, Camera(480, 640, 510.0, 500.0, 479 - 239.0, 320.5)),  # clockwise: the bottom row becomes column 0
        (2, Camera(640, 480, 500.0, 510.0, 639 - 320.5, 479 - 239.0)),
        (3, Camera(480, 640, 510.0, 500.0, 239.0, 639 - 320.5)),
        (-1, Camera(480, 640, 510.0, 500.0, 239.0, 639 - 320.5)),
    ],
)
def test_turning_takes_the_principal_point_along(turns, turned):
    assert CAMERA.rotated(turns) == turned


def test_a_turned_photo_shows_the_principal_point_at_the_turned_camera():
    image = np.zeros((480, 640), np.uint8)
    camera = Camera(640, 480, 500.0, 500.0, 300.0, 200.0)
    image[200, 300] = 1
    for turns in range(4):
        turned = camera.rotated(turns)
        assert np.rot90(image, -turns)[int(turned.cy), int(turned.cx)] == 1


def test_resizing_moves_the_principal_point_by_the_half_pixel_rule():
    """By hand: at half the size (320.5 + 0.5) / 2 - 0.5 = 160 and (239 + 0.5) / 2 - 0.5 = 119.25."""
    assert CAMERA.resized(320, 240) == Camera(320, 240, 250.0, 255.0, 160.0, 119.25)
