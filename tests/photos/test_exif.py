import math
import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from recon3d.photos.exif import SENSOR_WIDTHS_MM, Exif, calibration_from_exif, read_exif
from recon3d.photos.find import find_photos
from recon3d.photos.read import read_photo

IFD = 0x8769


def image_with(zeroth, inner):
    """A small JPEG that went through bytes, so that the tags are what a reader finds."""
    exif = Image.Exif()
    for tag, value in zeroth.items():
        exif[tag] = value
    exif.get_ifd(IFD).update(inner)
    buffer = BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, format="JPEG", exif=exif)
    return Image.open(buffer)


def test_the_tags_are_read():
    inner = {37386: IFDRational(24, 5), 41989: 27, 41486: 4000.0, 41487: 4000.0, 41488: 3, 40962: 3000, 40963: 4000}
    exif = read_exif(image_with({271: "Maker \0", 272: " Model 1", 274: 6}, inner))
    assert exif == Exif("Maker", "Model 1", 4.8, 27.0, 6, 400.0, 4000.0)


def test_no_tags_read_as_none():
    assert read_exif(Image.new("RGB", (8, 8))) == Exif()


@pytest.mark.parametrize(
    "inner",
    [
        {37386: IFDRational(0, 1), 41989: 0},
        {37386: IFDRational(5, 0), 41486: IFDRational(0, 0)},
        {37386: IFDRational(4294967295, 1), 41989: 65535},
        {41486: IFDRational(1, 100000), 41488: 2},
        {40962: 0, 40963: 0},
    ],
)
def test_absurd_numbers_read_as_absent(inner):
    assert read_exif(image_with({274: 9}, inner)) == Exif()


class TagsOfAnyKind(Image.Image):
    """An image whose tags are whatever a parser may hand over."""

    def __init__(self, zeroth, inner):
        super().__init__()
        self.tags = Image.Exif()
        self.tags._data.update(zeroth)
        self.tags._ifds[IFD] = inner

    def getexif(self):
        return self.tags


ANYTHING = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.tuples(st.floats()),
    st.tuples(),
    st.lists(st.floats()),
)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(ANYTHING, ANYTHING, ANYTHING)
def test_any_value_of_any_tag_is_a_plausible_number_or_none(a, b, c):
    zeroth, inner = {271: a, 272: b, 274: c}, {37386: a, 41989: b, 41486: c, 41487: a, 41488: b, 40962: c, 40963: a}
    exif = read_exif(TagsOfAnyKind(zeroth, inner))
    for number in (exif.focal_mm, exif.focal_35mm_mm, exif.focal_plane_px_per_mm, exif.longer_side_px):
        assert number is None or (math.isfinite(number) and number > 0)
    assert exif.orientation in (None, 1, 2, 3, 4, 5, 6, 7, 8)
    for text in (exif.make, exif.model):
        assert text is None or (text and text.isprintable())
    calibration_from_exif(exif, 4000, 3000)


def test_an_image_whose_tags_can_not_be_parsed_has_none():
    image = Image.new("RGB", (8, 8))
    image.info["exif"] = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 60000)
    assert read_exif(image) == Exif()


@pytest.mark.parametrize(("width", "height"), [(4000, 3000), (3000, 4000), (6000, 4000)])
def test_the_35_mm_equivalent_keeps_the_diagonal_field_of_view(width, height):
    camera = calibration_from_exif(Exif(focal_35mm_mm=28.0), width, height).camera
    assert math.atan2(math.hypot(width, height) / 2, camera.fx) == pytest.approx(
        math.atan2(math.hypot(36, 24) / 2, 28), rel=1e-4
    )
    assert camera.fx == camera.fy
    assert (camera.cx, camera.cy) == ((width - 1) / 2, (height - 1) / 2)


def test_the_focal_plane_counts_the_cameras_own_pixels():
    """4.8 mm at 500 px/mm is 2400 px at 4000 px; a copy at half the size has half of it, lying or standing."""
    exif = Exif(focal_mm=4.8, focal_plane_px_per_mm=500.0, longer_side_px=4000.0)
    assert calibration_from_exif(exif, 4000, 3000).camera.fx == pytest.approx(2400)
    assert calibration_from_exif(exif, 1500, 2000).camera.fx == pytest.approx(1200)
    assert calibration_from_exif(
        Exif(focal_mm=4.8, focal_plane_px_per_mm=500.0), 2000, 1500
    ).camera.fx == pytest.approx(2400)


def test_the_model_gives_the_sensor_width():
    exif = Exif(model="KODAK Z612 ZOOM DIGITAL CAMERA", focal_mm=5.85)
    assert calibration_from_exif(exif, 2832, 2128).camera.fx == pytest.approx(5.85 / 5.76 * 2832)
    exif = Exif(model="Canon EOS 5D Mark II", focal_mm=35.0)
    assert calibration_from_exif(exif, 3744, 5616).camera.fx == pytest.approx(35 / 36 * 5616)
    assert calibration_from_exif(Exif(model="Canon EOS 5D Mark III", focal_mm=35.0), 5760, 3840) is None


def test_the_equivalent_goes_before_the_focal_plane_and_that_before_the_model():
    full = Exif(model="NIKON D90", focal_mm=50.0, focal_35mm_mm=75.0, focal_plane_px_per_mm=200.0)
    assert calibration_from_exif(full, 4288, 2848).camera.fx == pytest.approx(75 / 43.2666 * math.hypot(4288, 2848))
    plane = Exif(model="NIKON D90", focal_mm=50.0, focal_plane_px_per_mm=200.0)
    assert calibration_from_exif(plane, 4288, 2848).camera.fx == pytest.approx(10000)
    absurd = Exif(model="NIKON D90", focal_mm=50.0, focal_plane_px_per_mm=5.0)  # a sensor of 86 cm
    assert calibration_from_exif(absurd, 4288, 2848).camera.fx == pytest.approx(50 / 23.6 * 4288)


@pytest.mark.parametrize(
    "exif", [Exif(), Exif(focal_mm=5.0), Exif(model="NIKON D90"), Exif(focal_mm=4000.0, model="FC330")]
)
def test_nothing_usable_gives_no_calibration(exif):
    assert calibration_from_exif(exif, 4000, 3000) is None


def test_a_calibration_from_exif_says_so():
    calibration = calibration_from_exif(Exif(focal_35mm_mm=28.0), 4000, 3000)
    assert calibration.source == "EXIF" and calibration.is_pinhole and calibration.rms_px is None


def test_sensors_are_as_wide_as_sensors_are():
    assert all(2 < width <= 36 and words == words.upper() for words, width in SENSOR_WIDTHS_MM.items())


def test_sceaux_photos_know_their_focal_length(shared):
    """The set's own K says 2905.88 px."""
    path = find_photos(shared / "data" / "sceaux")[0]
    photo = read_photo(path, max_megapixels=250, max_side=256)
    assert calibration_from_exif(photo.exif, *photo.size).camera.fx == pytest.approx(2905.88, rel=0.03)
    without = Exif(make=photo.exif.make, model=photo.exif.model, focal_mm=photo.exif.focal_mm)
    assert calibration_from_exif(without, *photo.size).camera.fx == pytest.approx(2905.88, rel=0.03)
