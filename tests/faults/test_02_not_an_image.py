"""What is called a photo and is none: skipped by name, and nothing waits for a pipe."""

import os

import pytest
from commands import command
from faulty import encoded, good_folder, only_the_good_one_is_in, picture, refused
from PIL import Image

GROUP = "2. Not an image"


def animation(path):
    frames = [Image.fromarray(picture(seed)) for seed in range(3)]
    path.write_bytes(encoded(frames[0], format="GIF", save_all=True, append_images=frames[1:]))


CASES = {
    "an empty file": (lambda path: path.write_bytes(b""), "empty file"),
    "a text called .jpg": (lambda path: path.write_text("only some words\n"), "got text"),
    "a web page called .jpg": (lambda path: path.write_text("<html><body>404</body></html>"), "HTML"),
    "a folder called .jpg": (lambda path: path.mkdir(), "no files that can be read"),
    "a link that goes round": (lambda path: path.symlink_to(path), "no files that can be read"),
    "a pipe (fifo)": (os.mkfifo, "no files that can be read"),
    "a PDF": (lambda path: path.write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), "a PDF"),
    "an animated GIF": (animation, "animated"),
}


def test_the_group_is_whole():
    assert len(CASES) == 8


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_image_is_skipped_by_name(case, tmp_path):
    make, words = CASES[case]
    photos = good_folder(tmp_path / "photos")
    make(photos / "bad.jpg")
    only_the_good_one_is_in(photos, tmp_path / "s", "bad.jpg", words)


@pytest.mark.parametrize("case", CASES)
def test_named_by_itself_it_is_refused(case, tmp_path):
    make, _ = CASES[case]
    make(tmp_path / "bad.jpg")
    words = "the folder is empty" if case == "a folder called .jpg" else "bad.jpg"
    refused(command("init", tmp_path / "bad.jpg", "-o", tmp_path / "s"), words)
    assert not (tmp_path / "s" / "photos").exists()
