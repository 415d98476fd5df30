import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recon3d.errors import InputError
from recon3d.photos.read import Photo, read_photo

HERE = Path(__file__).parent


def encoded(picture, **options):
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, **options)
    return buffer.getvalue()


def noise():
    return np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)


def tags():
    exif = Image.Exif()
    exif[272], exif[274] = "Model", 6
    exif.get_ifd(0x8769)[41989] = 28
    return exif


FILES = {
    "jpeg": encoded(noise(), format="JPEG", exif=tags()),
    "progressive jpeg": encoded(noise(), format="JPEG", progressive=True),
    "png": encoded(noise(), format="PNG", exif=tags()),
    "tiff": encoded(noise(), format="TIFF", exif=tags()),
    "tiff lzw": encoded(noise(), format="TIFF", compression="tiff_lzw"),
    "webp": encoded(noise(), format="WEBP", exif=tags()),
    "lossless webp": encoded(noise(), format="WEBP", lossless=True),
    "avif": encoded(noise(), format="AVIF", exif=tags()),
    "heic": (HERE / "corners-rotated.heic").read_bytes(),
    "bmp": encoded(noise(), format="BMP"),
    "jpeg 2000": encoded(noise(), format="JPEG2000"),
    "gif": encoded(noise(), format="GIF"),
}


def error_of(path, **options):
    with pytest.raises(InputError) as caught:
        read_photo(path, **{"max_megapixels": 250, **options})
    message = str(caught.value)
    assert path.name.split("\n")[0] in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("kind", FILES)
def test_a_truncated_file_is_called_truncated(tmp_path, kind, share):
    path = tmp_path / "a.jpg"
    path.write_bytes(FILES[kind][: int(len(FILES[kind]) * share)])
    assert "truncated; copy it again" in error_of(path)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_a_header_alone_is_called_truncated(tmp_path, kind):
    (tmp_path / "a.jpg").write_bytes(FILES[kind][:24])
    assert "truncated" in error_of(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty file"),
        (b"only some words\n", "got text"),
        ("ein schönes Bild".encode(), "got text"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "HTML"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
        (b"PK\x03\x04\x14\0\0\0", "a ZIP"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "a video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "a RAW file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (bytes(range(100)), "no known photo format"),
        (b"\xff", "no known photo format"),
    ],
)
def test_what_is_no_photo_is_named(tmp_path, data, words):
    (tmp_path / "a.jpg").write_bytes(data)
    message = error_of(tmp_path / "a.jpg")
    assert words in message and "wanted a photo" in message


@pytest.mark.parametrize("ending", [".CR2", ".nef", ".dng"])
def test_raw_files_ask_for_conversion(tmp_path, ending):
    """Many RAW files open as TIFF, and would give the thumbnail."""
    (tmp_path / f"a{ending}").write_bytes(FILES["tiff"])
    assert "RAW" in error_of(tmp_path / f"a{ending}")


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name in ("folder.jpg", "pipe.jpg", "loop.jpg"):
        assert "not a regular file" in error_of(tmp_path / name)
    assert "no such file" in error_of(tmp_path / "nothing.jpg")
    assert "can't be read" in error_of(tmp_path / ("x" * 300 + ".jpg"))


def test_a_name_with_a_line_break_stays_on_one_line(tmp_path):
    (tmp_path / "a\nb.jpg").write_bytes(b"")
    assert r"a\nb.jpg" in error_of(tmp_path / "a\nb.jpg")


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_is_refused(tmp_path, kind):
    frames = [Image.fromarray(np.roll(noise(), 5 * k, axis=0)) for k in range(3)]
    frames[0].save(tmp_path / "a.jpg", format=kind, save_all=True, append_images=frames[1:])
    assert "animated" in error_of(tmp_path / "a.jpg")


def png_header(width, height):
    """A PNG that claims any size and holds one short run of pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 999))]
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in [*chunks, (b"IEND", b"")]:
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return data


def test_a_photo_above_the_limit_is_refused_before_it_is_decoded(tmp_path):
    """Decoding it would say truncated, and take 7.5 GB."""
    (tmp_path / "a.png").write_bytes(png_header(50000, 50000))
    message = error_of(tmp_path / "a.png")
    assert "50000 x 50000 px (2500 megapixels)" in message and "photos.max_megapixels" in message


def test_the_limit_is_ours_and_pillow_keeps_its_own(tmp_path):
    limit = Image.MAX_IMAGE_PIXELS
    (tmp_path / "a.png").write_bytes(png_header(20000, 10000))  # 200 megapixels: Pillow's own limit is 179
    assert "at most 199" in error_of(tmp_path / "a.png", max_megapixels=199)
    assert "truncated" in error_of(tmp_path / "a.png", max_megapixels=201, max_side=10)
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("kind", FILES)
def test_every_format_is_held_to_the_limit(tmp_path, kind):
    (tmp_path / "a.jpg").write_bytes(FILES[kind])
    assert "photos.max_megapixels" in error_of(tmp_path / "a.jpg", max_megapixels=0.0009)


def test_damaged_tags_and_profiles_do_not_spoil_good_pixels(tmp_path):
    good = read_bytes(encoded(noise(), format="PNG"), tmp_path)
    for junk in (
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xfe" * 60,
        b"",
    ):
        assert np.array_equal(read_bytes(encoded(noise(), format="PNG", exif=junk), tmp_path), good)
    assert np.array_equal(read_bytes(encoded(noise(), format="PNG", icc_profile=b"\0" * 300), tmp_path), good)


def read_bytes(data, folder):
    (folder / "a.bin").write_bytes(data)
    return read_photo(folder / "a.bin", max_megapixels=1).image


def test_a_flipped_bit_in_a_png_is_noticed(tmp_path):
    data = bytearray(FILES["png"])
    data[len(data) // 2] ^= 16
    (tmp_path / "a.png").write_bytes(data)
    assert "damaged" in error_of(tmp_path / "a.png")


def test_a_heic_item_type_that_is_no_text_is_refused(tmp_path):
    """pi_heif 1.4.0 ends the interpreter on it."""
    data = FILES["heic"].replace(b"Exif\0\0\0\0\x0epitm", b"\x8axif\0\0\0\0\x0epitm")
    assert data != FILES["heic"]
    (tmp_path / "a.heic").write_bytes(data)
    assert "damaged" in error_of(tmp_path / "a.heic")


def assert_photo_or_input_error(path):
    try:
        photo = read_photo(path, max_megapixels=1, max_side=20)
    except InputError as error:
        assert path.name in str(error)
    else:
        assert isinstance(photo, Photo) and photo.image.size


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(sorted(FILES)), st.floats(0, 1))
def test_any_truncation_gives_a_photo_or_an_input_error(tmp_path_factory, kind, share):
    path = tmp_path_factory.mktemp("cut") / "a.jpg"
    path.write_bytes(FILES[kind][: int(len(FILES[kind]) * share)])
    assert_photo_or_input_error(path)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(sorted(FILES)), st.floats(0, 1, exclude_max=True), st.integers(0, 255))
def test_any_changed_byte_gives_a_photo_or_an_input_error(tmp_path_factory, kind, share, value):
    data = bytearray(FILES[kind])
    data[int(len(data) * share)] = value
    path = tmp_path_factory.mktemp("rot") / "a.jpg"
    path.write_bytes(data)
    assert_photo_or_input_error(path)


def test_a_photo_that_may_not_be_read_is_named(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "a.jpg").write_bytes(FILES["jpeg"])
    (tmp_path / "a.jpg").chmod(0)
    assert "can't be read" in error_of(tmp_path / "a.jpg")
