"""A scene in a store is the scene that a folder would be, whichever machines worked on it and however they ended."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
from commands import command
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from synthetic import room_frames, write_capture

from recon3d.errors import InputError, StageError
from recon3d.files import load_array, read_json, save_array, write_json
from recon3d.lock import held
from recon3d.scene import OUTPUTS, Scene
from recon3d.settings import Settings
from recon3d.stages.chain import run, run_to
from recon3d.stages.job import Job
from recon3d.store import OBJECT_STORES, Store

SETTINGS = ("depth.model=recorded", "poses.features=300", "fuse.voxel_size=0.08", "report.photos=2")
LAST = "fuse"
"""Stage that is done last here: what comes after it goes the same ways."""

pytestmark = pytest.mark.usefixtures("one_thread_a_module")


@pytest.fixture(autouse=True)
def first_machine(tmp_path, monkeypatch):
    monkeypatch.setattr("recon3d.store.PAUSE_S", 0.0)
    MemoryFileSystem.store.clear()
    machine(tmp_path, monkeypatch, 1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("photos"), room_frames(3, 96, 72))


@pytest.fixture(scope="module")
def folder(photos, tmp_path_factory):
    """The scene as a folder."""
    root = tmp_path_factory.mktemp("local") / "scene"
    made(photos, root)
    return root


@pytest.fixture
def url(folder, tmp_path):
    """The same scene in a store."""
    shutil.copytree(folder, tmp_path / "store")
    (tmp_path / "store" / ".lock").unlink()
    return f"file://{tmp_path}/store"


def machine(tmp_path, monkeypatch, number):
    """From now on this is another machine, that has another disk."""
    monkeypatch.setenv("RECON3D_CACHE", str(tmp_path / f"machine-{number}"))


def job(*more):
    return Job(Settings().with_assignments([*SETTINGS, *more]), "cpu")


def made(photos, root, last=LAST, *more):
    """Does what is missing up to a stage."""
    for outcome in run(photos, root, job(*more)):
        if outcome.stage == last:
            return outcome
    raise AssertionError(last)


def contents(root):
    """The bytes of all files of a scene, but for the lock and the database, which are of a machine."""
    files = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".db" and path.name != ".lock")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def in_memory(url):
    place = url.removeprefix("memory:/") + "/"
    return {
        path.removeprefix(place): file.getvalue()
        for path, file in MemoryFileSystem.store.items()
        if path.startswith(place)
    }


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if ours[name] != theirs[name]] == []


@pytest.mark.parametrize("kind", ["file", "memory", "objects"])
def test_a_scene_in_a_store_ends_in_the_bytes_of_one_in_a_folder(kind, photos, folder, tmp_path, monkeypatch):
    if kind == "objects":
        monkeypatch.setattr("recon3d.store.OBJECT_STORES", OBJECT_STORES | {"memory"})
    url = f"file://{tmp_path}/a/store" if kind == "file" else "memory://bucket/scene"
    made(photos, url)
    same(contents(tmp_path / "a" / "store") if kind == "file" else in_memory(url), contents(folder))


def test_each_stage_goes_on_from_the_store_on_another_machine(photos, folder, tmp_path, monkeypatch):
    url = f"file://{tmp_path}/store"
    for number, stage in enumerate(list(OUTPUTS)[: list(OUTPUTS).index(LAST) + 1]):
        machine(tmp_path, monkeypatch, number)
        outcome = made(photos, url, stage)
        assert outcome.fresh, stage
        shutil.rmtree(os.environ["RECON3D_CACHE"])
    same(contents(tmp_path / "store"), contents(folder))


@pytest.mark.parametrize("count", [1, 4, 9, 15, 24, 31])
def test_a_run_whose_connection_is_lost_goes_on_from_what_the_store_holds(count, photos, folder, tmp_path, monkeypatch):
    url, real, sent = f"file://{tmp_path}/store", LocalFileSystem.put_file, []

    def cut(self, source, target, **options):
        sent.append(target)
        if len(sent) < count:
            return real(self, source, target, **options)
        with open(target, "wb") as half:
            half.write(b"half")
        raise ConnectionError("the network is unreachable")

    with monkeypatch.context() as patched:
        patched.setattr(LocalFileSystem, "put_file", cut)
        with pytest.raises(StageError, match=r"file://.*: can't be sent: the network is unreachable; see to .*goes on"):
            made(photos, url)
    before = Store.at(url).lists()
    if count % 2:
        machine(tmp_path, monkeypatch, 2)
    made(photos, url)
    same(contents(tmp_path / "store"), contents(folder))
    if count > 24:  # what stood there whole was not sent again
        kept = [name for name, held in Store.at(url).lists().items() if before.get(name) == held]
        assert any(name.startswith("photos/") for name in kept) and len(kept) > 10


def test_what_another_machine_has_done_since_is_what_is_read(photos, url, tmp_path, monkeypatch):
    first = Scene.open(url)
    before, depth = first.file("fused.ply").read_bytes(), first.depth_path(first.names()[0])
    assert depth.exists()
    machine(tmp_path, monkeypatch, 2)
    made(photos, url, LAST, "fuse.voxel_size=0.1", "depth.max_depth_m=3")
    machine(tmp_path, monkeypatch, 1)
    again = Scene.open(url)
    assert again.root == first.root and again.settings_of("fuse")["voxel_size"] == 0.1
    assert again.file("fused.ply").read_bytes() == (tmp_path / "store" / "fused.ply").read_bytes() != before
    assert load_array(again.depth_path(again.names()[0])).max() <= 3
    assert not made(photos, url, LAST, "fuse.voxel_size=0.1", "depth.max_depth_m=3").fresh


def test_files_of_other_settings_go_from_the_store_before_the_new_ones_come(url):
    scene = Scene.open(url)
    with scene.locked():
        scene.start("depth", "another key", {})
    names = Store.at(url).lists()
    assert not any(name.startswith("depth/") for name in names) and "scales.json" in names
    assert not scene.is_done("depth") and not scene.depth_path(scene.names()[0]).exists()


def test_only_what_is_asked_for_is_fetched(url, monkeypatch):
    fetched, real = [], Store.fetch
    monkeypatch.setattr(Store, "fetch", lambda self, name, target: fetched.append(name) or real(self, name, target))
    scene = Scene.open(url)
    assert all(scene.state(stage) == "done" for stage in ("init", "poses", "depth", "refine", "fuse"))
    scene.refined_path(scene.names()[1])
    assert sorted(fetched) == [
        "calibration.json",
        "cameras.json",
        f"refined/{scene.names()[1]}.npy",
        "scene.json",
    ]
    Scene.open(url).refined_path(scene.names()[1])
    assert len(fetched) == 4


@pytest.mark.parametrize("how", ["cut short", "gone", "rotten"])
def test_a_file_that_was_spoiled_in_the_store_is_made_again(how, photos, folder, url, tmp_path):
    scene = Scene.open(url)
    path = tmp_path / "store" / "refined" / f"{scene.names()[0]}.npy"
    scene.refined_path(scene.names()[0])  # what isn't here is not read for its sum
    content = path.read_bytes()
    path.unlink()
    if how != "gone":
        path.write_bytes(content[:-1] + (b"" if how == "cut short" else b"\xff"))
    made(photos, url)
    same(contents(tmp_path / "store"), contents(folder))


def test_a_file_that_was_spoiled_here_alone_is_fetched_again(photos, folder, url, tmp_path):
    scene = Scene.open(url)
    path = scene.refined_path(scene.names()[0])
    path.write_bytes(b"rot")
    assert load_array(Scene.open(url).refined_path(scene.names()[0])).any()
    assert not made(photos, url).fresh


def test_what_a_killed_run_left_here_is_no_part_of_what_others_made(url, tmp_path):
    scene, name = Scene.open(url), Scene.open(url).names()[0]
    save_array(scene.bare.sigma_path(name), np.ones((2, 2), np.float32))  # the store has none
    (scene.root / "masks").mkdir()
    (scene.root / "masks" / f"{name}.png").write_bytes(b"no picture")
    assert not scene.sigma_path(name).exists() and scene.mask(name) is None
    with scene.locked():
        assert not scene.bare.sigma_path(name).exists()


def test_what_a_killed_run_left_here_counts_when_it_goes_on(url):
    scene = Scene.open(url)
    with scene.locked():
        scene.start("cloud", "a key", {})
        scene.bare.file("cloud.ply").write_bytes(b"made, and not sent")
    with scene.locked():
        assert scene.file("cloud.ply").read_bytes() == b"made, and not sent"
        scene.finish("cloud", {}, [])
    assert Store.at(url).lists()["cloud.ply"].size == 18


def test_features_of_photos_stay_here_until_poses_are_found_otherwise(url):
    scene = Scene.open(url)
    database = scene.bare.file("sparse") / "database.db"
    with scene.locked():
        scene.start("poses", "a key", {})
        database.parent.mkdir()
        database.write_bytes(b"features")
    with scene.locked():
        scene.start("poses", "a key", {})
        assert database.exists()
        scene.start("poses", "another key", {})
        assert not database.exists()
    assert "sparse/database.db" not in Store.at(url).lists()


def test_an_export_in_a_scene_is_replaced_in_the_store_too(url, tmp_path):
    first = command("export", url, "--to", "colmap")
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "store" / "export" / "colmap"
    (folder / "images" / "other.png").write_bytes(b"of an older export")
    shutil.rmtree(os.environ["RECON3D_CACHE"])
    assert "is there already" in command("export", url, "--to", "colmap").stderr
    assert command("export", url, "--to", "colmap", "--force").returncode == 0
    assert not (folder / "images" / "other.png").exists() and len(list((folder / "images").iterdir())) == 3


def test_a_second_process_on_this_machine_is_told_so(photos, url):
    with held(Scene.open(url).root), pytest.raises(StageError, match="another recon3d works on this scene"):
        made(photos, url, LAST, "fuse.voxel_size=0.1")


def test_names_in_a_manifest_that_lead_out_of_the_scene_are_refused(url, tmp_path):
    cameras = read_json(tmp_path / "store" / "cameras.json")
    write_json(tmp_path / "store" / "cameras.json", {"../../../x": next(iter(cameras.values()))})
    scene = Scene.open(url)
    for path_of in (scene.depth_path, scene.image_path, scene.refined_path):
        with pytest.raises(InputError, match="leads out of the scene"):
            path_of("../../../x")


def test_a_folder_can_t_say_of_itself_that_it_is_in_a_store(folder, tmp_path, monkeypatch):
    root = shutil.copytree(folder, tmp_path / "scenes" / "0123")
    write_json(root / ".store.json", {"url": "memory://bucket/scene"})
    monkeypatch.setenv("RECON3D_CACHE", str(tmp_path))
    assert Scene.open(root).mirror is None


def test_the_commands_take_a_url(photos, url, folder, tmp_path):
    done = command("report", url, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["report"]["fresh"]
    assert (tmp_path / "store" / "report.html").is_file()
    done = command("export", url, "--to", "tum")
    assert done.returncode == 0 and list((tmp_path / "store" / "export").iterdir())
    done = command("evaluate", "trajectory", url, folder, "--json")
    assert json.loads(done.stdout)["ate_m"]["max"] == pytest.approx(0, abs=1e-9)
    done = command("cloud", url)
    assert done.stdout.splitlines()[-1].startswith("cloud: ") and (tmp_path / "store" / "cloud.ply").is_file()
    done = command("run", photos, "-o", url, *(word for one in SETTINGS for word in ("--set", one)), "--dry-run")
    assert done.returncode == 0 and done.stdout.count("up to date") >= 6, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["depth", "foo://bucket/scene"], "unknown scheme 'foo'"),
        (["depth", "memory://bucket/nothing"], "memory://bucket/nothing: no scene there; make one with: recon3d init"),
        (["depth", "sftp://me:secret@host/scene"], "holds a password"),
        (["init", "PHOTOS", "-o", "memory://bucket"], "holds files that are not a scene's"),
        (["depth", "URL", "--shard", "1/2"], "--shard: shares a SCENE in a folder"),
    ],
)
def test_what_can_t_be_says_so_in_a_line(arguments, words, photos, url):
    MemoryFileSystem().pipe_file("/bucket/other", b"x")
    done = command(*(url if word == "URL" else photos if word == "PHOTOS" else word for word in arguments))
    assert done.returncode == 1 and words in done.stderr and "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    done = command("view", "s3://bucket/scene")
    assert done.returncode == 1 and "Install s3fs" in done.stderr


def test_a_folder_s_scene_touches_neither_store_nor_cache(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Store, "_place", property(lambda self: pytest.fail("a store was asked")))
    root = shutil.copytree(folder, tmp_path / "copy")
    Scene.open(root).forget("fuse")
    for _ in run_to(Scene.open(root), "fuse", job()):
        pass
    assert not os.path.exists(os.environ["RECON3D_CACHE"])
