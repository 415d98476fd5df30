import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.scale.known_distance import KnownDistance, Mark, Point, parse_known_distances, scale_of_distances


def point(x, y=0.0, z=4.0, *, sigma=0.0, pixel=1e-6):
    return Point(np.array([x, y, z]), np.zeros(3), sigma, pixel)


def test_a_distance_is_read_as_people_write_it():
    wanted = (KnownDistance(Mark("IMG_1", 10, 20.5), Mark("IMG_2.jpg", 300, 4), 0.5),)
    assert parse_known_distances("IMG_1:10,20.5 IMG_2.jpg:300,4 = 0.50") == wanted
    assert parse_known_distances("  IMG_1: 10 , 20.5  IMG_2.jpg:300,4=0.5 m ; ") == wanted


def test_several_are_apart_by_semicolons_and_names_may_hold_spaces():
    first, second = parse_known_distances("my desk 1:1,2 my desk 1:3,4 = 1.2; a:1:1,2 b:3,4 = 1e-1")
    assert (first.start.photo, first.end.photo, first.metres) == ("my desk 1", "my desk 1", 1.2)
    assert (second.start.photo, second.metres) == ("a:1", 0.1)


@pytest.mark.parametrize("text", ["a:1,2 b:3,4", "a:1,2 = 3", "a:1 b:2 = 3", "a:1,2 b:3,4 = x", "a:1..2,2 b:3,4 = 1"])
def test_what_is_no_distance_is_told_with_the_form_wanted(text):
    with pytest.raises(InputError, match="wanted PHOTO:u1,v1 PHOTO:u2,v2 = METRES"):
        parse_known_distances(text)


def test_a_distance_of_nothing_is_none():
    with pytest.raises(InputError, match="> 0"):
        parse_known_distances("a:1,2 b:3,4 = 0")


def test_half_a_metre_over_two_units_is_a_quarter():
    found = scale_of_distances([(point(-1), point(1))], [0.5])
    assert found.factor == pytest.approx(0.25)
    assert found.relative_sigma == pytest.approx(0, abs=1e-5)
    assert found.source == "known distance"


def test_doubt_about_depth_is_doubt_about_the_distance():
    # Across the view both points move out together: as much as the depth. Along it they do so by their whole depth.
    across = scale_of_distances([(point(-1, sigma=0.1), point(1, sigma=0.1))], [2.0])
    assert across.relative_sigma == pytest.approx(0.1, rel=1e-3)
    along = scale_of_distances([(point(0, z=4, sigma=0.1), point(0, z=6, sigma=0.1))], [2.0])
    assert along.relative_sigma == pytest.approx((0.4 + 0.6) / 2, rel=1e-3)


def test_the_surer_distance_decides_and_disagreement_widens_the_doubt():
    sure, rough = (point(-1, sigma=0.01), point(1, sigma=0.01)), (point(-1, sigma=0.2), point(1, sigma=0.2))
    found = scale_of_distances([sure, rough], [2.0, 3.0])
    assert found.factor == pytest.approx(1, abs=0.01)
    assert found.source == "2 known distances"
    agree, differ = (scale_of_distances([sure, sure], [2.0, metres]) for metres in (2.0, 2.4))
    assert agree.relative_sigma == pytest.approx(0.01 / np.sqrt(2), rel=1e-3)
    # ln 1.2 apart: each 0.091 from their mean.
    assert differ.relative_sigma == pytest.approx(0.091, rel=0.01)


def test_two_marks_at_one_point_are_no_distance():
    with pytest.raises(InputError, match="two marks at one point"):
        scale_of_distances([(point(0, pixel=0.01), point(0.005, pixel=0.01))], [1.0])
