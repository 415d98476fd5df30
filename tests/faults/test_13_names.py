"""File names of every kind: each photo keeps a name of its own in the scene, the same one every time."""

import unicodedata

import pytest
from commands import command
from faulty import encoded, picture, said

from recon3d.scene import Scene

GROUP = "13. Names"
CASES = {
    "spaces": {"my photo 1.png": "my photo 1"},
    "quotes": {"a'b\"c`d$(e).png": "a'b\"c`d$(e)"},
    "a line break": {"a\nb.png": "a_b"},
    "accents composed or not (NFC, NFD)": {unicodedata.normalize("NFD", "Küche.png"): "Küche"},
    "emoji": {"🏠 home.png": "🏠 home"},
    "right to left": {"שלום.png": "שלום", "مرحبا.png": "مرحبا"},
    "a leading minus": {"-rf.png": "_rf"},
    "dots that lead upwards": {"...png": "__", "..a.png": "__a"},
    "255 bytes": {"x" * 251 + ".png": None},
    "twins by case": {"IMG.png": "IMG", "img.png": "img~png"},
    "one stem with two endings": {"a.png": "a~png", "a.jpg": "a"},
}
"""Files, and what each photo is called in the scene; None = only that it fits."""


def test_the_group_is_whole():
    assert len(CASES) == 11


@pytest.mark.parametrize("case", CASES)
def test_names_are_stable_and_apart(case, tmp_path):
    files = CASES[case]
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, file in enumerate(files):
        (photos / file).write_bytes(encoded(picture(number), format="PNG" if file.endswith("png") else "JPEG"))
    if len(list(photos.iterdir())) < len(files):
        pytest.skip("this file system takes upper and lower case for the same")
    found = []
    for root in (tmp_path / "s", tmp_path / "t"):
        said(command("init", "-o", root, "--", *photos.iterdir()), 0)
        scene = Scene.open(root)
        found.append(sorted(scene.calibrations()))
        assert {path.stem for path in scene.photo_paths().values()} == set(found[-1])
        assert all(path.parent == root / "photos" and path.is_file() for path in scene.photo_paths().values())
    assert found[0] == found[1] and len(found[0]) == len(files)
    assert all(len(name.encode()) <= 180 for name in found[0])
    if None not in files.values():
        assert found[0] == sorted(files.values())


def test_a_name_from_the_command_line_that_looks_like_an_option_is_a_photo(tmp_path, monkeypatch):
    (tmp_path / "-rf.png").write_bytes(encoded(picture(), format="PNG"))
    monkeypatch.chdir(tmp_path)
    said(command("init", "-o", "s", "--", "-rf.png"), 0)
    assert list(Scene.open("s").calibrations()) == ["_rf"]
