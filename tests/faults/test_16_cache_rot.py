"""What stands in a scene and is no longer right: found, and made again."""

import os
import time

import pytest
import tiny
from commands import command
from faulty import refused, said

from recon3d.lock import held

GROUP = "16. Cache rot"


def truncated(root, monkeypatch):
    path = next((root / "refined").glob("*.npy"))
    path.write_bytes(path.read_bytes()[:-100])
    return ("refine",), f"refined/{path.name}"


def flipped(root, monkeypatch):
    path = next((root / "depth").glob("*.npy"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return ("depth",), f"depth/{path.name}"


def other_version(root, monkeypatch):
    monkeypatch.setattr("recon3d.stages.refine.VERSION", 10**6)
    return ("refine", "cloud", "fuse", "mesh", "report"), ""


def other_settings(root, monkeypatch):
    """Refined anew; what was made of it before is right again once the settings are back."""
    said(command("refine", root, "--set", "refine.agree_m=0.03"), 0)
    return ("refine",), ""


def stale_lock(root, monkeypatch):
    (root / ".lock").write_text("process 999999999 on another machine\n")
    return (), ""


def clock_skew(root, monkeypatch):
    for number, path in enumerate(sorted(root.rglob("*"))):
        moment = time.time() + (10**8 if number % 2 else -(10**8))
        os.utime(path, (moment, moment), follow_symlinks=False)
    return (), ""


SPOILT = {
    "a truncated file": truncated,
    "a flipped byte": flipped,
    "another version of the code": other_version,
    "other settings": other_settings,
    "a stale lock": stale_lock,
    "clocks that differ": clock_skew,
}
CASES = (*SPOILT, "two processes at once")


def test_the_group_is_whole():
    assert len(CASES) == 7


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_no_longer_right_is_made_again_and_nothing_else(case, tiny_capture, tiny_scene, tmp_path, monkeypatch):
    root = tiny.copied(tiny_scene, tmp_path)
    stages, file = SPOILT[case](root, monkeypatch)
    done = tiny.run(tiny_capture, root)
    error = said(done, 0)
    *lines, _ = done.stdout.splitlines()
    assert tuple(line.split(":")[0] for line in lines if "up to date" not in line) == stages
    assert ("DAMAGED" in error and file in error) if file else "DAMAGED" not in error
    if case != "another version of the code":
        tiny.same(root, tiny_scene)


def test_two_processes_at_once_the_second_is_told_who_works(tiny_capture, tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    with held(root):
        refused(tiny.run(tiny_capture, root), "another recon3d works on this scene", f"process {os.getpid()} on ")
    said(tiny.run(tiny_capture, root), 0)


def test_a_damaged_sigma_is_made_again_with_its_depth(tiny_capture, tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    next((root / "refined").glob("*.sigma.npy")).write_bytes(b"")
    assert "DAMAGED" in said(tiny.run(tiny_capture, root), 0)
    tiny.same(root, tiny_scene)


def test_photos_that_rotted_in_the_scene_are_named_where_they_are_not_at_hand(tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    path = next((root / "photos").iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    refused(command("fuse", root), f"photos/{path.name}", "recon3d init PHOTOS")


def test_a_link_in_the_place_of_the_lock_is_not_followed(tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    (tmp_path / "mine").write_text("keep")
    (root / ".lock").unlink()
    (root / ".lock").symlink_to(tmp_path / "mine")
    refused(command("fuse", root), "can't be written")
    assert (tmp_path / "mine").read_text() == "keep"


def test_a_mesh_that_the_user_changed_is_left_alone(tiny_capture, tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    (root / "mesh.ply").write_bytes(b"changed in Blender")
    assert "mesh: up to date" in tiny.run(tiny_capture, root).stdout
    assert (root / "mesh.ply").read_bytes() == b"changed in Blender"


def test_what_rotted_is_found_also_beside_a_file_that_was_deleted(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    root = tiny.copied(tiny_scene, tmp_path)
    _, file = flipped(root, monkeypatch)
    next(path for path in (root / "depth").glob("*.npy") if path.name not in file).unlink()
    assert file in said(tiny.run(tiny_capture, root), 0)
    tiny.same(root, tiny_scene)
