"""What becomes of a file of poses: kept to the last digit, its gaps named, its mistakes refused with the fix."""

import json

import numpy as np
import pytest
from commands import command
from synthetic import room_frames, write_capture

from recon3d.geometry import SE3
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.chain import run_to
from recon3d.stages.init import init
from recon3d.stages.job import Job
from recon3d.stages.poses import poses


@pytest.fixture(scope="module")
def frames():
    return room_frames(5, 256, 192)


@pytest.fixture(scope="module")
def capture(frames, tmp_path_factory):
    """Photos, depth and camera; the poses are handed in."""
    folder = write_capture(tmp_path_factory.mktemp("given") / "capture", frames)
    for path in folder.glob("*.pose.txt"):
        path.unlink()
    return folder


@pytest.fixture
def scale_with(capture, tmp_path):
    """Runs up to the stage scale with a file of poses."""

    def run(file):
        settings = ("--set", "poses.features=800", "--model", "recorded", "--poses", file)
        done = command("init", capture, "-o", tmp_path / "s")
        assert done.returncode == 0, done.stderr
        return command("scale", tmp_path / "s", *settings)

    return run


def written(path, entries):
    path.write_text(json.dumps({"frame": "world_from_cam", "unit": "m", "poses": entries}))
    return path


def stored(scene, name="poses.json"):
    return json.loads(scene.file(name).read_text())["poses"]


def test_given_poses_come_out_to_the_last_digit(frames, scale_with, tmp_path):
    entries = {f"{frame.name}.color": frame.world_from_cam.matrix.tolist() for frame in frames}
    done = scale_with(written(tmp_path / "given.json", entries))
    assert done.returncode == 0, done.stderr
    scene = Scene.open(tmp_path / "s")
    assert stored(scene) == entries
    assert scene.facts("poses")["pose_fit"] > 0.9
    assert not {"POSES_MISFIT", "EXTRA_POSES", "NO_POSE"} & {signal.code for signal in scene.signals()}


def test_missing_and_extra_entries_are_named(frames, scale_with, tmp_path):
    entries = {f"{frame.name}.color": frame.world_from_cam.matrix.tolist() for frame in frames[1:]}
    done = scale_with(written(tmp_path / "given.json", {"lobby": np.eye(4).tolist(), **entries}))
    assert done.returncode == 0, done.stderr
    signals = {signal.code: signal for signal in Scene.open(tmp_path / "s").signals()}
    assert signals["NO_POSE"].photos == (f"{frames[0].name}.color",)
    assert "1 poses of the file are of no photo: lobby" in signals["EXTRA_POSES"].message


def refused(done, *words):
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("recon3d: ") and all(word in last for word in words), last


def test_cam_from_world_is_told_from_world_from_cam(frames, scale_with, tmp_path):
    np.savetxt(tmp_path / "given.txt", [frame.world_from_cam.inverse().matrix.ravel() for frame in frames])
    refused(scale_with(tmp_path / "given.txt"), "given.txt", "if what they hold is cam_from_world;")


def test_a_quaternion_in_the_wrong_order_is_told(frames, scale_with, tmp_path):
    rows = []
    for i, frame in enumerate(frames):  # cameras that look at one thing without roll: w, x, y, z by half angles
        R = frame.world_from_cam.R
        w = np.sqrt(1 + np.trace(R)) / 2
        x, y, z = (R[2, 1] - R[1, 2]) / (4 * w), (R[0, 2] - R[2, 0]) / (4 * w), (R[1, 0] - R[0, 1]) / (4 * w)
        np.testing.assert_allclose(SE3.from_quat_wxyz(np.array([w, x, y, z]), np.zeros(3)).R, R, atol=1e-9)
        rows.append([i, *frame.world_from_cam.t, w, x, y, z])
    np.savetxt(tmp_path / "given.txt", rows)
    refused(scale_with(tmp_path / "given.txt"), "given.txt", "quaternions qw first", "wanted", "quaternions qw last")


