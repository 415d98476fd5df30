"""Runs with `--log`, and how much they say: what is logged, what a kill leaves of it, and what stays as it was."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from commands import command
from faulty import good_folder, refused, said

from recon3d.cli.telling import telling
from recon3d.manifest import ON_DEMAND, OUTPUTS
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.job import Outcome

STAGES = [stage for stage in OUTPUTS if stage not in ON_DEMAND]


def logged(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def of(entries, event):
    return [entry for entry in entries if entry["event"] == event]


@pytest.fixture(scope="module")
def run(tiny_capture, tmp_path_factory):
    """A scene that was made with a log, and what the log says."""
    folder = tmp_path_factory.mktemp("logged")
    said(tiny.run(tiny_capture, folder / "scene", "--log", folder / "run.jsonl"), 0)
    return folder / "scene", logged(folder / "run.jsonl")


def test_a_log_never_changes_a_byte_of_the_scene(run, tiny_scene):
    tiny.same(run[0], tiny_scene)


def test_every_line_of_the_log_tells_its_stage(run):
    entries = run[1]
    assert len({entry["run"] for entry in entries}) == 1
    outside = [entry["event"] for entry in entries if entry["stage"] is None]
    assert outside == ["run_start", "settings", "run_end"]
    assert list(dict.fromkeys(entry["stage"] for entry in entries if entry["stage"])) == STAGES


def test_the_log_tells_what_was_run_with_which_settings_and_where(run):
    start, settings, *_ = run[1]
    assert start["command"].startswith("recon3d run ")
    assert start["machine"]["cores"] >= 1 and start["machine"]["memory_mib"] > 500
    assert settings["changed"] == {"poses.features": 300, "depth.model": "recorded", "fuse.voxel_size": 0.08}
    assert settings["device"] == "auto"


def test_every_stage_ends_with_its_line_seconds_and_memory(run):
    ends = of(run[1], "stage_end")
    assert [end["stage"] for end in ends] == STAGES == [begin["stage"] for begin in of(run[1], "stage_start")]
    assert all(end["seconds"] >= 0 and end["peak_mib"] > 50 and not end["up_to_date"] for end in ends)
    assert ends[0]["line"] == "6 photos (7scenes), camera from capture"
    assert run[1][-1]["exit_code"] == 0 and run[1][-1]["seconds"] >= sum(end["seconds"] for end in ends)


@pytest.mark.parametrize(
    ("stage", "step"), [("init", "photos"), ("poses", "undistort"), ("depth", "depth"), ("refine", "refine")]
)
def test_every_photo_is_logged_in_every_stage_that_goes_through_them(run, stage, step):
    units = [unit for unit in of(run[1], "unit") if unit["stage"] == stage and unit["step"] == step]
    assert [unit["photo"] for unit in units] == list(Scene.open(run[0]).calibrations())
    assert [unit["done"] for unit in units] == list(range(1, tiny.COUNT + 1))
    assert all(unit["seconds"] >= 0 and unit["memory_mib"] > 50 for unit in units)


def test_the_memory_of_structure_from_motion_is_that_of_its_own_process(run):
    by_stage = {end["stage"]: end for end in of(run[1], "stage_end")}
    others = by_stage["init"]["helpers_peak_mib"]  # of tests that came before
    assert by_stage["poses"]["helpers_peak_mib"] > others + 50
    assert by_stage["depth"]["helpers_peak_mib"] == others


def test_a_comparison_is_logged_photo_by_photo(tiny_scene, tmp_path):
    log = tmp_path / "run.jsonl"
    said(command("report", "--compare", tiny_scene, tiny_scene, "-o", tmp_path / "c.html", "-q", "--log", log), 0)
    units = [unit for unit in of(logged(log), "unit") if unit["step"] == "compare"]
    assert [unit["photo"] for unit in units] == list(Scene.open(tiny_scene).names())
    assert {unit["stage"] for unit in units} == {"compare"}


def test_a_log_among_the_photos_does_no_harm(tmp_path):
    photos = good_folder(tmp_path / "photos")
    for _ in range(2):
        done = command("init", photos, "-o", tmp_path / "scene", "--log", photos / "run.jsonl")
        said(done, 0)
    assert done.stdout == "init: up to date\n"
    assert [end["up_to_date"] for end in of(logged(photos / "run.jsonl"), "stage_end")] == [False, True]


def test_a_log_in_the_scene_is_refused_before_any_work(tmp_path):
    photos, root = good_folder(tmp_path / "photos"), tmp_path / "scene"
    (tmp_path / "link").symlink_to(root)
    for path in (root / "run.jsonl", tmp_path / "link" / "deep" / "run.jsonl", root):
        refused(command("init", photos, "-o", root, "--log", path), "--log", "lies in SCENE")
    assert not root.exists()


def test_a_log_that_cannot_be_written_is_said_before_any_work(tmp_path):
    photos = good_folder(tmp_path / "photos")
    refused(command("init", photos, "-o", tmp_path / "scene", "--log", tmp_path), "--log", "can't be written")
    refused(command("init", photos, "-o", tmp_path / "scene", "--log", photos / "good.png"), "else than a log")
    assert not (tmp_path / "scene").exists()


def test_what_a_killed_run_has_logged_stays_readable(tiny_capture, tiny_scene, tmp_path):
    root, log = tiny.copied(tiny_scene, tmp_path), tmp_path / "run.jsonl"
    Scene(root).forget("depth")
    line = [sys.executable, str(Path(tiny.__file__).with_name("killed.py")), "depth", "between", "SIGKILL"]
    line += ["run", str(tiny_capture), "-o", str(root), *tiny.SETTINGS, "--log", str(log)]
    assert subprocess.run(line, check=False, capture_output=True, timeout=300).returncode == -signal.SIGKILL
    killed = logged(log)
    assert killed[-1]["stage"] == "depth" and not of(killed, "run_end")
    said(tiny.run(tiny_capture, root, "--log", log), 0)
    again = logged(log)
    assert again[: len(killed)] == killed
    assert again[len(killed)]["event"] == "run_start" and again[-1]["exit_code"] == 0
    tiny.same(root, tiny_scene)


def test_an_error_is_logged_with_its_stage_and_all_of_its_text(tiny_capture, tmp_path):
    log = tmp_path / "run.jsonl"
    done = tiny.run(tiny_capture, tmp_path / "scene", "--set", "depth.max_depth_m=0.001", "--log", log)
    refused(done, "0.001 m")
    (error,) = of(logged(log), "error")
    assert (error["stage"], error["kind"]) == ("depth", "StageError")
    assert f"recon3d: {error['text']}" == done.stderr.splitlines()[-1]
    assert logged(log)[-1]["exit_code"] == 1


def test_an_error_of_the_command_line_is_logged_too(tmp_path):
    log = tmp_path / "run.jsonl"
    refused(command("init", tmp_path / "none", "--set", "no.such=1", "--log", log), "no")
    start, error, end = logged(log)
    assert (start["event"], error["stage"], end["exit_code"]) == ("run_start", None, 1)


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt, 130), (ZeroDivisionError, 1)])
def test_ctrl_c_and_bugs_are_logged(tmp_path, monkeypatch, raised, code):
    def broken(*_):
        raise raised

    monkeypatch.setattr("recon3d.stages.init._take_in", broken)
    log = tmp_path / "run.jsonl"
    try:
        done = command("init", good_folder(tmp_path / "photos"), "-o", tmp_path / "scene", "--log", log)
        assert done.returncode == code
    except ZeroDivisionError:
        pass  # a bug comes through with its traceback
    error, end = logged(log)[-2:]
    assert (error["stage"], error["kind"], end["exit_code"]) == ("init", raised.__name__, code)
    assert ("in broken" in error.get("traceback", "")) == (raised is ZeroDivisionError)


def test_signals_are_logged_as_they_stand_in_the_scene(tmp_path):
    log = tmp_path / "run.jsonl"
    said(command("init", good_folder(tmp_path / "photos"), "-o", tmp_path / "scene", "--log", log), 0)
    (found,) = of(logged(log), "signal")
    (stands,) = Scene.open(tmp_path / "scene").manifest()["signals"]
    assert {key: found[key] for key in stands} == stands
    assert found["code"] == "GUESSED_FOV" and found["photos"] == ["good"]


def test_quiet_says_nothing_where_all_is_well_and_errors_all_the_same(tmp_path):
    photos = good_folder(tmp_path / "photos")
    done = command("init", photos, "-o", tmp_path / "scene", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = command("init", tmp_path / "none", "-o", tmp_path / "scene", "--quiet")
    refused(done, "no such file or folder")
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_quiet_leaves_the_json_that_was_asked_for(tmp_path):
    photos = good_folder(tmp_path / "photos")
    done = command("init", photos, "-o", tmp_path / "scene", "-q", "--json")
    assert json.loads(done.stdout)["init"]["photos"] == 1 and done.stderr == ""


def test_verbose_says_what_a_stage_took_and_which_photos_on_stderr(tmp_path):
    photos = good_folder(tmp_path / "photos")
    plain = command("init", photos, "-o", tmp_path / "one")
    verbose = command("init", photos, "-o", tmp_path / "two", "--verbose")
    assert verbose.stdout == plain.stdout
    more = [line.strip() for line in verbose.stderr.splitlines() if line not in plain.stderr.splitlines()]
    assert re.fullmatch(r"\d+\.\d s, at most \d+ MiB(, and \d+ MiB in processes of its own)?", more[0])
    assert more[1:] == ["photos: good"]


@pytest.mark.parametrize("verbose", [True, False])
def test_verbose_says_all_of_a_long_signal(verbose, capsys):
    signal_of_many = Signal("UNREGISTERED", "photo: no overlap; " * 100, ("photo",))
    with telling(None, log=None, quiet=False, verbose=verbose) as tell:
        tell.all([Outcome("poses", "done", {}, (signal_of_many,), fresh=True)])
    assert (signal_of_many.message in capsys.readouterr().err) == verbose


def test_quiet_and_verbose_at_once_is_misuse(tmp_path):
    done = command("init", tmp_path, "-o", tmp_path / "scene", "-q", "-v", "--log", tmp_path / "run.jsonl")
    assert done.returncode == 2 and "one of them" in done.stderr
    assert not (tmp_path / "run.jsonl").exists()
