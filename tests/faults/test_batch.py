"""Many scenes: a row that fails, hangs or is killed doesn't keep the others from being done, nor outlives the batch."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import tiny
from commands import command
from faulty import encoded, killed_at_birth, picture, refused, said

from recon3d.scene import Scene
from recon3d.stages import batch_row

SETTINGS = ("--set=depth.model=recorded", *tiny.SETTINGS[2:])


def table(folder, *rows):
    path = folder / "jobs.csv"
    path.write_text("\n".join(("photos,scene", *(f"{photos},{scene}" for photos, scene in rows))) + "\n")
    return path


def batch(path, *more):
    """`recon3d batch` on such a table, and its results."""
    done = command("batch", path, *SETTINGS, "-o", path.parent / "results.csv", *more)
    with (path.parent / "results.csv").open() as file:
        return done, list(csv.DictReader(file))


@pytest.fixture
def photo(tmp_path):
    """One photo without depth: `recon3d run` refuses it, with recorded depth, in a second."""
    (tmp_path / "photo.png").write_bytes(encoded(picture(), format="PNG"))
    return tmp_path / "photo.png"


def nearly_done(tiny_scene, folder, name):
    """A copy of the scene that lacks its report."""
    root = tiny.copied(tiny_scene, folder).rename(folder / name)
    Scene(root).forget("report")
    return root


def test_a_row_that_fails_is_told_and_the_others_are_done(tiny_capture, tiny_scene, photo, tmp_path):
    root = nearly_done(tiny_scene, tmp_path, "new")
    tiny.copied(tiny_scene, tmp_path)
    done, results = batch(
        table(tmp_path, (tiny_capture, "copy"), (photo, "bad"), (tiny_capture, "new")), "--json", "--jobs=2"
    )
    refused(done, "1 of 3 rows failed: bad;", "SCENE.log")
    assert [(row["row"], row["result"]) for row in results] == [("2", "up to date"), ("3", "failed"), ("4", "done")]
    assert [row["error"].split(" with ")[0] for row in results] == ["", "no depth map was recorded", ""]
    for row in (results[0], results[2]):
        assert (row["registered"], row["photos"]) == ("6", "6")
        assert int(row["triangles"]) > 1000 and 4 < float(row["size_x_m"]) < 6
    facts = [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in json.loads(done.stdout)
    ]
    assert facts == results
    tiny.same(root, tiny_scene)
    assert "recon3d: no depth map" in (tmp_path / "bad.log").read_text()
    assert "mesh: up to date" in (tmp_path / "new.log").read_text()


def test_a_row_that_is_killed_is_told_and_the_same_command_goes_on(
    tiny_capture, tiny_scene, photo, tmp_path, monkeypatch
):
    root = nearly_done(tiny_scene, tmp_path, "killed")
    (tmp_path / "other.log").write_text("a user's own")  # a row that fails without any process
    with monkeypatch.context() as patch:
        patch.setattr("recon3d.stages.batch_row.subprocess.Popen", killed_at_birth)
        done, results = batch(table(tmp_path, (tiny_capture, "killed"), (photo, "other")))
    refused(done, "2 of 2 rows failed: killed, other;")
    assert "ended by signal 9 (perhaps for lack of memory)" in results[0]["error"]
    assert "other.log: holds something else" in results[1]["error"]
    assert done.stdout.splitlines()[-1] == "2 rows: 2 failed"
    done, results = batch(table(tmp_path, (tiny_capture, "killed")))
    assert said(done, 0) and [row["result"] for row in results] == ["done"]
    tiny.same(root, tiny_scene)
    assert (tmp_path / "killed.log").read_text().count("recon3d run ") == 2  # the log of what was killed is kept


SLOWLY = """
import sys
from recon3d.cli import main
from recon3d.stages import batch_row
batch_row.MODULE = "slow_row"
sys.argv = ["recon3d", *sys.argv[1:]]
main()
"""


def slowly(path, *more):
    """A batch in a process of its own, whose rows do nothing for long."""
    call = [sys.executable, "-c", SLOWLY, "batch", path, *SETTINGS, *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def waited_for(path, seconds=60):
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path.name} never came"
        time.sleep(0.05)
    return path


def ended(process, seconds=120):
    """Whether a process that is not ours to wait for has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_ends_the_rows_in_good_order_and_says_what_is_done(photo, tmp_path):
    path = table(tmp_path, (photo, "first"), (photo, "second"))
    running = slowly(path)
    row = json.loads(waited_for(tmp_path / "first.json").read_text())
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 130 and "Traceback" not in err, err
    assert err.splitlines()[-1] == "recon3d: interrupted; the same command goes on from here"
    assert out.splitlines()[-1] == "2 rows: 1 interrupted, 1 waiting"
    assert ended(row["process"], 0.1) and (tmp_path / "first.end").exists()


