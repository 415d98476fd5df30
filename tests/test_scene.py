import errno
import json
import os

import numpy as np
import pytest

from recon3d.errors import InputError, StageError
from recon3d.files import load_array, replacing, save_array, write_json
from recon3d.scene import OUTPUTS, Scene
from recon3d.signals import Signal


@pytest.fixture
def scene(tmp_path):
    return Scene.create(tmp_path / "scene")


def leave(scene, stage):
    """The files that a stage without photos leaves."""
    for name in OUTPUTS[stage]:
        if name.endswith(".json"):
            write_json(scene.file(name), {})
        elif "." in name:
            scene.file(name).touch()
        else:
            scene.file(name).mkdir()


def test_an_output_that_was_deleted_is_made_again(scene):
    scene.start("mesh", "k", {})
    leave(scene, "mesh")
    scene.finish("mesh", {}, [])
    assert scene.is_done("mesh", "k")
    scene.file("mesh.ply").unlink()
    assert not scene.is_done("mesh", "k")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_temporary_sibling_keeps_the_ending(tmp_path):
    with replacing(tmp_path / "a.ply") as temporary:
        assert temporary.suffix == ".ply" and temporary.parent == tmp_path
        temporary.write_text("x")


def test_a_full_disk_is_an_error_with_advice(tmp_path):
    with pytest.raises(StageError, match="No space left"), replacing(tmp_path / "a.npy") as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_equal_data_gives_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_json(tmp_path / f"{name}.json", {"photo ü": [1.5, None]})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_stage_is_done_only_with_its_key(scene):
    scene.start("init", "k1", {})
    leave(scene, "init")
    assert not scene.is_done("init", "k1")
    scene.finish("init", {"photos": 3}, [Signal("GUESSED_FOV", "guessed", ("a",))])
    assert scene.is_done("init", "k1") and not scene.is_done("init", "k2")
    assert scene.facts("init") == {"photos": 3}
    assert [signal.code for signal in scene.signals()] == ["GUESSED_FOV"]


def test_another_key_deletes_the_stage_s_old_files_and_signals(scene):
    scene.start("depth", "k1", {})
    save_array(scene.depth_path("a"), np.ones((2, 2), np.float32))
    scene.finish("depth", {}, [Signal("OUT_OF_RANGE", "far")])
    scene.start("depth", "k2", {})
    assert not scene.depth_path("a").exists()
    assert scene.signals() == []


def test_the_same_key_keeps_what_is_there(scene):
    scene.start("depth", "k1", {})
    save_array(scene.depth_path("a"), np.ones((2, 2), np.float32))
    scene.start("depth", "k1", {})
    assert scene.depth_path("a").exists()


def test_a_forgotten_stage_takes_those_after_it_along(scene):
    for stage in ("init", "poses", "depth", "scale", "refine", "cloud", "fuse", "mesh"):
        scene.start(stage, "k", {})
        leave(scene, stage)
        scene.finish(stage, {}, [])
    scene.forget("refine")
    assert [stage for stage in OUTPUTS if scene.is_done(stage)] == ["init", "poses", "depth", "scale"]


def test_what_rests_on_something_that_was_made_anew_is_stale(scene):
    for stage in ("init", "poses", "depth"):
        scene.start(stage, "k", {})
        leave(scene, stage)
        scene.finish(stage, {}, [])
    assert [scene.state(stage) for stage in ("init", "poses", "depth", "scale")] == ["done", "done", "done", "missing"]
    scene.start("poses", "another", {})
    assert [scene.state(stage) for stage in ("init", "poses", "depth")] == ["done", "missing", "stale"]
    leave(scene, "poses")
    scene.finish("poses", {}, [])
    assert [scene.state(stage) for stage in ("poses", "depth")] == ["done", "stale"]
    scene.file("cameras.json").unlink()
    assert [scene.state(stage) for stage in ("poses", "depth")] == ["damaged", "stale"]


def test_crash_in_the_deletion_does_not_mix(scene, monkeypatch):
    scene.start("depth", "k1", {})
    save_array(scene.depth_path("a"), np.ones((2, 2), np.float32))
    scene.finish("depth", {}, [])
    monkeypatch.setattr("recon3d.files.shutil.rmtree", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        scene.start("depth", "k2", {})
    monkeypatch.undo()
    # neither the old key nor the new one may take the leftovers for its own
    scene.start("depth", "k1", {})
    assert not scene.depth_path("a").exists()


def test_a_scene_of_another_schema_is_refused(scene):
    manifest = json.loads(scene.file("scene.json").read_text())
    scene.file("scene.json").write_text(json.dumps(manifest | {"schema": 99}))
    with pytest.raises(InputError, match="schema 99"):
        Scene.open(scene.root)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', "null"])
def test_a_damaged_manifest_is_named(scene, text):
    scene.file("scene.json").write_text(text)
    with pytest.raises((InputError, StageError), match="scene.json"):
        Scene.open(scene.root)


def test_someone_else_s_folder_is_never_taken(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not a scene's"):
        Scene.create(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_file_is_no_scene(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        Scene.create(tmp_path / "file")
    with pytest.raises(InputError, match="can't be made"):
        Scene.create(tmp_path / "file" / "scene")


def test_a_missing_scene_says_how_to_make_one(tmp_path):
    with pytest.raises(InputError, match="recon3d init"):
        Scene.open(tmp_path / "nowhere")


def test_a_second_process_is_told(scene):
    with scene.locked(), pytest.raises(StageError, match="another recon3d"), scene.locked():
        pass


def test_leftovers_of_a_killed_run_are_swept(scene):
    scene.file("depth").mkdir()
    (scene.file("depth") / ".tmp-123-a.npy").write_text("half")
    with scene.locked():
        assert os.listdir(scene.file("depth")) == []


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"not an array"])
def test_a_damaged_array_is_named(tmp_path, data):
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    with pytest.raises(StageError, match=r"a\.npy"):
        load_array(path)


def test_a_pickle_is_never_loaded(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(StageError, match="damaged"):
        load_array(path)
