"""What a report is told of the work."""

from operator import itemgetter

from recon3d.progress import each
from recon3d.scene import Scene
from recon3d.stages.job import Job, run_stage


def told_of(items, **more):
    told = []
    assert list(each(items, "depth", lambda *what: told.append(what), **more)) == list(items)
    return told


def test_names_of_photos_are_told_when_their_photo_is_done():
    assert told_of(["a", "b"]) == [("depth", 0, 2), ("depth", 1, 2, "a"), ("depth", 2, 2, "b")]


def test_what_carries_a_photos_name_tells_it():
    assert told_of([("a", 1.0)], total=1, photo=itemgetter(0)) == [("depth", 0, 1), ("depth", 1, 1, "a")]


def test_work_that_is_no_photos_tells_none():
    assert told_of([3.5]) == [("depth", 0, 1), ("depth", 1, 1, "")]


def test_a_stage_is_told_before_its_work(tmp_path):
    told = []

    def work():
        told.append("work")
        return "", {}, []

    run_stage(Scene.create(tmp_path), "report", "key", Job(begin=told.append), work)
    assert told == ["report", "work"]
