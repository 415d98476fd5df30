"""Features and matches in parts, whoever makes them and in whatever order, are those that one process makes."""

import random
import shutil
import sqlite3
import threading
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import room_frames, write_photos

from recon3d.engine.in_process import IN_PROCESS
from recon3d.engine.shard import Shard
from recon3d.errors import StageError
from recon3d.poses import sfm_child
from recon3d.poses.matching import Matching
from recon3d.poses.photo_set import why_left_out
from recon3d.poses.sfm import DATABASE, MODEL_FILES, Parts, reconstruct
from recon3d.poses.sparse import read_sparse
from recon3d.progress import silent
from recon3d.scene import Scene
from recon3d.settings import PosesSettings, Settings
from recon3d.stages import poses_parts
from recon3d.stages.init import init
from recon3d.stages.job import Job
from recon3d.stages.poses import poses
from recon3d.stages.poses_parts import Cut, make_parts
from recon3d.stages.poses_said import featureless

SETTINGS = PosesSettings(features=800)
TABLES = ("keypoints", "descriptors", "matches", "two_view_geometries")


class Scrambled:
    """An engine of three workers who take the pieces as they like; stops before a piece where it is told to."""

    shares = 3

    def __init__(self, stop=None):
        self.stop, self.done = stop, []

    def do(self, work, items, report):
        todo = [item for item in items if not work.is_done(item)]
        random.Random(len(self.done)).shuffle(todo)
        do = work.begin()
        for item in todo:
            if (work.title, item) == self.stop:
                raise StageError("the machine is switched off")
            self.done.append(work.title)
            yield from do([item])

    def gather(self, work, items):
        """All is done here."""


def model_of(folder):
    return {name: (folder / name).read_bytes() for name in MODEL_FILES}


def rows_of(folder):
    """What a database says of photos and pairs."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        return {table: database.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES}


def test_parts_in_any_order_make_the_same_features_matches_and_model(room, placed, tmp_path):
    matching = Matching.of(room.photos, room.guess, SETTINGS)
    engine = Scrambled()
    parts = make_parts(matching, tmp_path, engine, silent)
    assert engine.done == [*["features"] * 3, "pairs", *["matching"] * 3]
    told = []
    reconstruct(matching, tmp_path, parts=parts, report=lambda *step: told.append(step))
    assert [step for step in told if step[0] == "features"] == [("features", 5, 5)]
    assert rows_of(tmp_path) == rows_of(placed)
    assert model_of(tmp_path) == model_of(placed)


def test_parts_that_are_there_are_kept_when_the_work_is_cut_short(room, placed, tmp_path):
    matching = Matching.of(room.photos, room.guess, SETTINGS)
    with pytest.raises(StageError, match="switched off"):
        make_parts(matching, tmp_path, Scrambled(stop=("matching", 1)), silent)
    again = Scrambled()
    parts = make_parts(matching, tmp_path, again, silent)
    assert "features" not in again.done and "pairs" not in again.done
    assert model_of(reconstruct(matching, tmp_path, parts=parts)) == model_of(placed)


def test_other_photos_have_parts_of_their_own(room, tmp_path):
    few = dict(list(room.photos.items())[3:])
    cuts = [Cut(Matching.of(photos, room.guess, SETTINGS), tmp_path) for photos in (room.photos, few)]
    assert cuts[0].root != cuts[1].root


@settings(max_examples=20)
@given(photos=st.integers(2, 80), pairs=st.integers(0, 1000), shares=st.integers(1, 12))
def test_every_photo_and_every_pair_is_in_one_part(photos, pairs, shares, tmp_path_factory):
    chosen = [(a, b) for a in range(photos) for b in range(a + 1, photos)][:pairs]
    record = {"pairs": chosen, "settings": {"exhaustive_up_to": 60, "neighbours": 5, "similar": 8}}
    cut = Cut(Matching(dict.fromkeys(map(str, range(photos))), record, None, 1.0), tmp_path_factory.mktemp("c"), shares)
    poses_parts.write_json(cut.pairs_path, chosen)
    assert [number for block in cut.photo_blocks for number in block] == list(range(photos))
    assert all(cut.features_path(i) == cut.features_of([n])[0] for i, b in enumerate(cut.photo_blocks) for n in b)
    found = [pair for block in range(cut.pair_blocks) for pair in cut.pairs_of(block)]
    assert sorted(found) == sorted(chosen)


def test_a_damaged_part_is_named(room, tmp_path):
    matching = Matching.of(room.photos, room.guess, SETTINGS)
    part = tmp_path / "features-0-of-1.db"
    part.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(StageError, match=r"features-0-of-1\.db: missing or damaged.*delete it"):
        reconstruct(matching, tmp_path / "sparse", parts=Parts(features=[part]))


@pytest.fixture(scope="module")
def poisoned(room, tmp_path_factory):
    """A model of the room, and the processes that it took, where photo number 2 crashes who reads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sfm_child, "WORKER", "poisoned_worker")
        started, start = [], sfm_child.subprocess.Popen
        patch.setattr(sfm_child.subprocess, "Popen", lambda *a, **k: started.append(1) or start(*a, **k))
        folder = tmp_path_factory.mktemp("poisoned")
        return reconstruct(Matching.of(room.photos, room.guess, SETTINGS), folder), len(started)


