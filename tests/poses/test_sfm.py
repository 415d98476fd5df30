import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import synthetic

from recon3d.errors import InputError, StageError
from recon3d.geometry import Calibration, Camera
from recon3d.metrics.trajectory import centre_rmse_m
from recon3d.poses import sfm, sfm_child, sfm_features
from recon3d.poses.matching import Matching
from recon3d.poses.photo_set import why_left_out
from recon3d.poses.sfm import DATABASE, MODEL_FILES, reconstruct
from recon3d.poses.sparse import read_sparse
from recon3d.settings import PosesSettings

SETTINGS = PosesSettings(features=800)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that `reconstruct` starts."""
    started = []
    start = subprocess.Popen

    def recorded(*args: Any, **options: Any) -> Any:
        started.append(start(*args, **options))
        return started[-1]

    monkeypatch.setattr(sfm_child.subprocess, "Popen", recorded)
    return started


def test_every_photo_is_placed_right_with_nothing_known(room: Any, placed: Path) -> None:
    sparse = read_sparse(placed)
    assert sparse.names == list(room.photos)
    # The hand moves over 2 m; features are good to a few tenths of a pixel of 1 cm.
    assert centre_rmse_m(sparse.world_from_cam, room.world_from_cam, with_scale=True) < 0.01
    truth = room.frames[0].camera
    for calibration in sparse.calibrations.values():
        assert calibration.source == "SfM"
        assert calibration.camera.fx == pytest.approx(truth.fx, rel=0.02)
        assert (calibration.camera.cx, calibration.camera.cy) == (truth.cx, truth.cy)


def test_a_model_lies_in_its_folder_whole_and_alone(placed: Path) -> None:
    assert {path.name for path in placed.iterdir()} == {*MODEL_FILES, DATABASE, sfm.RECORD}


def test_same_photos_same_bytes_and_features_are_kept(room: Any, placed: Path, tmp_path: Path) -> None:
    folder = _with_features(placed, tmp_path)
    told = []
    reconstruct(Matching.of(room.photos, room.guess, SETTINGS), folder, report=lambda *step: told.append(step))
    assert [step for step in told if step[0] == "features"] == [("features", 5, 5)]
    for name in MODEL_FILES:
        assert (folder / name).read_bytes() == (placed / name).read_bytes(), name


def test_other_photos_do_not_take_over_the_features(room: Any, placed: Path, tmp_path: Path) -> None:
    folder = _with_features(placed, tmp_path)
    few = dict(list(room.photos.items())[3:])
    told = []
    reconstruct(Matching.of(few, room.guess, SETTINGS), folder, report=lambda *step: told.append(step))
    assert ("features", 0, 2) in told
    assert read_sparse(folder).names == list(few)


def test_given_poses_are_kept_to_the_last_digit(room: Any, triangulated: Path) -> None:
    sparse = read_sparse(triangulated)
    assert sparse.names == list(room.photos)
    for name, pose in room.world_from_cam.items():
        assert np.abs(sparse.world_from_cam[name].matrix - pose.matrix).max() < 1e-9
        assert sparse.calibrations[name] == room.truth[name]


def test_points_seen_from_given_poses_lie_on_the_surfaces(triangulated: Path) -> None:
    sparse = read_sparse(triangulated)
    assert len(sparse.points) > 200
    # One pixel of 256 is 1 cm at 2 m; features are better than half a pixel, most rays meet at 10 degrees or more.
    assert np.median(synthetic.distance_to_room(sparse.points)) < 0.01


def test_photos_without_a_given_pose_are_left_out(room: Any, triangulated: Path, tmp_path: Path) -> None:
    folder = _with_features(triangulated, tmp_path)
    given = dict(list(room.world_from_cam.items())[:3])
    names = list(given)
    pairs = [(names[0], names[1]), (names[2], names[1])]
    sparse = read_sparse(reconstruct(Matching.of(room.photos, room.truth, SETTINGS, given=given, pairs=pairs), folder))
    assert sparse.names == names
    assert len(sparse.points) > 20


@pytest.fixture(scope="module")
def mixed(room: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two photos with a known camera, two with a guessed one, of which one is on its side, and two strays."""
    folder = tmp_path_factory.mktemp("mixed")
    names = list(room.photos)[:4]
    images = {
        "tall": cv2.rotate(cv2.imread(str(room.photos[names[3]])), cv2.ROTATE_90_CLOCKWISE),
        "grey": np.full((192, 256), 128, np.uint8),
        "other": synthetic.room_frames(1, 256, 192, seed=7)[0].image,
    }
    photos = {name: room.photos[name] for name in names[:3]}
    for name, image in images.items():
        photos[name] = folder / f"{name}.png"
        cv2.imwrite(str(photos[name]), image)
    calibrations = {name: (room.truth if name in names[:2] else room.guess).get(name) for name in photos}
    calibrations["tall"] = Calibration(Camera.from_fov(192, 256, np.radians(60)))
    calibrations["grey"] = calibrations["other"] = room.guess[names[2]]
    return reconstruct(Matching.of(photos, calibrations, SETTINGS), folder / "sparse"), names, photos


