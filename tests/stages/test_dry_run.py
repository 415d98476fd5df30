"""A dry run: says what a run would do, leave and take, and does nothing itself."""

import json
import os
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from commands import command
from PIL import Image
from synthetic import room_frames, write_capture

import recon3d.stages.dry_run as dry
import recon3d.stages.room as room
from recon3d.errors import InputError
from recon3d.photos.header import read_header
from recon3d.photos.read import read_photo
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.begun import gap_s
from recon3d.stages.chain import run
from recon3d.stages.intake import intake_of
from recon3d.stages.job import Job
from recon3d.stages.pace import Pace, measured

COUNT, WIDTH, HEIGHT = 6, 96, 72
SETTINGS = ("depth.model=recorded", "poses.features=300", "fuse.voxel_size=0.08")
STAGES = ("init", "poses", "depth", "scale", "refine", "cloud", "fuse", "mesh", "report")
PACE = Pace(
    unit_s=0.02,
    decode_s=0.01,
    encode_s=0.01,
    jpeg_bytes=0.5,
    png_bytes=2.0,
    features=300.0,
    features_s=0.1,
    match_s=0.01,
    load_s=1.0,
    predict_s=0.5,
    has_sigma=True,
    network_bytes=10**7,
    photo_bytes=10**7,
    on_gpu=False,
    took_s=0.0,
)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("dry") / "capture", room_frames(COUNT, WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def finished(capture, tmp_path_factory):
    """A finished scene, which no test changes in place."""
    root = tmp_path_factory.mktemp("dry") / "scene"
    list(run(capture, root, job()))
    return root


@pytest.fixture
def scene(finished, tmp_path):
    return Scene(shutil.copytree(finished, tmp_path / "scene"))


@pytest.fixture(autouse=True)
def known_pace(monkeypatch):
    """What is measured is made up."""
    monkeypatch.setattr(dry, "measured", lambda *what: PACE)


def job(*more):
    return Job(Settings().with_assignments([*SETTINGS, *more]), "cpu")


def standing(*folders):
    """Every file below, with its size and when it was written."""
    return {(path, path.lstat().st_size, path.lstat().st_mtime_ns) for folder in folders for path in folder.rglob("*")}


def size(*paths):
    files = (file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    return sum(file.stat().st_size for file in files)


def test_nothing_is_written(capture, scene, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = standing(capture, tmp_path)
    found = dry.dry_run(capture, tmp_path / "new", job())
    dry.dry_run(capture, scene.root, job("refine.min_agree=1"))
    assert standing(capture, tmp_path) == before
    assert set(found.states.values()) == {"to do"} and found.disk == tmp_path


def test_maps_are_foreseen_to_the_byte_but_for_their_headers(capture, finished, tmp_path):
    estimates = dry.dry_run(capture, tmp_path / "new", job()).estimates
    for stage, folder, maps in (("depth", "depth", 1), ("refine", "refined", 2)):
        left = size(finished / folder)
        assert left - maps * COUNT * 128 <= estimates[stage].disk_bytes <= left


def test_what_is_copied_is_foreseen_to_the_byte(capture, finished, tmp_path):
    found = dry.dry_run(capture, tmp_path / "new", job())
    copied = sum(one.copied_bytes for one in found.intake.ones)
    assert copied in (0, size(finished / "photos"))
    left = size(*(finished / name for name in ("photos", "calibration.json", "capture.json")))
    assert 0.4 < found.estimates["init"].disk_bytes / left < 2.5


def test_a_finished_scene_is_up_to_date_and_nothing_is_measured(capture, finished, monkeypatch):
    monkeypatch.setattr(dry, "measured", None)
    found = dry.dry_run(capture, finished, job())
    assert set(found.states.values()) == {"up to date"}
    assert not found.estimates and found.fits


def test_from_the_first_stage_whose_settings_changed_all_is_to_do(capture, finished):
    states = dry.dry_run(capture, finished, job("refine.min_agree=1")).states
    assert [states[stage] for stage in ("init", "poses", "depth", "scale")] == ["up to date"] * 4
    assert {states[stage] for stage in ("refine", "cloud", "fuse", "mesh", "report")} == {"to do"}


def test_it_says_what_the_run_then_does(capture, scene):
    settings = job("fuse.voxel_size=0.09")
    states = dry.dry_run(capture, scene.root, settings).states
    assert {outcome.stage: not outcome.fresh for outcome in run(capture, scene.root, settings)} == {
        stage: state == "up to date" for stage, state in states.items()
    }


def test_of_a_stage_that_was_interrupted_only_the_rest_counts(capture, scene):
    manifest = json.loads((scene.root / "scene.json").read_text())
    manifest["stages"]["refine"]["done"] = False
    (scene.root / "scene.json").write_text(json.dumps(manifest))
    for name in scene.names()[:2]:
        scene.refined_path(name).unlink()
    found = dry.dry_run(capture, scene.root, job())
    assert found.states["refine"] == "goes on"
    assert found.estimates["refine"].disk_bytes == pytest.approx(2 * 8 * WIDTH * HEIGHT)


def test_a_stage_that_was_interrupted_goes_on_at_its_own_pace(capture, scene):
    manifest = json.loads((scene.root / "scene.json").read_text())
    manifest["stages"]["depth"]["done"] = False
    (scene.root / "scene.json").write_text(json.dumps(manifest))
    *made, missing = scene.names()
    scene.depth_path(missing).unlink()
    for number, name in enumerate(made):
        os.utime(scene.depth_path(name), (1e9 + 30 * number, 1e9 + 30 * number))
    found = dry.dry_run(capture, scene.root, job())
    assert found.states["depth"] == "goes on" and found.states["refine"] == "to do"
    assert found.estimates["depth"].seconds == pytest.approx(30)
    for name in made:
        os.utime(scene.depth_path(name), (1e9, 1e9))  # as of a scene that was copied
    assert 0 < dry.dry_run(capture, scene.root, job()).estimates["depth"].seconds < 1


def test_the_pace_of_files_leaves_pauses_out(tmp_path):
    times = [0.0, 2.0, 4.0, 6.0, 5000.0, 5002.0, 5004.0]
    paths = [tmp_path / f"{number}.npy" for number in range(len(times))]
    for path, time in zip(paths, times, strict=True):
        path.touch()
        os.utime(path, (1e9 + time, 1e9 + time))
    assert gap_s(paths) == pytest.approx(2.0)
    assert gap_s(paths[:3]) is None


def test_what_a_run_refuses_is_refused(capture, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="not a scene's"):
        dry.dry_run(capture, tmp_path / "mine", job())
    with pytest.raises(InputError, match="none-such"):
        dry.dry_run(capture, tmp_path / "new", job("depth.model=none-such"))
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match="no depth map was recorded with these 1 photos"):
        dry.dry_run(tmp_path / "photo.png", tmp_path / "new", job())


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_header_has_the_size_of_the_upright_photo(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    header = read_header(tmp_path / "a.jpg", max_megapixels=1)
    photo = read_photo(tmp_path / "a.jpg", max_megapixels=1)
    assert header.size == photo.size and header.exif.orientation == orientation
    assert (header.copyable, header.lossless) == (photo.copyable, photo.lossless)


def test_photos_that_can_not_be_read_are_told_and_not_counted(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (2000, 1000)).save(photos / "a.jpg")
    (photos / "b.jpg").write_text("no photo")
    intake = intake_of(photos, Settings())
    assert dict(intake.working) == {(1024, 512): 1} and dict(intake.taken) == {(2000, 1000): 1}
    assert len(intake.unreadable) == 1 and "b.jpg" in intake.unreadable[0]
    (photos / "a.jpg").unlink()
    with pytest.raises(InputError, match="none of 1 photos can be read"):
        intake_of(photos, Settings())


def test_a_video_gives_at_most_the_frames_that_are_kept(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "walk.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 48))
    for shade in range(30):
        writer.write(np.full((48, 64, 3), 8 * shade, np.uint8))
    writer.release()
    intake = intake_of(tmp_path / "walk.avi", Settings().with_assignments(["photos.video_frames=12"]))
    assert intake.count == 12 and dict(intake.films) == {(64, 48): 30} and intake.samples == []


def test_the_machine_is_measured_in_seconds(capture):
    """Every figure is there; their size is a matter of the machine."""
    network = Job(Settings().with_assignments(["depth.model=demo", "poses.features=300"]), "cpu")
    pace = measured(sorted(capture.glob("*.color.*"))[:2], (WIDTH, HEIGHT), network)
    figures = vars(pace)
    maybe = ("network_bytes", "photo_bytes", "on_gpu")  # memory that was held before is not taken anew
    assert all(value > 0 for name, value in figures.items() if name not in maybe), figures
    assert pace.features <= 400 and pace.has_sigma is True


def test_a_photo_of_one_pixel_is_no_trouble(tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    pace = measured([tmp_path / "dot.png"], (1, 1), Job(Settings().with_assignments(["depth.model=demo"]), "cpu"))
    assert pace.encode_s < 1 and pace.png_bytes < 10


def test_the_command_tells_a_row_for_each_stage_and_the_disk(capture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed = ("run", capture, "--dry-run", *(word for one in SETTINGS for word in ("--set", one)))
    done = command(*typed)
    assert done.returncode == 0, done.stderr
    first, head, *rows = done.stdout.splitlines()
    assert first.startswith("6 photos, 96 x 72 px, worked on at 96 x 72 px; 7scenes") and "poses given" in first
    assert head.split() == ["stage", "disk", "time", "memory"]
    assert [row.split()[0] for row in rows[:10]] == [*STAGES, "total"]
    assert "free on the disk of capture-scene" in done.stdout and not list(tmp_path.iterdir())
    facts = json.loads(command(*typed, "--json").stdout)
    assert facts["stages"].keys() == set(STAGES) and facts["fits"] is True
    total = sum(stage["disk_bytes"] for stage in facts["stages"].values())
    assert facts["total"]["disk_bytes"] == pytest.approx(total, abs=10)


def test_what_does_not_fit_is_told(capture, tmp_path, monkeypatch):
    monkeypatch.setattr(dry.shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    monkeypatch.chdir(tmp_path)
    done = command("run", capture, "--dry-run", "--set", SETTINGS[0])
    assert "TOO LITTLE" in done.stdout and done.returncode == 0


def test_a_run_warns_at_its_start_of_a_disk_that_would_not_hold_the_maps(capture, tmp_path, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: SimpleNamespace(free=room.RESERVE + 1))
    monkeypatch.setattr(room, "_may_compress", lambda folder: False)
    outcome = next(iter(run(capture, tmp_path / "s", job())))
    (signal,) = (signal for signal in outcome.signals if signal.code == "SMALL_DISK")
    assert outcome.stage == "init" and "1.0 MB free" in signal.message
    assert "SMALL_DISK" not in (tmp_path / "s" / "scene.json").read_text()
