"""What dies or hangs in the processes and threads of this machine is bounded and named, and the rest goes on."""

import json
import subprocess
import sys
import threading

import tiny
from commands import command
from faulty import encoded, good_folder, killed_at_birth, only_the_good_one_is_in, picture, refused, said

from recon3d.scene import Scene

HANGS = """
import sys, threading
import recon3d.photos.read as reader
from recon3d.cli import main
reader._OPENERS["BMP"] = lambda file: threading.Event().wait()
sys.argv = ["recon3d", *sys.argv[1:]]
main()
"""


def test_structure_from_motion_that_is_killed_ends_in_the_same_bytes_when_run_again(
    tiny_capture, tiny_scene, tmp_path, monkeypatch
):
    """The process of structure from motion, as the kernel ends it for lack of memory."""
    root = tiny.copied(tiny_scene, tmp_path)
    Scene(root).forget("poses")
    with monkeypatch.context() as patch:
        patch.setattr("recon3d.poses.sfm_child.subprocess.Popen", killed_at_birth)
        refused(tiny.run(tiny_capture, root), "structure from motion", "ended by signal 9", "lack of memory")
    said(tiny.run(tiny_capture, root), 0)
    tiny.same(root, tiny_scene)


def test_a_photo_that_breaks_its_decoder_is_tried_once(tmp_path, monkeypatch):
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


def test_a_decoder_that_never_answers_is_waited_for_no_longer_than_said(tmp_path):
    """One that never answers is waited for no longer than said, and doesn't keep the program from ending."""
    photos, root = good_folder(tmp_path / "photos"), tmp_path / "s"
    (photos / "bad.bmp").write_bytes(encoded(picture(), format="BMP"))
    call = [sys.executable, "-c", HANGS, "init", photos, "-o", root, "--set", "photos.timeout_s=1"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    (line,) = (line for line in said(done, 0).splitlines() if "SKIPPED" in line)
    assert "bad.bmp: no answer after 1 s" in line
    assert list(Scene.open(root).calibrations()) == ["good"]


def test_a_disk_that_does_not_answer_is_not_waited_for_photo_by_photo(tmp_path, monkeypatch):
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


def test_a_depth_map_that_never_answers_is_named(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    """The run ends, since no photo goes without its recorded depth; the same command goes on once the disk answers."""
    root, stuck = tiny.copied(tiny_scene, tmp_path), threading.Event()
    Scene(root).forget("depth")
    with monkeypatch.context() as patch:
        patch.setattr("recon3d.stages.depth_maps.read_depth", lambda path, **how: stuck.wait())
        done = tiny.run(tiny_capture, root, "--set", "photos.timeout_s=0.3")
    stuck.set()
    refused(done, "frame-00000", ".depth.png: no answer after 0.3 s")
    said(tiny.run(tiny_capture, root), 0)
    tiny.same(root, tiny_scene)


def test_a_scene_of_another_version_is_refused(tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    manifest = json.loads((root / "scene.json").read_text())
    (root / "scene.json").write_text(json.dumps(manifest | {"schema": 99}))
    refused(command("fuse", root), "schema 99", "make the scene again in a new folder")