def test_known_cameras_are_kept_and_guessed_ones_are_found_beside_them(room: Any, mixed: Any) -> None:
    folder, names, _ = mixed
    sparse = read_sparse(folder)
    assert sparse.names == [*names[:3], "tall"]
    assert sparse.calibrations[names[0]] == room.truth[names[0]]
    for name in (names[2], "tall"):
        calibration = sparse.calibrations[name]
        assert calibration.source == "SfM"
        # Each is found from one photo, not from five.
        assert calibration.camera.fx == pytest.approx(room.frames[0].camera.fx, rel=0.05)
    assert sparse.calibrations["tall"].camera.height == 256


def test_a_stray_photo_is_named_with_the_reason(mixed: Any) -> None:
    folder, _, photos = mixed
    reasons = why_left_out(folder / DATABASE, photos, read_sparse(folder).names)
    assert set(reasons) == {"grey", "other"}
    assert reasons["grey"] == "only 0 features: textureless"
    assert "overlap" in reasons["other"]


def test_photos_that_show_nothing_are_an_error_with_numbers(tmp_path: Path) -> None:
    photos, guess = {}, Calibration(Camera.from_fov(64, 48, 1.0))
    for name in "ab":
        photos[name] = tmp_path / f"{name}.png"
        cv2.imwrite(str(photos[name]), np.full((48, 64, 3), 128, np.uint8))
    with pytest.raises(StageError, match=r"none of 2 photos .* 0 features a photo, 0 of 1 pairs.*--poses"):
        reconstruct(Matching.of(photos, dict.fromkeys(photos, guess), SETTINGS), tmp_path / "sparse")


def test_a_photo_of_another_size_than_its_calibration_is_refused(room: Any, tmp_path: Path) -> None:
    wrong = dict.fromkeys(room.photos, Calibration(Camera.from_fov(640, 480, 1.0)))
    with pytest.raises(InputError, match=r"256 x 192 px and its calibration is for 640 x 480"):
        reconstruct(Matching.of(room.photos, wrong, SETTINGS), tmp_path / "sparse")


def test_a_run_past_its_time_is_ended_and_says_so(
    room: Any, tmp_path: Path, children: list[subprocess.Popen[bytes]]
) -> None:
    with pytest.raises(StageError, match=r"not done after 0\.002 minutes.*poses\.timeout_min"):
        reconstruct(Matching.of(room.photos, room.guess, replace(SETTINGS, timeout_min=0.002)), tmp_path / "sparse")
    assert children[0].returncode is not None
    assert not list((tmp_path / "sparse").glob("*.bin"))


