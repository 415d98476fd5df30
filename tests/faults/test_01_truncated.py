"""A photo that ends too early: skipped by name, the others go on."""

import pytest
from commands import command
from faulty import encoded, good_folder, only_the_good_one_is_in, picture, said

GROUP = "1. Truncated files"
CASES = {
    "JPEG cut at a quarter": ("JPEG", 0.25),
    "JPEG cut at half": ("JPEG", 0.5),
    "JPEG cut at three quarters": ("JPEG", 0.75),
    "JPEG without its last two bytes": ("JPEG", -2),
    "JPEG, header only": ("JPEG", 24),
    "PNG cut at half": ("PNG", 0.5),
    "PNG, header only": ("PNG", 33),
}


def test_the_group_is_whole():
    assert len(CASES) == 7


@pytest.mark.parametrize("case", CASES)
def test_a_truncated_photo_is_skipped_by_name(case, tmp_path):
    kind, where = CASES[case]
    data = encoded(picture(1), format=kind)
    photos = good_folder(tmp_path / "photos")
    (photos / "bad.jpg").write_bytes(data[: int(len(data) * where) if isinstance(where, float) else where])
    if where == -2:  # only the mark of the end is missing: every pixel is there
        assert "bad.jpg: the JPEG file is truncated" in said(command("init", photos, "-o", tmp_path / "s"), 0)
        return
    only_the_good_one_is_in(photos, tmp_path / "s", "bad.jpg", "truncated; copy it again")


def test_a_truncated_photo_alone_is_an_error(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(encoded(picture(), format="JPEG")[:200])
    assert "bad.jpg" in said(command("init", tmp_path / "bad.jpg", "-o", tmp_path / "s"), 1)
