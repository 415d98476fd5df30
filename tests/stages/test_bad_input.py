"""What people hand in by mistake: one clear line, the right exit code, no traceback, nothing half done."""

import json
import os
import struct
import zlib

import numpy as np
import pytest
from commands import command
from PIL import Image
from synthetic import room_frames, write_capture, write_photos

from recon3d.scene import Scene


def refused(done, *words, code=1):
    """The run ended with one or two lines that hold the words."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("recon3d: "), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.fixture(scope="module")
def frames():
    return room_frames(4)


@pytest.fixture
def capture(frames, tmp_path):
    return write_capture(tmp_path / "capture", frames)


def test_a_missing_folder(tmp_path):
    refused(command("run", tmp_path / "nowhere", "-o", tmp_path / "s"), "nowhere")
    assert not (tmp_path / "s").exists()


def test_an_empty_folder(tmp_path):
    (tmp_path / "photos").mkdir()
    refused(command("run", tmp_path / "photos", "-o", tmp_path / "s"), "photos")
    assert not (tmp_path / "s").exists()


def huge_png(path):
    """A PNG of 50 000 x 50 000 pixels in a few hundred bytes: a decompression bomb."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_bad_photos_are_named_and_the_rest_goes_on(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames)
    (photos / "text.jpg").write_text("this is no photo")
    (photos / "empty.jpg").write_bytes(b"")
    huge_png(photos / "huge.png")
    Image.fromarray(frames[0].image).save(photos / "whole.jpg")
    data = (photos / "whole.jpg").read_bytes()
    (photos / "whole.jpg").unlink()
    (photos / "cut.jpg").write_bytes(data[: len(data) // 2])
    done = command("init", photos, "-o", tmp_path / "s")
    assert done.returncode == 0, done.stderr
    for name in ("text.jpg", "empty.jpg", "huge.png", "cut.jpg"):
        assert name in done.stderr
    assert "photos.max_megapixels" in done.stderr
    assert len(Scene.open(tmp_path / "s").calibrations()) == 4


def test_no_readable_photo_is_an_error(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_text("no photo")
    refused(command("run", photos, "-o", tmp_path / "s", "--model", "demo"), "a.jpg")


def test_mixed_sizes_two_photos_of_one_stem_spaces_and_umlauts(frames, tmp_path):
    photos = tmp_path / "Fotos für Oma"
    photos.mkdir()
    Image.fromarray(frames[0].image).save(photos / "Küche 1.png")
    Image.fromarray(frames[1].image).save(photos / "Küche 1.jpg")
    Image.fromarray(frames[2].image[:, :120]).save(photos / "Küche 2.png")
    done = command("init", photos, "-o", tmp_path / "Szene 1")
    assert done.returncode == 0, done.stderr
    cameras = Scene.open(tmp_path / "Szene 1").calibrations()
    assert len(cameras) == 3
    assert sorted(c.camera.width for c in cameras.values()) == [120, 160, 160]


def test_a_K_that_does_not_fit_the_photos(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames)
    np.savetxt(tmp_path / "K.txt", [[500, 0, 320], [0, 500, 240], [0, 0, 1]])
    refused(command("init", photos, "-o", tmp_path / "s", "--camera", tmp_path / "K.txt"), "K.txt")


def test_a_pose_that_is_not_rigid(capture, tmp_path):
    pose = capture / "frame-000002.pose.txt"
    np.savetxt(pose, np.diag([1.0, 1.0, -1.0, 1.0]))
    refused(command("run", capture, "-o", tmp_path / "s", "--model", "recorded"), "frame-000002.pose.txt", "reflection")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -2.0, 0.0])
def test_depth_that_is_no_distance_is_left_out(frames, capture, tmp_path, bad):
    maps = tmp_path / "maps"
    maps.mkdir()
    for frame in frames:
        depth = frame.depth.copy()
        depth[:40] = bad
        np.save(maps / f"{frame.name}.color.npy", depth)
    done = command("depth", tmp_path / "s", "--depth", maps)
    refused(done, "no scene")
    assert command("init", capture, "-o", tmp_path / "s").returncode == 0
    done = command("depth", tmp_path / "s", "--depth", maps, "--set", "depth.trust=true")
    assert done.returncode == 0, done.stderr
    scene = Scene.open(tmp_path / "s")
    stored = np.load(scene.depth_path(f"{frames[0].name}.color"))
    assert (stored[:40] == 0).all() and (stored[40:] > 0).all()


def test_no_valid_depth_at_all(frames, capture, tmp_path):
    maps = tmp_path / "maps"
    maps.mkdir()
    for frame in frames:
        np.save(maps / f"{frame.name}.color.npy", np.full(frame.depth.shape, np.nan, np.float32))
    done = command("run", capture, "-o", tmp_path / "s", "--depth", maps, "--set", "depth.trust=true")
    refused(done, "no photo has any depth")


def test_recorded_depth_that_was_not_recorded(frames, tmp_path):
    photos = write_capture(tmp_path / "photos", frames)
    for path in photos.glob("*.depth.png"):
        path.unlink()
    refused(command("run", photos, "-o", tmp_path / "s", "--model", "recorded"), "no depth map")


def test_a_scene_that_is_a_file(capture, tmp_path):
    (tmp_path / "s").write_text("mine")
    refused(command("run", capture, "-o", tmp_path / "s", "--model", "recorded"), "is a file")
    assert (tmp_path / "s").read_text() == "mine"


def test_the_photos_folder_is_never_taken_for_the_scene(capture):
    before = sorted(os.listdir(capture))
    refused(command("run", capture, "-o", capture, "--model", "recorded"), "not a scene's")
    assert sorted(os.listdir(capture)) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_place(capture, tmp_path):
    tmp_path.chmod(0o500)
    try:
        refused(command("run", capture, "-o", tmp_path / "s", "--model", "recorded"), "Permission denied")
    finally:
        tmp_path.chmod(0o700)


def test_a_place_where_nothing_can_be_made(capture):
    refused(command("run", capture, "-o", "/proc/recon3d-scene", "--model", "recorded"), "can't be made")


def test_an_unknown_model_lists_the_choices(capture, tmp_path):
    refused(command("run", capture, "-o", tmp_path / "s", "--model", "zoodepth"), "zoodepth", "zoedepth-nk")


def test_what_is_missing_is_said_before_any_work(capture, tmp_path, monkeypatch):
    assert command("run", capture, "-o", tmp_path / "s", "--model", "recorded").returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "s").rglob("*") if path.name != ".lock"}
    for wrong in (["--model", "zoodepth"], ["--poses", "nowhere.txt"], ["--device", "abacus"], ["--depth", "nowhere"]):
        refused(command("run", capture, "-o", tmp_path / "s", "--set", "photos.max_side=100", *wrong))
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "s").rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize("name", ["mesh.xyz", "mesh", "."])
def test_a_picture_needs_a_picture_s_name(capture, tmp_path, name):
    assert command("run", capture, "-o", tmp_path / "s", "--model", "recorded").returncode == 0
    refused(command("view", tmp_path / "s", "--screenshot", tmp_path / name), "picture")


