"""Room on SCENE's disk: what is sure to be written is foreseen, and never more than that."""

import itertools
import shutil
from types import SimpleNamespace

import pytest
from synthetic import room_frames, write_capture

import recon3d.stages.room as room
from recon3d.depth.model import FunctionModel
from recon3d.errors import StageError
from recon3d.refine.photometric import PASSES
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.chain import run_to
from recon3d.stages.init import init
from recon3d.stages.job import Job

COUNT, WIDTH, HEIGHT = 5, 96, 72


@pytest.fixture(scope="module")
def job():
    frames = room_frames(COUNT, WIDTH, HEIGHT)
    depths = itertools.cycle([frame.depth for frame in frames])
    model = FunctionModel(lambda image, camera: next(depths), name="made", version="1")
    return Job(Settings().with_assignments(["poses.features=300"]), "cpu", model)


@pytest.fixture(scope="module")
def scaled(job, tmp_path_factory):
    """A scene up to `scale`."""
    folder = tmp_path_factory.mktemp("room")
    init(write_capture(folder / "capture", room_frames(COUNT, WIDTH, HEIGHT)), folder / "scene", job)
    list(run_to(Scene.open(folder / "scene"), "scale", job))
    return folder / "scene"


@pytest.fixture
def scene(scaled, tmp_path):
    return Scene(shutil.copytree(scaled, tmp_path / "scene"))


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def with_free(monkeypatch, free):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    monkeypatch.setattr(room, "_may_compress", lambda folder: False)


def asked_for(monkeypatch):
    """What the disk is asked to hold, in the order of asking."""
    asked = []
    monkeypatch.setattr(room, "check_room", lambda folder, least, stage: asked.append((stage, least)))
    return asked


def test_depth_is_foreseen_to_the_byte_but_for_the_headers(scene, job, monkeypatch):
    asked = asked_for(monkeypatch)
    scene.forget("depth")
    list(run_to(scene, "depth", job))
    least, left = dict(asked)["depth"], size(scene.file("depth"))
    assert left - COUNT * 128 <= least <= left


def test_refine_is_foreseen_to_the_byte_but_for_the_headers(scene, job, monkeypatch):
    asked, matched = asked_for(monkeypatch), []
    real = Scene.drop

    def drop(self, *names):
        matched.extend(size(self.file(name)) for name in names)
        real(self, *names)

    monkeypatch.setattr(Scene, "drop", drop)
    list(run_to(scene, "refine", job))
    (before, at_the_start), (within, with_matches) = asked[-2:]
    assert (before, within) == ("refine", "refine")
    refined = size(scene.file("refined"))
    assert refined - 2 * COUNT * 128 <= at_the_start <= refined
    most = refined + max(matched)
    files = (2 + len(PASSES) + 1) * COUNT  # and a number each of how well it matches
    assert most - files * 136 <= with_matches <= most


def test_a_stage_that_would_fill_the_disk_is_refused_before_it_writes(scene, job, monkeypatch):
    least = 2 * COUNT * 4 * WIDTH * HEIGHT
    with_free(monkeypatch, least + room.RESERVE - 1)
    with pytest.raises(StageError, match=r"refine: writes 276 kB or more to .*scene, whose disk has 1\.3 MB free;"):
        list(run_to(scene, "refine", job))
    assert not scene.file("refined").exists() and not scene.file("matched").exists()


def test_one_that_just_fits_is_not(scene, job, monkeypatch):
    with_free(monkeypatch, COUNT * 4 * WIDTH * HEIGHT + room.RESERVE)
    scene.forget("depth")
    list(run_to(scene, "depth", job))
    assert scene.is_done("depth")


def test_one_that_goes_on_needs_room_for_what_is_missing_alone(scene, job, monkeypatch):
    asked = asked_for(monkeypatch)
    names = scene.names()
    scene.depth_path(names[0]).unlink()
    list(run_to(scene, "depth", job))
    assert asked[-1] == ("depth", 4 * WIDTH * HEIGHT)


def test_where_the_disk_may_compress_nothing_is_refused(tmp_path, monkeypatch):
    with_free(monkeypatch, 0)
    with pytest.raises(StageError):
        room.check_room(tmp_path, 1, "depth")
    monkeypatch.setattr(room, "_may_compress", lambda folder: True)
    room.check_room(tmp_path, 1, "depth")