def test_rows_do_not_outlive_a_batch_that_is_killed(photo, tmp_path):
    path = table(tmp_path, (photo, "first"), (photo, "second"))
    running = slowly(path, "-o", tmp_path / "results.csv")
    row = json.loads(waited_for(tmp_path / "first.json").read_text())
    running.kill()
    running.communicate()
    assert ended(row["process"]) and (tmp_path / "first.end").exists()
    with (tmp_path / "results.csv").open() as file:  # what is known so far
        assert [row["result"] for row in csv.DictReader(file)] == ["running", "waiting"]


def test_a_row_that_takes_too_long_is_ended_and_the_next_begun(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_row, "MODULE", "slow_row")
    done, results = batch(table(tmp_path, (photo, "first"), (photo, "second")), "--timeout-min", "0.02")
    refused(done, "2 of 2 rows failed")
    assert [row["result"] for row in results] == ["timed out", "timed out"]
    assert "not done after 0.02 minutes (--timeout-min), ended" in results[0]["error"]


def test_rows_at_a_time_share_the_cores(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_row, "MODULE", "slow_row")
    monkeypatch.setattr("os.sched_getaffinity", lambda process: range(8))
    monkeypatch.setenv("SLOW_ROW_S", "4")
    monkeypatch.setenv(batch_row.THREADS[1], "7")  # what a user has set stays
    for name in (batch_row.THREADS[0], *batch_row.THREADS[2:]):
        monkeypatch.delenv(name, raising=False)
    path = table(tmp_path, *((photo, name) for name in "abc"))
    done, results = batch(path, "--jobs", "2")
    refused(done, "3 of 3 rows failed")
    begun, over, threads = {}, {}, set()
    for row in results:
        scene = row["log"].removesuffix(".log")
        noted = json.loads((tmp_path / f"{scene}.json").read_text())
        threads.add(tuple(noted["threads"]))
        begun[scene[-1]], over[scene[-1]] = map(float, row["error"].split()[-2:])
    assert max(begun["a"], begun["b"]) < min(over["a"], over["b"]) < begun["c"]
    assert threads == {("4", "7", "4", "4")}


def test_a_row_whose_log_can_not_be_written_fails_alone(photo, tmp_path):
    (tmp_path / "mine.log").write_text("a user's own")
    (tmp_path / "link.log").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "file").write_text("")
    rows = [(photo, name) for name in ("mine", "link", "pipe", "file/s", "n" * 254)]
    done, results = batch(table(tmp_path, *rows))
    refused(done, "5 of 5 rows failed")
    assert all(row["error"].startswith(row["log"]) for row in results), results
    assert (tmp_path / "mine.log").read_text() == "a user's own" and not (tmp_path / "elsewhere").exists()


def test_a_name_that_is_a_formula_is_text_in_the_results(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_row, "MODULE", "slow_row")
    monkeypatch.setenv("SLOW_ROW_S", "0")
    done, (row,) = batch(table(tmp_path, (photo, '"=HYPERLINK(""x"")"')))
    refused(done, "1 of 1 rows failed")
    assert row["error"].startswith("ended after") and not any(cell.startswith("=") for cell in row.values())
    assert "=HYPERLINK" in done.stdout