def test_poses_in_millimetres_are_asked_about_and_taken_with_their_factor(frames, scale_with, tmp_path):
    large = [SE3(frame.world_from_cam.R, 1000 * frame.world_from_cam.t).matrix.ravel() for frame in frames]
    np.savetxt(tmp_path / "given.txt", large)
    refused(scale_with(tmp_path / "given.txt"), "millimetres, add --set scale.factor=0.001", "--set scale.factor=1")
    done = command("scale", tmp_path / "s", "--set", "scale.factor=0.001")
    assert done.returncode == 0, done.stderr
    for name, pose in stored(Scene.open(tmp_path / "s")).items():
        true = next(frame.world_from_cam for frame in frames if name.startswith(frame.name))
        np.testing.assert_allclose(pose, true.matrix, atol=1e-9)


def test_a_row_of_nan_is_named_with_its_photo(frames, scale_with, tmp_path):
    rows = np.stack([frame.world_from_cam.matrix.ravel() for frame in frames])
    rows[2] = np.nan
    np.savetxt(tmp_path / "given.txt", rows)
    refused(
        scale_with(tmp_path / "given.txt"), "given.txt: row 3", f"{frames[2].name}.color", "NaN", "take out the row"
    )


def test_a_photo_whose_recorded_pose_is_nan_is_left_out_by_name(frames, tmp_path):
    folder = write_capture(tmp_path / "capture", frames[:3])
    np.savetxt(folder / f"{frames[1].name}.pose.txt", np.full((4, 4), np.nan))
    scene, job = taken_in(folder, tmp_path / "s", "poses.features=800", "depth.model=recorded")
    list(run_to(scene, "poses", job))
    signal = next(signal for signal in scene.signals() if signal.code == "NO_POSE")
    assert signal.photos == (f"{frames[1].name}.color",)


def taken_in(photos, root, *assignments):
    job = Job(Settings().with_assignments(list(assignments)))
    init(photos, root, job)
    return Scene.open(root), job


SMALL = ("poses.features=2000", "photos.max_side=640", "scale.trusted_photos=20", "depth.model=recorded")


def fountain(shared, tmp_path):
    folder = shared / "data/fountain"
    entries = {}
    for file in sorted((folder / "gt_dense_cameras").glob("*.camera")):
        numbers = np.array(file.read_text().split(), float)
        pose = SE3(numbers[12:21].reshape(3, 3), numbers[21:24])
        entries[file.name.split(".")[0]] = pose.matrix.tolist()
    file = written(tmp_path / "fountain.json", entries)
    return folder / "images", [f"poses.file={file}", f"photos.camera={folder / 'images/K.txt'}"]


def hololens(shared, tmp_path):
    folder = shared / "data/hololens"
    return folder / "images", [f"poses.file={folder / 'poses.txt'}", f"photos.camera={folder / 'K.txt'}"]


def redkitchen(shared, tmp_path):
    return shared / "data/redkitchen", []


def fox(shared, tmp_path):
    return shared / "data/fox", []


@pytest.mark.slow
@pytest.mark.parametrize("of_capture", [fountain, hololens, redkitchen, fox])
def test_right_poses_of_real_captures_raise_no_alarm(of_capture, shared, tmp_path):
    photos, assignments = of_capture(shared, tmp_path)
    scene, job = taken_in(photos, tmp_path / "s", *SMALL, *assignments)
    poses(scene, job, trusted_depth=True)
    # The fewest of redkitchen, whose K is that of the depth camera: 11 % off for its photos.
    assert scene.facts("poses")["pose_fit"] > 0.6
    assert "POSES_MISFIT" not in [signal.code for signal in scene.signals()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "words"),
    [(np.linalg.inv, "cam_from_world;"), (lambda matrices: matrices * [1.0, -1, -1, 1], "y up, z back (OpenGL);")],
)
def test_mistaken_poses_of_a_real_capture_are_named(mistake, words, shared, tmp_path):
    photos, (_, camera) = hololens(shared, tmp_path)
    matrices = np.loadtxt(shared / "data/hololens/poses.txt").reshape(-1, 4, 4)
    np.savetxt(tmp_path / "mistaken.txt", mistake(matrices).reshape(len(matrices), -1), fmt="%.17g")
    scene, _ = taken_in(photos, tmp_path / "s", *SMALL, camera)
    done = command("poses", scene.root, "--poses", tmp_path / "mistaken.txt", "--model", "demo")
    refused(done, "mistaken.txt", words)
