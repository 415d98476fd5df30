"""What test_bad_photos.py and test_exif.py leave: more formats cut and rotten, tags that lie inside whole photos."""

import math
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from recon3d.errors import InputError
from recon3d.photos.exif import calibration_from_exif
from recon3d.photos.read import Photo, read_photo

IFD, GPS = 0x8769, 0x8825
FOCAL, FOCAL_35MM = 37386, 41989


def noise(mode="RGB"):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 4), np.uint8)
    return Image.fromarray(pixels, "RGBA").convert(mode)


def encoded(image, **options):
    buffer = BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


SIXTEEN = Image.fromarray(np.random.default_rng(0).integers(0, 65535, (40, 40), np.uint16))
FILES = {
    "grey jpeg": encoded(noise("L"), format="JPEG"),
    "cmyk jpeg": encoded(noise("CMYK"), format="JPEG"),
    "mpo": encoded(noise(), format="MPO", save_all=True, append_images=[noise()]),
    "palette png": encoded(noise("P"), format="PNG"),
    "grey and alpha png": encoded(noise("LA"), format="PNG"),
    "16-bit png": encoded(SIXTEEN, format="PNG"),
    "16-bit tiff": encoded(SIXTEEN, format="TIFF"),
    "deflated cmyk tiff": encoded(noise("CMYK"), format="TIFF", compression="tiff_adobe_deflate"),
    "alpha webp": encoded(noise("RGBA"), format="WEBP"),
    "alpha jpeg 2000": encoded(noise("RGBA"), format="JPEG2000", irreversible=True),
}


def read(data, folder, name="a.jpg"):
    (folder / name).write_bytes(data)
    return read_photo(folder / name, max_megapixels=1, max_side=20)


def assert_photo_or_input_error(data, folder):
    """Decoders may raise anything at all; we one error, of one line, that names the file."""
    try:
        photo = read(data, folder)
    except InputError as error:
        assert "a.jpg" in str(error) and "\n" not in str(error)
    else:
        assert isinstance(photo, Photo) and photo.image.size


@pytest.mark.parametrize("kind", FILES)
def test_each_format_is_read_when_whole(tmp_path, kind):
    assert read(FILES[kind], tmp_path).image.shape == (20, 20, 3)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(sorted(FILES)), st.floats(0, 1))
def test_any_cut_gives_a_photo_or_an_input_error(tmp_path_factory, kind, share):
    data = FILES[kind]
    assert_photo_or_input_error(data[: int(len(data) * share)], tmp_path_factory.mktemp("cut"))


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(sorted(FILES)), st.floats(0, 1), st.binary(min_size=1, max_size=12))
def test_any_run_of_rotten_bytes_gives_a_photo_or_an_input_error(tmp_path_factory, kind, share, rot):
    data = bytearray(FILES[kind])
    at = int((len(data) - len(rot)) * share)
    data[at : at + len(rot)] = rot
    assert_photo_or_input_error(bytes(data), tmp_path_factory.mktemp("rot"))


def tagged(inner=None, orientation=None, **options):
    """A 40 x 30 JPEG with tags of the Exif directory."""
    exif = Image.Exif()
    if orientation is not None:
        exif[274] = orientation
    exif.get_ifd(IFD).update(inner or {})
    return encoded(noise().crop((0, 0, 40, 30)), format="JPEG", exif=exif, **options)


ABSURD = {
    "zero": {FOCAL: IFDRational(0, 1), FOCAL_35MM: 0},
    "not a number": {FOCAL: IFDRational(0, 0), FOCAL_35MM: 0},
    "endless": {FOCAL: IFDRational(5, 0)},
    "of a telescope": {FOCAL: IFDRational(4_000_000_000, 1), FOCAL_35MM: 65535},
    "of a crumb": {FOCAL: IFDRational(1, 4_000_000_000), FOCAL_35MM: 1},
    "telescope behind a plausible sensor": {FOCAL: IFDRational(4999, 1), 41486: 5.0, 41488: 4, 40962: 40},
}


@pytest.mark.parametrize("case", ABSURD)
def test_an_absurd_focal_length_in_a_file_gives_no_camera(tmp_path, case):
    photo = read(tagged(ABSURD[case]), tmp_path)
    assert calibration_from_exif(photo.exif, *photo.size) is None


