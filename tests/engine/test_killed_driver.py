"""A program that is killed while workers are at work for it, and started again, ends in the same bytes."""

import os
import signal
import subprocess
import sys
import time

import pytest
from commands import command
from synthetic import room_frames, write_capture

SETTINGS = ("--model", "demo", "--set", "poses.features=300", "--set", "fuse.voxel_size=0.08")


@pytest.mark.slow
def test_a_program_killed_while_workers_are_at_it_goes_on_from_what_is_there(ray, tmp_path):
    photos = write_capture(tmp_path / "capture", room_frames(8, 96, 72))
    call = [sys.executable, "-m", "recon3d", "run", photos, "-o", tmp_path / "a", *SETTINGS, "--engine", "ray"]
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while not list((tmp_path / "a" / "matched" / "0").glob("*.npy")) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "a" / "fused.ply").exists()
    again = command(*map(str, call[3:-2]))
    assert again.returncode == 0 and "depth: up to date" in again.stdout
    assert command("run", photos, "-o", tmp_path / "b", *SETTINGS).returncode == 0
    for name in ("fused.ply", "scales.json", "mesh.ply", "scene.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
