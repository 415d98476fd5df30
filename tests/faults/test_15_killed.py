"""Runs that are ended from outside, at any moment: the same command again ends in the bytes of a run never ended."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from faulty import said, whole

from recon3d.scene import Scene

GROUP = "15. Killed"
STAGES = ("init", "poses", "depth", "scale", "refine", "fuse")
CASES = {f"kill -9 during a write of {stage}": (stage, "during", "SIGKILL") for stage in STAGES}
CASES |= {f"kill -9 between writes of {stage}": (stage, "between", "SIGKILL") for stage in STAGES}
CASES |= {"SIGTERM": ("depth", "between", "SIGTERM"), "Ctrl-C twice": ("refine", "between", "SIGINT,SIGINT")}
QUICK = ("kill -9 during a write of refine", "Ctrl-C twice")


def test_the_group_is_whole():
    assert len(CASES) == 14


def ended(stage, moment, signals, photos, root):
    """The scene is forgotten from the stage on and the run is ended in it; what the run's process came to."""
    Scene(root).forget(stage)
    line = [sys.executable, str(Path(__file__).with_name("killed.py")), stage, moment, signals]
    line += ["run", str(photos), "-o", str(root), *tiny.SETTINGS]
    done = subprocess.run(line, check=False, capture_output=True, text=True, timeout=900)
    assert not Scene.open(root).is_done(stage), done.stderr
    return done


@pytest.mark.parametrize("case", [pytest.param(c, marks=[] if c in QUICK else [pytest.mark.slow]) for c in CASES])
def test_the_same_command_again_ends_in_the_same_bytes(case, tiny_capture, tiny_scene, tmp_path):
    stage, moment, signals = CASES[case]
    root = tiny.copied(tiny_scene, tmp_path)
    done = ended(stage, moment, signals, tiny_capture, root)
    if "SIGINT" in signals:
        assert done.returncode in (1, 130, -signal.SIGINT), done.stderr
    else:
        assert done.returncode == -getattr(signal, signals), done.stderr
    said(tiny.run(tiny_capture, root), 0)
    tiny.same(root, tiny_scene)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["cloud", "mesh", "report"])
def test_so_do_the_stages_of_one_file(stage, tiny_capture, tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    assert ended(stage, "during", "SIGKILL", tiny_capture, root).returncode == -signal.SIGKILL
    said(tiny.run(tiny_capture, root), 0)
    tiny.same(root, tiny_scene)


@pytest.mark.slow
def test_an_interrupt_is_one_line_and_leaves_nothing_half_done(tiny_capture, tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    done = ended("refine", "between", "SIGINT", tiny_capture, root)
    assert done.returncode == 130 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "recon3d: interrupted; the same command goes on from here"
    whole(root)
