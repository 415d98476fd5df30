"""Work that is spread over processes and threads of this machine: what fails in one is bounded, named and goes on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tiny
from commands import command
from faulty import encoded, good_folder, only_the_good_one_is_in, picture, refused, said

from recon3d.depth.model import FunctionModel
from recon3d.errors import InputError
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.depth import depth
from recon3d.stages.job import Job

GROUP = "21. Engine"


def worker_killed(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    """The process of structure from motion, as the kernel ends it for lack of memory."""
    root = tiny.copied(tiny_scene, tmp_path)
    Scene(root).forget("poses")
    real = subprocess.Popen

    def killed(*args, **options):
        process = real(*args, **options)
        os.kill(process.pid, signal.SIGKILL)
        return process

    with monkeypatch.context() as patch:
        patch.setattr("recon3d.poses.sfm.subprocess.Popen", killed)
        refused(tiny.run(tiny_capture, root), "structure from motion", "ended by signal 9", "lack of memory")
    said(tiny.run(tiny_capture, root), 0)
    tiny.same(root, tiny_scene)


def poison_photo(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    """One that breaks its decoder is tried once, and named."""
    import recon3d.photos.read as reader

    photos, tried = good_folder(tmp_path / "photos"), []
    (photos / "bad.bmp").write_bytes(encoded(picture(), format="BMP"))

    def breaks(file):
        tried.append(file)
        raise SystemError("a decoder's own trouble")

    monkeypatch.setitem(reader._OPENERS, "BMP", breaks)
    only_the_good_one_is_in(photos, tmp_path / "s", "bad.bmp", "damaged")
    assert len(tried) == 1


HANGS = """
import sys, threading
import recon3d.photos.read as reader
from recon3d.cli import main
reader._OPENERS["BMP"] = lambda file: threading.Event().wait()
sys.argv = ["recon3d", *sys.argv[1:]]
main()
"""


def hung_decoder(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    """One that never answers is waited for no longer than said, and doesn't keep the program from ending."""
    photos, root = good_folder(tmp_path / "photos"), tmp_path / "s"
    (photos / "bad.bmp").write_bytes(encoded(picture(), format="BMP"))
    call = [sys.executable, "-c", HANGS, "init", photos, "-o", root, "--set", "photos.timeout_s=1"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    (line,) = (line for line in said(done, 0).splitlines() if "SKIPPED" in line)
    assert "bad.bmp: no answer after 1 s" in line
    assert list(Scene.open(root).calibrations()) == ["good"]


def hung_disk(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    """Where many photos don't answer, the others are not waited for one by one."""
    import recon3d.photos.read as reader
    from recon3d.stages.init import HUNG

    photos, stuck, asked = good_folder(tmp_path / "photos"), threading.Event(), []

    def hangs(file):
        asked.append(file)
        stuck.wait()

    monkeypatch.setitem(reader._OPENERS, "BMP", hangs)
    for number in range(3 * HUNG):
        (photos / f"{number:02d}.bmp").write_bytes(encoded(picture(number), format="BMP"))
    done = command("init", photos, "-o", tmp_path / "s", "--set", "photos.timeout_s=0.2")
    stuck.set()
    refused(done, ".bmp: no answer after 0.2 s", "other photos did not answer either", "disk")
    assert len(asked) < 3 * HUNG


def slow_worker(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    """Photos that are done in another order come out the same."""
    import recon3d.stages.init as stage

    real = stage.read_photo

    def slow(source, **options):
        if "000000" in source.name:
            time.sleep(0.3)
        return real(source, **options)

    monkeypatch.setattr(stage, "read_photo", slow)
    said(command("init", tiny_capture, "-o", tmp_path / "s"), 0)
    assert (tmp_path / "s" / "calibration.json").read_bytes() == (tiny_scene / "calibration.json").read_bytes()


def row_error(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    """The photo is named, what was made before it is kept, and the next run begins there."""
    root, seen = tiny.copied(tiny_scene, tmp_path), []
    Scene(root).forget("depth")

    def model(fails):
        def predict(image, camera):
            seen.append(1)
            if len(seen) == fails:
                raise InputError("made up")
            return np.full(image.shape[:2], 2.0, np.float32)

        return Job(Settings(), "cpu", FunctionModel(predict, name="made", version="1"))

    with pytest.raises(InputError, match=r"frame-000003.*made up"):
        depth(Scene(root), model(fails=4))
    kept = len(list((root / "depth").glob("*.npy")))
    seen.clear()
    depth(Scene(root), model(fails=None))
    assert kept == 3 and len(seen) == tiny.COUNT - kept


def engine_absent(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    done = command("run", tiny_capture, "-o", tmp_path / "s", "--engine", "none-such")
    assert done.returncode != 0 and "engine" in said(done, done.returncode)
    assert not (tmp_path / "s" / "photos").exists()


def version_clash(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    root = tiny.copied(tiny_scene, tmp_path)
    manifest = json.loads((root / "scene.json").read_text())
    (root / "scene.json").write_text(json.dumps(manifest | {"schema": 99}))
    refused(command("fuse", root), "schema 99", "make the scene again in a new folder")


CASES = {
    "a worker that is killed": worker_killed,
    "a photo that breaks its decoder": poison_photo,
    "a decoder that hangs": hung_decoder,
    "a disk that doesn't answer": hung_disk,
    "a slow worker": slow_worker,
    "an error for one photo": row_error,
    "an engine that is not there": engine_absent,
    "a scene of another version": version_clash,
}


def test_the_group_is_whole():
    assert len(CASES) == 8


@pytest.mark.parametrize("case", CASES)
def test_it_is_bounded_and_named_and_the_rest_goes_on(case, tiny_capture, tiny_scene, tmp_path, monkeypatch):
    CASES[case](tiny_capture, tiny_scene, tmp_path, monkeypatch)