def test_a_stage_before_init_says_what_to_run(tmp_path):
    Scene.create(tmp_path / "s")
    refused(command("poses", tmp_path / "s"), "recon3d init")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--known-distance", "2 m"], "known distance: got '2 m', wanted PHOTO:u1,v1 PHOTO:u2,v2 = METRES"),
        (["--set", "scale.board=9x6"], "scale.board: got '9x6', wanted KIND COLUMNSxROWS SQUARE_M"),
        (["--known-distance", "a.png:1,2 a.png:3,4 = 1", "--set", "scale.board=chessboard 9x6 0.025"], "one of them"),
    ],
)
def test_a_known_length_that_makes_no_sense_is_refused_before_any_work(capture, tmp_path, options, message):
    refused(command("run", capture, "--model", "recorded", "-o", tmp_path / "s", *options), message)
    assert not (tmp_path / "s").exists()
    assert command("init", capture, "-o", tmp_path / "s").returncode == 0
    done = command("mesh", tmp_path / "s", "--model", "recorded", *options)
    refused(done, message)
    assert not done.stdout


def test_a_model_and_maps_are_one_too_many(capture, tmp_path):
    refused(
        command("run", capture, "-o", tmp_path / "s", "--model", "demo", "--depth", tmp_path), "--model and --depth"
    )


def test_one_photo_keeps_its_own_metres_whatever_the_factor(capture, tmp_path):
    photo = next(capture.glob("*.color.png"))
    line = ("--format", "folder", "--model", "demo", "--set", "scale.factor=0.05")
    assert command("run", photo, "-o", tmp_path / "s", *line).returncode == 0
    (view,) = json.loads((tmp_path / "s" / "scales.json").read_text())["views"].values()
    assert view["factor"] == pytest.approx(1)


def test_a_model_without_weights_says_how_to_get_them(capture, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    done = command("run", capture, "-o", tmp_path / "s")
    refused(done, "zoedepth-nk", "1.38 GB", "recon3d models fetch", "--model")


@pytest.mark.parametrize("arguments", [["run"], ["run", "x", "--colour"], ["fly"], ["fuse"]])
def test_misuse_exits_with_2(arguments):
    done = command(*arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize("assignment", ["fuse.voxel=1", "voxel_size", "fuse.voxel_size=big"])
def test_a_bad_setting(capture, tmp_path, assignment):
    refused(command("run", capture, "-o", tmp_path / "s", "--set", assignment), assignment.split("=")[0])


def test_a_view_without_a_display_offers_the_screenshot(capture, tmp_path, monkeypatch):
    assert command("run", capture, "-o", tmp_path / "s", "--model", "recorded").returncode == 0
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    refused(command("view", tmp_path / "s"), "--screenshot")
    done = command("view", tmp_path / "s", "--screenshot", tmp_path / "mesh.png")
    assert done.returncode == 0, done.stderr
    picture = np.asarray(Image.open(tmp_path / "mesh.png").convert("L"))
    assert picture.std() > 10


def test_doctor_finds_this_machine_fit():
    done = command("doctor")
    assert "torch" in done.stdout and "LACK" not in done.stdout and done.returncode == 0, done.stdout


def test_models_are_listed_with_their_licence():
    done = command("models")
    assert done.returncode == 0
    assert "zoedepth-nk" in done.stdout and "MIT" in done.stdout


def test_the_lens_option_is_the_setting(capture, tmp_path):
    line = ("run", capture, "-o", tmp_path / "s", "--model", "recorded")
    assert command(*line, "--calibrate-lens", "off").returncode == 0
    assert Scene.open(tmp_path / "s").settings_of("poses")["calibrate_lens"] is False
    refused(command(*line, "--calibrate-lens", "perhaps"), "calibrate_lens", "perhaps")
