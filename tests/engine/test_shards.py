"""Shards: each does its part, whichever comes first or last, and together they do all of it once."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import Squares, squares

from recon3d.engine import shard as module
from recon3d.engine.shard import OthersAtWork, Shard
from recon3d.errors import InputError, StageError
from recon3d.progress import silent

COUNT = 11
WHOLE = {number: number**2 for number in range(COUNT)}


@given(count=st.integers(1, 20))
def test_parts_are_all_of_it_once(count, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    answers = []
    for number in range(1, count + 1):
        answers += Shard(number, count).do(Squares(folder), range(COUNT), silent)
    assert sorted(answers) == sorted(WHOLE.items()) and squares(folder) == WHOLE


def test_only_the_last_to_be_done_gathers(tmp_path):
    work = Squares(tmp_path)
    for number in (2, 3):
        list(Shard(number, 3).do(work, range(COUNT), silent))
        with pytest.raises(OthersAtWork, match=rf"part {number} of 3 is done; of {COUNT} pieces \d are the others'"):
            Shard(number, 3).gather(work, range(COUNT))
    list(Shard(1, 3).do(work, range(COUNT), silent))
    Shard(1, 3).gather(work, range(COUNT))


def test_a_part_waits_for_what_the_others_make(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()

    def share(number):
        for work in (Squares(before, slow_s={3: 0.1}), Squares(after, needs=before)):
            list(Shard(number, 2).do(work, range(COUNT), silent))

    parts = [threading.Thread(target=share, args=(number,)) for number in (1, 2)]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    assert squares(before) == squares(after) == WHOLE


def test_others_that_never_come_are_named_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    work = Squares(tmp_path, needs=tmp_path / "elsewhere")
    with pytest.raises(StageError, match=r"elsewhere.*5.txt: not there.*none came for 0 minutes.*goes on from here"):
        list(Shard(2, 2, patience_s=0.05).do(work, range(COUNT), silent))


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "2", "a/b", "1/0", "-1/2", "1/2/3", "1 / 2", "9" * 99 + "/2"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(InputError, match="wanted NUMBER/COUNT"):
        Shard.parsed(text)


@given(st.text(max_size=30))
def test_any_text_is_a_shard_or_is_refused(text):
    try:
        shard = Shard.parsed(text)
    except InputError:
        return
    assert 1 <= shard.number <= shard.count