def with_focal(kind, value):
    """A JPEG whose only tag is a focal length stored as any of TIFF's types, valid or not for this tag."""
    inner = struct.pack("<HHHI", 1, FOCAL, kind, 1) + value.ljust(4, b"\0")[:4] + struct.pack("<I", 0)
    beyond = value if len(value) > 4 else b""
    start = 8 + 18
    if beyond:
        inner = struct.pack("<HHHII", 1, FOCAL, kind, 1, start + 18) + struct.pack("<I", 0) + beyond
    zeroth = struct.pack("<HHHIII", 1, IFD, 4, 1, start, 0)
    return encoded(noise(), format="JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + zeroth + inner)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (10, struct.pack("<ii", -50, 1)),
        (10, struct.pack("<ii", 50, -1)),
        (11, struct.pack("<f", math.nan)),
        (11, struct.pack("<f", -math.inf)),
        (12, struct.pack("<d", math.nan)),
        (12, struct.pack("<d", 1e300)),
        (2, b"5mm\0"),
        (7, b"\xff\xff\xff\xff"),
    ],
)
def test_a_negative_or_undefined_focal_length_reads_as_absent(tmp_path, kind, value):
    assert read(with_focal(kind, value), tmp_path).exif.focal_mm is None


def test_the_same_tag_with_a_number_is_read(tmp_path):
    """So that the cases above are about the values."""
    assert read(with_focal(10, struct.pack("<ii", 50, 1)), tmp_path).exif.focal_mm == 50
    assert read(with_focal(12, struct.pack("<d", 50.0)), tmp_path).exif.focal_mm == 50


def test_garbage_for_a_position_leaves_the_rest_of_the_tags(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(IFD)[FOCAL_35MM] = 28
    exif.get_ifd(GPS).update({1: "Q", 2: (IFDRational(1, 0),) * 3, 3: "\x07", 5: b"\xff" * 50, 29: "not a date"})
    assert read(encoded(noise(), format="JPEG", exif=exif), tmp_path).exif.focal_35mm_mm == 28
    beyond = exif.tobytes()
    at = beyond.index(struct.pack(">HHI", GPS, 4, 1)) + 8
    beyond = beyond[:at] + b"\xff\xff\xff\xf0" + beyond[at + 4 :]  # the directory of the position lies outside
    assert read(encoded(noise(), format="JPEG", exif=beyond), tmp_path).exif.focal_35mm_mm == 28


def test_ten_megabytes_of_xmp_in_a_jpeg_change_nothing(tmp_path):
    """As extended XMP, in segments of 64 KiB."""
    plain = tagged({FOCAL_35MM: 28})
    body = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"<x>" * 21_000
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    swollen = read(plain[:2] + segment * (10_000_000 // len(segment)) + plain[2:], tmp_path)
    assert np.array_equal(swollen.image, read(plain, tmp_path).image)


def text_chunk(text):
    return struct.pack(">I", len(text)) + b"iTXt" + text + struct.pack(">I", zlib.crc32(b"iTXt" + text))


def test_ten_megabytes_of_xmp_in_other_files_change_nothing(tmp_path):
    xmp = b"<x:xmpmeta>" + b" " * 10_000_000
    png = encoded(noise(), format="PNG")
    chunk = text_chunk(b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    swollen = {
        "PNG": png[:33] + chunk + png[33:],  # behind the signature and IHDR
        "TIFF": encoded(noise(), format="TIFF", tiffinfo={700: xmp}),
        "WEBP": encoded(noise(), format="WEBP", lossless=True, xmp=xmp),
    }
    for data in swollen.values():
        assert len(data) > 10_000_000
        assert np.array_equal(read(data, tmp_path).image, read(png, tmp_path).image)


def test_a_text_that_swells_when_it_is_unpacked_is_refused(tmp_path):
    """10 MB of spaces in 10 kB: the photo is named, and memory is not spent on it."""
    png = encoded(noise(), format="PNG")
    chunk = text_chunk(b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * 10_000_000))
    with pytest.raises(InputError, match=r"a\.jpg.*damaged"):
        read(png[:33] + chunk + png[33:], tmp_path)
