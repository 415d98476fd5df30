"""Where the camera of a photo comes from, and what becomes of its lens."""

import json

import numpy as np
import pytest
from PIL import Image
from synthetic import room_frames, write_capture, write_photos

import recon3d
from recon3d.files import load_array
from recon3d.formats.camera_file import write_camera
from recon3d.geometry import Calibration, Camera
from recon3d.photos.undistort import distort_pixels, pinhole_of
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.chain import run_to
from recon3d.stages.init import init
from recon3d.stages.job import Job

SIZE = (256, 192)
LENS = Calibration(Camera(*SIZE, 200.0, 202.0, 126.0, 97.0), "opencv", (0.2, 0.02, 0.001, -0.002))


@pytest.fixture(scope="module")
def frames():
    return room_frames(4, *SIZE)


def tag(path, make="Acme", focal_35mm=None):
    """Writes EXIF into a photo."""
    exif = Image.Exif()
    exif[271], exif[272] = make, f"{make} One"
    if focal_35mm:
        exif.get_ifd(0x8769)[41989] = focal_35mm
    with Image.open(path) as image:
        image.load()
        image.save(path, exif=exif)


def job(*assignments, **values):
    return Job(Settings().with_assignments(["poses.features=800", *assignments]), **values)


def entries(scene, name="calibration.json"):
    return json.loads(scene.file(name).read_text())


# Every kind of knowledge below the one that is taken is there as well: another order would take another number.


@pytest.fixture(scope="module")
def everything(frames, tmp_path_factory):
    """A capture with a K of its own (f = 300) and EXIF (f = 320 · 28 / 43.27), and a camera file (f = 200)."""
    folder = write_capture(tmp_path_factory.mktemp("everything") / "capture", frames)
    (folder / "camera-intrinsics.txt").write_text("300 0 127.5\n0 300 95.5\n0 0 1\n")
    for path in folder.glob("*.color.png"):
        tag(path, focal_35mm=28)
    write_camera(folder.parent / "lens.yml", LENS)
    return folder


@pytest.fixture(scope="module")
def photos_only(everything, tmp_path_factory):
    """The photos with EXIF alone."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    folder.mkdir()
    for path in everything.glob("*.color.png"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def first_camera(photos, root, *assignments):
    init(photos, root, job(*assignments))
    entry = next(iter(entries(Scene.open(root)).values()))
    return entry["source"], entry["fx"]


def test_a_camera_file_comes_before_the_capture_s_own(everything, tmp_path):
    found = first_camera(everything, tmp_path / "s", f"photos.camera={everything.parent / 'lens.yml'}")
    assert found == ("calib file", 200.0)


def test_the_capture_s_own_camera_comes_before_exif(everything, tmp_path):
    assert first_camera(everything, tmp_path / "s") == ("capture", 300.0)


def test_exif_comes_before_a_guess(photos_only, tmp_path):
    source, fx = first_camera(photos_only, tmp_path / "s")
    assert source == "EXIF" and fx == pytest.approx(28 / 43.2666 * 320, rel=1e-6)


def test_a_guess_is_the_last_and_says_so(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames[:1])
    outcome = init(photos, tmp_path / "s", job())
    assert "GUESSED_FOV" in [signal.code for signal in outcome.signals]
    assert next(iter(entries(Scene.open(tmp_path / "s")).values()))["source"] == "guess"


def test_structure_from_motion_betters_exif_and_the_source_tells(photos_only, frames, tmp_path):
    init(photos_only, tmp_path / "s", job())
    scene = Scene.open(tmp_path / "s")
    list(run_to(scene, "poses", job()))
    for entry in entries(scene, "cameras.json").values():
        assert entry["source"] == entry["lens"]["source"] == "SfM"
        assert entry["fx"] == pytest.approx(frames[0].camera.fx, rel=0.05)  # EXIF says 13 % more
    assert entry["lens"]["model"] == "opencv"


def test_structure_from_motion_leaves_a_camera_file_alone(photos_only, tmp_path):
    truth = Calibration(Camera.from_fov(*SIZE, np.radians(69)))
    write_camera(tmp_path / "c.json", truth)
    settings = job(f"photos.camera={tmp_path / 'c.json'}")
    init(photos_only, tmp_path / "s", settings)
    scene = Scene.open(tmp_path / "s")
    list(run_to(scene, "poses", settings))
    assert {(entry["source"], entry["fx"]) for entry in entries(scene, "cameras.json").values()} == {
        ("calib file", truth.camera.fx)
    }


def test_two_makes_with_one_guess_stay_two_cameras_and_no_lens_is_sought_where_it_is_off(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames)
    for i, path in enumerate(sorted(photos.iterdir())):
        tag(path, make="Acme" if i % 2 else "Bolt")
    settings = job("poses.calibrate_lens=off")
    init(photos, tmp_path / "s", settings)
    scene = Scene.open(tmp_path / "s")
    assert {entry["group"] for entry in entries(scene).values()} == {"Acme | Acme One", "Bolt | Bolt One"}
    list(run_to(scene, "poses", settings))
    record = json.loads((scene.file("sparse") / "sfm.json").read_text())
    assert [camera["model"] for camera in record["cameras"]] == ["SIMPLE_PINHOLE"] * 2
    assert [image["camera"] for image in record["images"]] == [0, 1, 0, 1]
    for entry in entries(scene, "cameras.json").values():
        assert entry["lens"]["model"] == "pinhole" and entry["source"] == "SfM"
    for path in scene.photo_paths().values():
        assert (scene.file("images") / path.name).samefile(path)


@pytest.mark.parametrize("keep", ["same", "inside", "all"])
def test_recorded_depth_follows_the_photo_to_the_new_K(frames, tmp_path, keep):
    """The map tells where it was taken from: its depth grows by a centimetre a column."""
    photos = write_photos(tmp_path / "photos", frames[:1])
    name = frames[0].name
    (tmp_path / "maps").mkdir()
    columns = np.broadcast_to(1 + np.arange(SIZE[0], dtype=np.float32) / 100, SIZE[::-1])
    np.save(tmp_path / "maps" / f"{name}.npy", columns)
    write_camera(tmp_path / "c.xml", LENS)
    settings = job(f"photos.camera={tmp_path / 'c.xml'}", f"photos.undistort={keep}", f"depth.maps={tmp_path / 'maps'}")
    init(photos, tmp_path / "s", settings)
    scene = Scene.open(tmp_path / "s")
    list(run_to(scene, "depth", settings))
    camera = scene.cameras()[name]
    assert camera == pinhole_of(LENS, keep)
    mask = scene.mask(name)
    assert (mask is None) == (keep == "inside")
    depth = load_array(scene.depth_path(name))
    seen = np.full(depth.shape, True) if mask is None else mask
    assert not depth[~seen].any()
    v, u = np.nonzero(depth)
    assert len(u) > 0.98 * seen.sum()
    taken = distort_pixels(np.column_stack([u, v]).astype(float), LENS, camera)[:, 0]
    # The nearest pixel is half a pixel away at most; remap counts in 32nds of one.
    assert np.abs((depth[v, u] - 1) * 100 - taken).max() < 0.5 + 1 / 16


def test_an_unknown_choice_is_refused_before_any_work(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames[:1])
    with pytest.raises(recon3d.InputError, match="same, inside, all"):
        init(photos, tmp_path / "s", job("photos.undistort=most"))
    assert not (tmp_path / "s").exists()