def test_an_interrupted_run_leaves_no_process_and_no_model(
    room: Any, tmp_path: Path, children: list[subprocess.Popen[bytes]]
) -> None:
    def interrupt(title: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconstruct(Matching.of(room.photos, room.guess, SETTINGS), tmp_path / "sparse", report=interrupt)
    assert children[0].returncode is not None
    assert not list((tmp_path / "sparse").glob(".tmp-*"))


def test_a_worker_that_fails_is_told_by_its_last_line(
    room: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sfm_child, "WORKER", "recon3d.no_such_worker")
    with pytest.raises(StageError, match=r"ended with code 1; it last said: .*No module named recon3d.no_such_worker"):
        reconstruct(Matching.of(room.photos, room.guess, SETTINGS), tmp_path / "sparse")


def test_a_crash_names_its_signal(room: Any, tmp_path: Path, children: list[subprocess.Popen[bytes]]) -> None:
    def crash(title: str, done: int, total: int) -> None:
        if title == "mapping":
            children[0].send_signal(signal.SIGSEGV)

    with pytest.raises(StageError, match="ended by signal 11"):
        reconstruct(Matching.of(room.photos, room.guess, SETTINGS), tmp_path / "sparse", report=crash)


def test_a_broken_database_is_made_again(room: Any, placed: Path, tmp_path: Path) -> None:
    folder = _with_features(placed, tmp_path)
    whole = (folder / DATABASE).read_bytes()
    (folder / DATABASE).write_bytes(whole[: len(whole) // 2])
    reconstruct(Matching.of(room.photos, room.guess, SETTINGS), folder)
    assert (folder / MODEL_FILES[-1]).read_bytes() == (placed / MODEL_FILES[-1]).read_bytes()


def test_a_database_of_another_version_is_made_again(room: Any, placed: Path, tmp_path: Path) -> None:
    folder = _with_features(placed, tmp_path)
    record = json.loads((folder / sfm.RECORD).read_text())
    (folder / sfm.RECORD).write_text(json.dumps(record | {"pycolmap": "3.9.1"}, indent=1))
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        database.execute("DROP TABLE two_view_geometries")
        database.execute("DROP TABLE frames")
        database.commit()
    assert read_sparse(reconstruct(Matching.of(room.photos, room.guess, SETTINGS), folder)).names == list(room.photos)


def test_a_process_killed_while_matching_goes_on_once_from_where_it_was(
    room: Any, placed: Path, tmp_path: Path, children: list[subprocess.Popen[bytes]]
) -> None:
    told = []

    def kill(title: str, done: int, total: int) -> None:
        told.append((title, done, total))
        if title == "matching" and len(children) == 1:
            children[0].kill()
            children[0].wait()

    folder = reconstruct(Matching.of(room.photos, room.guess, SETTINGS), tmp_path / "sparse", report=kill)
    assert len(children) == 2
    assert (folder / MODEL_FILES[-1]).read_bytes() == (placed / MODEL_FILES[-1]).read_bytes()
    # Every step counts up to its end: that is what the time left is made from.
    assert list(dict.fromkeys(step[0] for step in told)) == ["features", "matching", "mapping"]
    assert {step[0] for step in told if step[1] == step[2]} == {"features", "matching", "mapping"}


def test_a_run_killed_while_mapping_goes_on_with_its_features_and_matches(
    room: Any, tmp_path: Path, children: list[subprocess.Popen[bytes]]
) -> None:
    def kill(title: str, done: int, total: int) -> None:
        if title == "mapping":
            children[-1].kill()

    matching = Matching.of(room.photos, room.guess, SETTINGS)
    with pytest.raises(StageError, match="ended by signal 9"):
        reconstruct(matching, tmp_path / "sparse", report=kill)
    told = []
    reconstruct(matching, tmp_path / "sparse", report=lambda *step: told.append(step))
    assert [step for step in told if step[0] == "features"] == [("features", 5, 5)]


@pytest.mark.parametrize(
    ("built", "driver", "device"), [(True, True, "cuda"), (True, False, "cpu"), (False, True, "cpu")]
)
def test_matching_runs_on_a_gpu_where_pycolmap_and_the_machine_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: bool, driver: bool, device: str
) -> None:
    if driver:
        (tmp_path / "version").touch()
    monkeypatch.setattr(sfm_features, "DRIVER", tmp_path / "version")
    monkeypatch.setattr(sfm_features.pycolmap, "has_cuda", built)
    asked = []
    monkeypatch.setattr(
        sfm_features.pycolmap, "match_image_pairs", lambda *_, **options: asked.append(options["device"])
    )
    images = [{"file": "a.jpg"}, {"file": "b.jpg"}]
    job = {"settings": {"seed": 0}, "threads": 1, "scratch": str(tmp_path), "images": images}
    sfm_features.match_pairs(tmp_path / DATABASE, job, [(0, 1)])
    assert asked == [getattr(sfm_features.pycolmap.Device, device)]


def _with_features(folder: Path, tmp_path: Path) -> Path:
    """A folder with the features and matches of another, as a killed run leaves it."""
    copy = tmp_path / "sparse"
    copy.mkdir()
    for name in (DATABASE, sfm.RECORD):
        shutil.copyfile(folder / name, copy / name)
    return copy


def _script(tmp_path: Path, room: Any, extra: str = "") -> list[str]:
    """A user's program that calls `reconstruct` at the top level, beside files named like modules of ours."""
    for name in ("random", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported the user\\'s file')")
    script = tmp_path / "script.py"
    photos = {name: str(path) for name, path in list(room.photos.items())[:2]}
    script.write_text(
        textwrap.dedent(f"""
        import sys
        here = sys.path.pop(0)
        import math
        from pathlib import Path
        from recon3d.geometry import Calibration, Camera
        from recon3d.poses.matching import Matching
        from recon3d.poses.sfm import reconstruct
        from recon3d.poses.sfm_child import subprocess
        from recon3d.settings import PosesSettings
        {extra}
        print("at work", flush=True)
        photos = {{name: Path(path) for name, path in {photos!r}.items()}}
        guess = Calibration(Camera.from_fov(256, 192, math.radians(60)))
        matching = Matching.of(photos, dict.fromkeys(photos, guess), PosesSettings(features=800))
        reconstruct(matching, Path("sparse"))
        print("done", flush=True)
        """)
    )
    return [sys.executable, str(script)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(sfm.__file__).parents[2])}


def test_a_script_without_a_main_guard_runs_once(room: Any, tmp_path: Path) -> None:
    done = subprocess.run(_script(tmp_path, room), cwd=tmp_path, env=_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "at work\ndone\n"), done.stderr


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the process in /proc")
def test_the_process_ends_when_its_parent_is_killed(room: Any, tmp_path: Path) -> None:
    tell_pid = "P = subprocess.Popen; subprocess.Popen = lambda *a, **k: (c := P(*a, **k), print(c.pid, flush=True))[0]"
    command = _script(tmp_path, room, extra=tell_pid)
    with subprocess.Popen(command, cwd=tmp_path, env=_environment(), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "at work\n"
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        _until(lambda: not _lives(child))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until(state: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not state():
        assert time.monotonic() < deadline, "still running"
        time.sleep(0.05)
