import os
import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recon3d.errors import InputError
from recon3d.photos.find import NAME_BYTES, find_photos, scene_names


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"x")


def test_a_folder_gives_its_photos_in_natural_order(tmp_path):
    touch(tmp_path, "IMG_10.jpg", "IMG_2.JPG", "img_1.heic", "notes.txt", "._IMG_2.JPG", ".hidden.png")
    (tmp_path / "more").mkdir()
    touch(tmp_path / "more", "IMG_3.jpg")
    assert [path.name for path in find_photos(tmp_path)] == ["img_1.heic", "IMG_2.JPG", "IMG_10.jpg"]


def test_a_pattern_a_file_and_a_list_give_the_same_files_once(tmp_path):
    touch(tmp_path, "a1.jpg", "a2.jpg", "b1.png", "a3.txt")
    assert [path.name for path in find_photos(f"{tmp_path}/a*")] == ["a1.jpg", "a2.jpg"]
    assert find_photos(tmp_path / "b1.png") == [tmp_path / "b1.png"]
    everything = find_photos([tmp_path / "b1.png", str(tmp_path), f"{tmp_path}/*.jpg"])
    assert [path.name for path in everything] == ["a1.jpg", "a2.jpg", "b1.png"]


def test_a_link_to_a_photo_of_the_set_is_a_duplicate(tmp_path):
    touch(tmp_path, "a.jpg")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a.jpg")
    assert [path.name for path in find_photos(tmp_path)] == ["a.jpg"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path):
    touch(tmp_path, "a[1].jpg", "a1.jpg")
    assert [path.name for path in find_photos(tmp_path / "a[1].jpg")] == ["a[1].jpg"]


def test_what_is_no_regular_file_is_passed_over(tmp_path):
    touch(tmp_path, "good.jpg")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nothing.jpg")
    assert [path.name for path in find_photos(tmp_path)] == ["good.jpg"]
    assert [path.name for path in find_photos(f"{tmp_path}/*.jpg")] == ["good.jpg"]
    for name in ("pipe.jpg", "loop.jpg", "dangling.jpg"):
        with pytest.raises(InputError, match=f"{name}.*neither a file nor a folder"):
            find_photos(tmp_path / name)


@pytest.mark.parametrize(
    ("files", "source", "words"),
    [
        ([], "nowhere", "nowhere: no such file or folder"),
        ([], "", "the folder is empty"),
        (["notes.txt"], "", r"holds no photos.*\.heic.*\.jpg"),
        (["a.CR2", "b.dng", "c.txt"], "", "2 RAW files such as .*a.CR2; convert to JPEG or TIFF"),
        (["a.jpg"], "*.png", r"\*\.png: the pattern matches nothing"),
        (["a.txt"], "*", "nothing that the pattern matches is a photo"),
        (["a.txt"], "a.txt", "got the ending '.txt'"),
        (["a.nef"], "a.nef", "RAW file; convert"),
        ([], "x" * 300 + ".jpg", "can't be read"),
    ],
)
def test_no_photos_is_an_error_that_says_why(tmp_path, files, source, words):
    touch(tmp_path, *files)
    with pytest.raises(InputError, match=words):
        find_photos(f"{tmp_path}/{source}" if source else tmp_path)


def test_an_empty_list_is_an_error():
    with pytest.raises(InputError, match="empty list"):
        find_photos([])


def names_of(*names):
    return list(scene_names([Path(name) for name in names]))


def test_a_name_is_the_stem_and_keeps_the_order_given():
    assert names_of("b/IMG_2.jpg", "a/IMG_10.png") == ["IMG_2", "IMG_10"]


def test_colliding_stems_get_their_ending_then_numbers():
    assert names_of("IMG.png", "IMG.jpg") == ["IMG~png", "IMG"]
    assert names_of("a/IMG.jpg", "b/IMG.jpg", "c/IMG.jpg") == ["IMG", "IMG~jpg", "IMG~2"]


def test_stems_that_differ_only_by_case_collide():
    names = names_of("img.jpg", "IMG.jpg", "STRASSE.jpg", "straße.jpg")
    assert len({name.casefold() for name in names}) == 4


def test_a_photo_that_is_called_like_a_made_up_name_keeps_it():
    assert names_of("IMG.jpg", "IMG.png", "IMG~png.jpg") == ["IMG", "IMG~2", "IMG~png"]


def test_composed_and_decomposed_letters_are_one_name():
    composed, decomposed = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    assert names_of(f"{decomposed}.jpg") == [composed]
    assert set(names_of(f"a/{composed}.jpg", f"b/{decomposed}.jpg")) == {composed, f"{composed}~jpg"}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("-rf.jpg", "_rf"),
        ("...jpg", "__"),
        ("a\nb\tc.jpg", "a_b_c"),
        ("a\\b.jpg", "a_b"),
        ('it\'s "one" 📷 שלום.jpg', 'it\'s "one" 📷 שלום'),
        (os.fsdecode(b"caf\xe9.jpg"), "caf_"),
        ("a.sigma.jpg", "a_sigma"),
        ("frame-000001.color.jpg", "frame-000001.color"),
    ],
)
def test_odd_names_become_safe_ones(file, name):
    assert names_of(file) == [name]


def test_long_names_are_cut_at_a_character_and_stay_apart():
    names = names_of("é" * 120 + "a.jpg", "é" * 120 + "b.jpg", "x/" + "é" * 120 + "a.jpg")
    assert len(set(names)) == 3
    assert all(len(name.encode()) <= NAME_BYTES for name in names)


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.text(min_size=1).map(lambda text: Path(text.replace("/", "_") + ".jpg")), unique=True), st.randoms())
def test_names_depend_on_the_set_only_and_never_collide(paths, rng: random.Random):
    names = scene_names(paths)
    shuffled = list(paths)
    rng.shuffle(shuffled)
    assert scene_names(shuffled) == names
    assert list(names.values()) == paths
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in names}) == len(paths)
    for name in names:
        assert 0 < len(name.encode()) <= NAME_BYTES
        assert name == unicodedata.normalize("NFC", name)
        assert not name.startswith(("-", ".")) and not any(c in name for c in "/\\\n\0")