def test_a_photo_that_crashes_the_process_is_tried_twice_and_left_out_with_the_reason(room, poisoned):
    folder, processes = poisoned
    name = list(room.photos)[2]
    assert processes == 3
    assert read_sparse(folder).names == [other for other in room.photos if other != name]
    (reason,) = why_left_out(folder / DATABASE, room.photos, read_sparse(folder).names).items()
    assert reason[0] == name and "features can't be found" in reason[1] and "signal 11" in reason[1]


def test_where_poses_are_given_such_a_photo_is_named_as_one_without_ties(room, poisoned):
    (signal,) = featureless(poisoned[0] / DATABASE, list(room.photos))
    assert signal.code == "FEW_TIES" and signal.photos == (list(room.photos)[2],) and "signal 11" in signal.message


def test_so_it_is_in_parts(room, poisoned, tmp_path, monkeypatch):
    monkeypatch.setattr(sfm_child, "WORKER", "poisoned_worker")
    matching = Matching.of(room.photos, room.guess, SETTINGS)
    parts = make_parts(matching, tmp_path, Scrambled(), silent)
    placed = read_sparse(reconstruct(matching, tmp_path, parts=parts)).names
    assert placed == read_sparse(poisoned[0]).names
    ((name, reason),) = why_left_out(tmp_path / DATABASE, room.photos, placed).items()
    assert name == list(room.photos)[2] and "features can't be found" in reason


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Four photos of the room, taken in."""
    folder = tmp_path_factory.mktemp("scene")
    write_photos(folder / "photos", room_frames(4, 192, 144))
    init(folder / "photos", folder / "scene", Job())
    return folder / "scene"


@pytest.fixture(scope="module")
def whole(scene, tmp_path_factory):
    """Files of the scene with `poses` done by one process."""
    return posed(scene, tmp_path_factory.mktemp("whole"), IN_PROCESS)


def posed(scene, folder, *engines):
    """The files of a copy of the scene with `poses` done by engines at a time, but for the database and the lock."""
    root = shutil.copytree(scene, folder / "copy")
    chosen = Settings().with_assignments(["poses.features=800", "poses.odometry=off"])
    jobs = [Job(chosen, engine=engine) for engine in engines]
    threads = [threading.Thread(target=poses, args=[Scene(root), one], kwargs={"trusted_depth": False}) for one in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Scene(root).is_done("poses")
    files = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".db" and path.name != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_processes_that_share_the_stage_end_in_the_same_bytes(scene, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("recon3d.engine.shard.LOOK_S", 0.02)
    assert posed(scene, tmp_path, Shard(2, 2), Shard(1, 2)) == whole


def test_so_do_workers_on_ray(ray, scene, whole, tmp_path):
    assert posed(scene, tmp_path, ray) == whole
