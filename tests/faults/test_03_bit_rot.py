"""Photos whose bytes have changed: what can still be decoded is, the rest is skipped by name."""

import struct
import zlib

import pytest
from commands import command
from faulty import encoded, good_folder, only_the_good_one_is_in, picture, said

GROUP = "3. Bit rot"


def middle_zeroed():
    data = bytearray(encoded(picture(1), format="JPEG", quality=95))
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    return bytes(data)


def png_data_flipped():
    data = bytearray(encoded(picture(1), format="PNG"))
    data[data.index(b"IDAT") + 40] ^= 16
    return bytes(data)


def png_checksum():
    data = bytearray(encoded(picture(1), format="PNG"))
    at = data.index(b"IDAT")
    (length,) = struct.unpack_from(">I", data, at - 4)
    assert struct.unpack_from(">I", data, at + 4 + length)[0] == zlib.crc32(data[at : at + 4 + length])
    data[at + 4 + length] ^= 1
    return bytes(data)


def exif_garbage():
    return encoded(picture(1), format="JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xfe" * 60)


def profile_garbage():
    return encoded(picture(1), format="JPEG", icc_profile=b"not a profile" * 30)


CASES = {
    "JPEG with zeros in its middle": (middle_zeroed, None),
    "PNG with a flipped bit in its pixels": (png_data_flipped, "damaged"),
    "PNG with a wrong checksum": (png_checksum, None),
    "garbage for EXIF": (exif_garbage, None),
    "garbage for a colour profile": (profile_garbage, None),
}
"""How each is made, and the word that it is skipped with; None = its pixels are still good, and it is taken."""


def test_the_group_is_whole():
    assert len(CASES) == 5


@pytest.mark.parametrize("case", CASES)
def test_a_rotten_photo_is_decoded_or_skipped_by_name(case, tmp_path):
    make, word = CASES[case]
    photos = good_folder(tmp_path / "photos")
    (photos / "bad.jpg").write_bytes(make())
    if word:
        only_the_good_one_is_in(photos, tmp_path / "s", "bad.jpg", word)
    else:
        done = command("init", photos, "-o", tmp_path / "s")
        assert "SKIPPED" not in said(done, 0) and done.stdout.startswith("init: 2 photos")
