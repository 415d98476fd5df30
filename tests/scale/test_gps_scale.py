"""The scale by satellite navigation: exact fields, noisy ones, strays and sets too small for it."""

import numpy as np
import pytest

from recon3d.geometry import SE3
from recon3d.photos.gps import Position
from recon3d.scale.gps import local_m, scale_of_gps

METRES = 3.7
"""Metres that a unit of the poses is."""


def walk(extent_m, count=20, noise_m=0.0, seed=0):
    """Poses in their own unit and world, and the positions of their cameras near Zurich."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-extent_m / 2, extent_m / 2, (count, 3)) * [1, 1, 0.05]
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    poses = {f"p{i}": SE3(np.eye(3), turn @ place / METRES + 5) for i, place in enumerate(places)}
    told = places + rng.normal(0, noise_m, places.shape)
    latitude = 47.375
    degree = np.pi / 180 * 6_371_000
    positions = {
        f"p{i}": Position(latitude + y / degree, 8.54 + x / (degree * np.cos(np.deg2rad(latitude))), 400 + z)
        for i, (x, y, z) in enumerate(told)
    }
    return poses, positions


def test_the_scale_of_an_exact_field_is_found():
    poses, positions = walk(500)
    # the made-up earth is a ball, 0.3 % from the ellipsoid at most
    assert scale_of_gps(positions, poses).factor == pytest.approx(METRES, rel=4e-3)


def test_a_degree_of_latitude_at_the_equator_is_that_of_the_ellipsoid():
    first, north, east = (Position(*at) for at in ((0, 0), (1e-3, 0), (0, 1e-3)))
    places = local_m([first, north, east])
    assert places[1, 1] == pytest.approx(110.574, rel=1e-4)  # 110 574 m per degree of WGS 84
    assert places[2, 0] == pytest.approx(111.320, rel=1e-4)  # 111 320 m


def test_the_date_line_is_no_edge():
    places = local_m([Position(0, 179.9995), Position(0, -179.9995)])
    assert places[1, 0] == pytest.approx(111.32, rel=1e-3)


def test_the_stated_doubt_holds_the_error():
    for seed in range(20):
        poses, positions = walk(400, noise_m=5, seed=seed)
        found = scale_of_gps(positions, poses)
        assert abs(found.factor / METRES - 1) < 2 * found.relative_sigma


def test_a_position_far_off_does_not_pull():
    poses, positions = walk(400, noise_m=1)
    stray = positions["p3"]
    positions["p3"] = Position(stray.latitude_deg + 0.01, stray.longitude_deg, stray.altitude_m)
    assert scale_of_gps(positions, poses).factor == pytest.approx(METRES, rel=0.02)


@pytest.mark.parametrize("extent_m", [0, 8, 60])
def test_a_set_no_larger_than_its_errors_is_not_measured_by_them(extent_m):
    poses, positions = walk(extent_m, noise_m=5)
    assert scale_of_gps(positions, poses) is None


def test_three_positions_are_too_few():
    poses, positions = walk(500)
    assert scale_of_gps({name: positions[name] for name in list(positions)[:3]}, poses) is None
