"""Progress bars: counts that people can read."""

import pytest

from recon3d.bars import _of, counted, now_and_then


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [(3, 28, "3/28"), (0, 999_999, "0/999999"), (197_394_432, 1_380_000_000, "197.4/1380.0 M")],
)
def test_bytes_are_told_in_millions_and_photos_one_by_one(done, total, text):
    assert _of(done, total) == text


def test_rates_have_the_unit_of_their_count():
    assert counted(2.345, 28) == "2.3"
    assert counted(154_923_092.4, 256_000_002) == "154.9 M"


def test_a_batch_job_shows_life_every_ten_seconds():
    now, said = 0.0, []
    report = now_and_then(said.append, clock=lambda: now)
    for done in range(0, 31):
        report("depth", done, 100)
        now += 1
    assert said == [
        "depth: 10/100, 1.0/s, 90 s left",
        "depth: 20/100, 1.0/s, 80 s left",
        "depth: 30/100, 1.0/s, 70 s left",
    ]


def test_work_that_is_quick_says_nothing():
    said = []
    report = now_and_then(said.append, clock=lambda: 0.0)
    for done in range(100):
        report("depth", done, 100)
    assert said == []
