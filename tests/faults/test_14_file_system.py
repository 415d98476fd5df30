"""Disks that are full, read-only or in the way: a line that says so, and nothing half done."""

import errno
import os
import shutil
from types import SimpleNamespace

import pytest
import tiny
from commands import command
from faulty import good_folder, refused, said, whole

from recon3d.scene import Scene

GROUP = "14. File system"


def failing(monkeypatch, call, number, ending=""):
    """Every `os` call of that name on a file with that ending fails."""
    real = getattr(os, call)

    def fails(source, *more, **options):
        if str(more[0] if call == "replace" else source).endswith(ending):
            raise OSError(number, os.strerror(number), str(source))
        return real(source, *more, **options)

    monkeypatch.setattr(f"recon3d.files.os.{call}", fails)


def read_only_output(photos, root, monkeypatch):
    def fails(path, *args, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("pathlib.Path.mkdir", fails)
    return "Read-only file system"


def no_space(photos, root, monkeypatch):
    failing(monkeypatch, "replace", errno.ENOSPC, "calibration.json")
    return "No space left"


def quota_in_mid_write(photos, root, monkeypatch):
    failing(monkeypatch, "replace", errno.EDQUOT, "good.png")
    return "quota"


def input_deleted_in_the_run(photos, root, monkeypatch):
    import recon3d.stages.init as stage

    real = stage.read_photo

    def gone(source, **options):
        source.unlink()
        return real(source, **options)

    monkeypatch.setattr(stage, "read_photo", gone)
    return "no such file"


def input_is_output(photos, root, monkeypatch):
    root.symlink_to(photos)
    return "not a scene's"


def output_is_a_file(photos, root, monkeypatch):
    root.write_text("mine")
    return "is a file"


def no_permission(photos, root, monkeypatch):
    real = os.open

    def fails(path, flags, *more, **options):
        if str(root) in str(path) and flags & os.O_CREAT:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, flags, *more, **options)

    monkeypatch.setattr("recon3d.lock.os.open", fails)
    return "Permission denied"


def rename_refused(photos, root, monkeypatch):
    failing(monkeypatch, "replace", errno.EPERM)
    return "Operation not permitted"


def disk_too_small(photos, root, monkeypatch):
    """One that holds the photos and not the depth: seen when depth begins, not when the disk is full."""
    import recon3d.stages.room as room

    free = room.RESERVE + 4 * 64 * 48 - 1
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    monkeypatch.setattr(room, "_may_compress", lambda folder: False)
    return "depth: writes"


CASES = {
    "read-only output": read_only_output,
    "no space left": no_space,
    "a disk that would fill": disk_too_small,
    "quota reached in the middle of a write": quota_in_mid_write,
    "a photo deleted during the run": input_deleted_in_the_run,
    "output into the photos' folder": input_is_output,
    "output that is a file": output_is_a_file,
    "no permission": no_permission,
    "rename refused": rename_refused,
}


def test_the_group_is_whole():
    assert len(CASES) == 9


@pytest.mark.parametrize("case", CASES)
def test_what_can_not_be_written_is_one_line_and_nothing_is_half_done(case, tmp_path, monkeypatch):
    photos, root = good_folder(tmp_path / "photos"), tmp_path / "s"
    before = {path: path.read_bytes() for path in photos.iterdir()}
    words = CASES[case](photos, root, monkeypatch)
    until_depth = case == "a disk that would fill"
    line = ("run", photos, "-o", root, "--model", "demo") if until_depth else ("init", photos, "-o", root)
    done = command(*line)
    monkeypatch.undo()
    refused(done, words)
    if case != "a photo deleted during the run":
        assert {path: path.read_bytes() for path in photos.iterdir()} == before
    if root.is_dir() and (root / "scene.json").exists():
        whole(root)
        assert Scene.open(root).is_done("init") == until_depth and not (root / "depth").exists()
    if case == "output that is a file":
        assert root.read_text() == "mine"


def test_a_disk_that_was_full_goes_on_once_there_is_room(tiny_capture, tiny_scene, tmp_path, monkeypatch):
    failing(monkeypatch, "replace", errno.ENOSPC, "fused.ply")
    refused(tiny.run(tiny_capture, tmp_path / "s"), "fused.ply", "No space left")
    monkeypatch.undo()
    done = tiny.run(tiny_capture, tmp_path / "s")
    assert "depth: up to date" in done.stdout, done.stderr
    tiny.same(tmp_path / "s", tiny_scene)


def test_an_output_folder_on_another_disk_is_replaced_as_a_link_not_as_what_it_leads_to(tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    shutil.move(root / "depth", tmp_path / "elsewhere")
    (root / "depth").symlink_to(tmp_path / "elsewhere")
    before = sorted(os.listdir(tmp_path / "elsewhere"))
    said(command("depth", root, "--set", "depth.max_depth_m=50"), 0)
    assert sorted(os.listdir(tmp_path / "elsewhere")) == before
    assert not (root / "depth").is_symlink()
