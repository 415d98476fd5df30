"""The file of a log: whole lines, whatever ends the run that writes them."""

import json
import os

import pytest

from recon3d.errors import InputError
from recon3d.log import Log


def log_to(path):
    return Log(path, warn=pytest.fail)


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_every_line_is_json_that_tells_time_run_event_and_stage(tmp_path):
    log = log_to(tmp_path / "made" / "run.jsonl")
    log.write("run_start", "", {"version": "1"})
    log.write("unit", "depth", {"photo": "Küche 1", "seconds": 0.5})
    log.close()
    first, second = (json.loads(line) for line in lines_of(tmp_path / "made" / "run.jsonl"))
    assert first["time"].endswith("Z") and first["run"] == second["run"]
    assert (first["event"], first["stage"], first["version"]) == ("run_start", None, "1")
    assert (second["event"], second["stage"], second["photo"]) == ("unit", "depth", "Küche 1")


def test_a_line_is_in_the_file_when_it_is_written(tmp_path):
    log = log_to(tmp_path / "run.jsonl")
    log.write("stage_start", "fuse", {})
    assert len(lines_of(tmp_path / "run.jsonl")) == 1
    log.close()


def test_runs_share_a_file_and_are_told_apart(tmp_path):
    path = tmp_path / "run.jsonl"
    first, second = log_to(path), log_to(path)
    for log in (first, second, first):
        log.write("unit", "depth", {})
    first.close()
    second.close()
    runs = [json.loads(line)["run"] for line in lines_of(path)]
    assert runs[0] == runs[2] != runs[1]


def test_a_line_that_was_cut_short_is_not_glued_to_the_next(tmp_path):
    path = tmp_path / "run.jsonl"
    log = log_to(path)
    log.write("unit", "depth", {"photo": "a"})
    log.write("unit", "depth", {"photo": "b"})
    log.close()
    os.truncate(path, path.stat().st_size - 9)
    cut = lines_of(path)
    log = log_to(path)
    log.write("run_start", "", {})
    log.write("run_end", "", {})
    log.close()
    assert lines_of(path)[:2] == cut
    assert [json.loads(line)["event"] for line in lines_of(path)[2:]] == ["run_start", "run_end"]


def test_names_that_are_no_unicode_come_back_as_they_were(tmp_path):
    log = log_to(tmp_path / "run.jsonl")
    name = os.fsdecode(b"caf\xe9 \\ 1")
    log.write("unit", "init", {"photo": name})
    log.close()
    assert json.loads(lines_of(tmp_path / "run.jsonl")[0])["photo"] == name


def test_passwords_in_addresses_stay_out(tmp_path):
    log = log_to(tmp_path / "run.jsonl")
    log.write("run_start", "", {"command": "recon3d run s3://me:secret@host/photos -o a@b", "also": ["x://y@z"]})
    log.close()
    (line,) = lines_of(tmp_path / "run.jsonl")
    assert "secret" not in line
    assert json.loads(line)["command"] == "recon3d run s3://…@host/photos -o a@b"


@pytest.mark.parametrize("held", [b"\xff\xd8\xff\xe0 a photo", b'{\n "schema": 1', b"ply\n", b"\n"])
def test_a_file_that_is_no_log_is_left_as_it_is(tmp_path, held):
    path = tmp_path / "file"
    path.write_bytes(held)
    with pytest.raises(InputError, match="something else than a log"):
        log_to(path)
    assert path.read_bytes() == held


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")  # that nobody reads: no wait for a reader
    for path in (tmp_path, tmp_path / "file" / "run.jsonl", tmp_path / "pipe"):
        with pytest.raises(InputError, match="can't be written"):
            log_to(path)


def test_a_disk_that_fills_up_ends_the_log_and_not_the_run(tmp_path):
    said = []
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    log = Log(full, said.append)
    log.write("unit", "depth", {})
    log.write("unit", "depth", {})
    assert len(said) == 1 and "No space left" in said[0] and "the run goes on" in said[0]
    log.close()
