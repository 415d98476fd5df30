"""Positions in EXIF: what cameras write, and what is no position."""

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from recon3d.photos.exif import read_exif
from recon3d.photos.gps import Position, position_of_tags
from recon3d.photos.read import read_photo

NORTH, EAST = (47, 22, IFDRational(3036, 100)), (8, 32, IFDRational(2400, 100))
WHOLE = {1: "N", 2: NORTH, 3: "E", 4: EAST, 5: b"\x00", 6: IFDRational(4085, 10), 31: IFDRational(47, 10)}
LATITUDE, LONGITUDE = 47 + 22 / 60 + 30.36 / 3600, 8 + 32 / 60 + 24 / 3600


def test_degrees_minutes_and_seconds_come_back_from_a_photo(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "S", 2: (47.0, 22.0, 30.36), 3: "W", 4: (8.0, 32.0, 24.0), 5: b"\x01", 6: 12.5})
    Image.new("RGB", (32, 24)).save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as image:
        found = read_exif(image).position
    assert found.latitude_deg == pytest.approx(-LATITUDE, abs=1e-9)
    assert found.longitude_deg == pytest.approx(-LONGITUDE, abs=1e-9)
    assert (found.altitude_m, found.error_m) == (-12.5, None)
    assert read_photo(tmp_path / "a.jpg", max_megapixels=1).exif.position == found


def test_all_that_the_receiver_says_is_kept():
    found = position_of_tags(WHOLE)
    assert found.latitude_deg == pytest.approx(LATITUDE) and found.longitude_deg == pytest.approx(LONGITUDE)
    assert (found.altitude_m, found.error_m) == (408.5, 4.7)


@pytest.mark.parametrize(
    "change",
    [
        {2: None},
        {1: None},
        {3: 7},
        {2: (91, 0, 0)},
        {4: (181, 0, 0)},
        {2: (IFDRational(1, 0), 0, 0)},
        {2: "47 N"},
        {2: (float("nan"), 0, 0)},
        {2: (-47, 0, 0)},
        {2: (0, 0, 0), 4: (0, 0, 0)},
        {2: ()},
        {2: (1, 2, 3, 4)},
    ],
)
def test_what_makes_no_sense_is_no_position(change):
    assert position_of_tags(WHOLE | change) is None


def test_absurd_altitudes_and_errors_are_left_out():
    tags = WHOLE | {6: IFDRational(1, 0), 31: 1e9}
    found = position_of_tags(tags)
    assert isinstance(found, Position) and found.altitude_m is None and found.error_m is None
