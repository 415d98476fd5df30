import threading
import time

import numpy as np
import pytest
from PIL import Image

import recon3d.photos.read as reader
import recon3d.photos.video_file as video_file
from recon3d.errors import InputError
from recon3d.photos.read import read_photo
from recon3d.photos.video import frames_of, survey_video
from recon3d.photos.watchdog import UnansweredError, answered

LIMIT_S = 0.2


@pytest.fixture
def stuck():
    """What a call waits for that hangs until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_an_answer_in_time_is_passed_on(tmp_path):
    assert answered(lambda: 7, tmp_path / "a.jpg", 5) == 7
    assert answered(lambda: None, tmp_path / "a.jpg", 5) is None


def test_an_error_in_time_is_passed_on(tmp_path):
    def fails():
        raise InputError("made up")

    with pytest.raises(InputError, match="made up"):
        answered(fails, tmp_path / "a.jpg", 5)


def test_what_hangs_is_left_after_the_time_and_named_with_it(tmp_path, stuck):
    before = time.monotonic()
    with pytest.raises(UnansweredError, match=r"a\.jpg: no answer after 0\.2 s \(photos\.timeout_s\).*run again"):
        answered(stuck.wait, tmp_path / "a.jpg", LIMIT_S)
    assert LIMIT_S <= time.monotonic() - before < 5


def test_a_header_that_hangs_holds_up_no_other_photo(tmp_path, picture, monkeypatch, stuck):
    for ending in ("bmp", "png"):
        Image.fromarray(picture).save(tmp_path / f"photo.{ending}")
    monkeypatch.setitem(reader._OPENERS, "BMP", lambda file: stuck.wait())
    bad, good = tmp_path / "photo.bmp", tmp_path / "photo.png"
    with pytest.raises(UnansweredError, match=r"photo\.bmp"):
        answered(lambda: read_photo(bad, max_megapixels=1), bad, LIMIT_S)
    photo = answered(lambda: read_photo(good, max_megapixels=1), good, 5)
    assert (photo.image == picture).all()


def test_a_package_that_hangs_on_import_is_a_finding(monkeypatch):
    import recon3d.doctor as doctor

    def late(command, timeout, **how):
        raise doctor.subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(doctor.subprocess, "run", late)
    found = doctor._package("numpy")
    assert not found.good and "not imported after 300 s" in found.what and found.fix


class Hangs:
    """A video of five frames whose decoder hangs at the fourth."""

    def __init__(self, stuck):
        self.stuck, self.frame, self.released = stuck, 0, False

    def isOpened(self):
        return True

    def set(self, what, value):
        return True

    def get(self, what):
        return 48.0

    def grab(self):
        self.frame += 1
        if self.frame == 4:
            self.stuck.wait()
        return self.frame <= 5

    def retrieve(self):
        return True, np.zeros((48, 48, 3), np.uint8)

    def read(self):
        return self.grab(), self.retrieve()[1]

    def release(self):
        self.released = True


@pytest.fixture
def video(monkeypatch, stuck):
    video = Hangs(stuck)
    monkeypatch.setattr(video_file, "_check", lambda path, where: None)
    monkeypatch.setattr(video_file, "_quietly_opened", lambda path: video)
    return video


def test_a_video_that_hangs_is_named_and_not_closed_under_its_decoder(tmp_path, video):
    with pytest.raises(UnansweredError, match=r"walk\.mp4: no answer after 0\.2 s"):
        survey_video(tmp_path / "walk.mp4", max_megapixels=1, timeout_s=LIMIT_S)
    assert video.frame == 4 and not video.released


def test_the_frames_before_a_video_hangs_come_out(tmp_path, video):
    found = []
    with pytest.raises(UnansweredError, match=r"walk\.mp4"):
        for number, _ in frames_of(tmp_path / "walk.mp4", [0, 2, 4], max_megapixels=1, timeout_s=LIMIT_S):
            found.append(number)
    assert found == [0, 2]
