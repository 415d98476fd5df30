"""Stage refine on a made-up room whose depth maps are a network's: matched, resumed, switched off, and misled."""

import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from synthetic import room_frames, write_photos

from recon3d.files import load_array
from recon3d.formats.scene_poses import poses_as_json
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.chain import run
from recon3d.stages.job import Job

COUNT = 8


pytestmark = pytest.mark.usefixtures("one_thread_a_module")


@pytest.fixture(scope="module")
def frames():
    return room_frames(COUNT, 240, 180)


def written(folder, frames, moved=None):
    """A capture: photos, poses, camera and depth maps, blurred at edges, each at its own scale and with slow waves."""
    rng, poses = np.random.default_rng(0), {}
    write_photos(folder / "photos", frames)
    (folder / "maps").mkdir()
    for index, frame in enumerate(frames):
        waves = cv2.resize(rng.normal(0, 0.05, (3, 4)), frame.depth.shape[::-1], interpolation=cv2.INTER_CUBIC)
        blurred = cv2.GaussianBlur(frame.depth, (0, 0), 1.5)
        np.save(
            folder / "maps" / f"{frame.name}.npy", (blurred * np.exp(rng.normal(0, 0.1) + waves)).astype(np.float32)
        )
        pose = json.loads(json.dumps(poses_as_json({frame.name: frame.world_from_cam})))["poses"][frame.name]
        if index == moved:
            pose[0][3] += 0.1
        poses[frame.name] = pose
    data = {"schema": 1, "frame": "world_from_cam", "unit": "m", "poses": poses}
    (folder / "poses.json").write_text(json.dumps(data))
    np.savetxt(folder / "K.txt", frames[0].camera.K)
    return [
        f"poses.file={folder / 'poses.json'}",
        f"photos.camera={folder / 'K.txt'}",
        f"depth.maps={folder / 'maps'}",
    ]


def finished(folder, root, assignments):
    """The scene after refine."""
    for outcome in run(folder / "photos", root, Job(Settings().with_assignments(assignments), "cpu")):
        if outcome.stage == "refine":
            return Scene.open(root)
    raise AssertionError


@pytest.fixture(scope="module")
def capture(tmp_path_factory, frames):
    folder = tmp_path_factory.mktemp("capture")
    return folder, written(folder, frames)


@pytest.fixture(scope="module")
def scene(tmp_path_factory, capture):
    folder, assignments = capture
    return finished(folder, tmp_path_factory.mktemp("run") / "scene", assignments)


def relative(scene, frames):
    """Relative errors of what is kept, and the kept share."""
    errors, kept = [], []
    for frame in frames:
        depth = load_array(scene.refined_path(frame.name))
        errors.append((np.abs(depth - frame.depth) / frame.depth)[depth > 0])
        kept.append((depth > 0).mean())
    return np.concatenate(errors), float(np.mean(kept))


def test_photos_make_depth_better_and_most_of_it_stays(scene, frames):
    errors, kept = relative(scene, frames)
    assert kept > 0.6
    assert np.median(errors) < 0.01
    assert (errors > 0.05).mean() < 0.05
    assert scene.signals("refine") == []
    assert not scene.file("matched").exists()


def test_switched_off_depth_stays_as_it_was(scene, capture, frames, tmp_path):
    folder, assignments = capture
    shutil.copytree(scene.root, tmp_path / "scene")
    plain = finished(folder, tmp_path / "scene", [*assignments, "refine.photometric=off"])
    assert np.median(relative(plain, frames)[0]) > 2 * np.median(relative(scene, frames)[0])


@pytest.mark.slow
def test_killed_while_matching_and_run_again_gives_the_same_bytes(scene, capture, tmp_path):
    folder, assignments = capture
    root = tmp_path / "scene"
    shutil.copytree(scene.root, root)
    shutil.rmtree(root / "refined")
    code = (
        "import os, signal, sys, torch\nimport recon3d.files as s\nreal, seen = s.os.replace, []\n"
        "torch.set_num_threads(1)\n"
        "def replace(a, b):\n    real(a, b)\n    seen.append('matched' in str(b))\n"
        f"    if sum(seen) == {COUNT} + 3:\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "s.os.replace = replace\nfrom recon3d.settings import Settings\nimport recon3d\n"
        "recon3d.run(sys.argv[1], sys.argv[2], settings=Settings().with_assignments(sys.argv[3:]), device='cpu')\n"
    )
    line = [sys.executable, "-c", code, str(folder / "photos"), str(root), *assignments]
    killed = subprocess.run(line, check=False, capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    assert len(list((root / "matched").rglob("*.npy"))) == COUNT + 3
    again = finished(folder, root, assignments)
    for path in sorted((scene.root / "refined").iterdir()):
        assert (again.root / "refined" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_a_misplaced_photo_is_named_and_the_others_hardly_suffer(scene, frames, tmp_path):
    assignments = written(tmp_path, frames, moved=3)
    misled = finished(tmp_path, tmp_path / "scene", assignments)
    assert frames[3].name in [name for signal in misled.signals() for name in signal.photos]
    others = [frame for frame in frames if frame is not frames[3]]
    errors, kept = relative(misled, others)
    _, plainly_kept = relative(scene, others)
    assert kept > plainly_kept - 0.15
    assert (errors > 0.05).mean() < 0.1


@pytest.mark.slow
def test_killed_before_it_was_done_the_stage_still_names_the_misplaced_photo(frames, tmp_path):
    assignments = [*written(tmp_path, frames, moved=3), "poses.adjust=off"]  # which would put it right
    misled = finished(tmp_path, tmp_path / "scene", assignments)
    told = misled.signals("refine")
    assert any(frames[3].name in signal.photos for signal in told)
    manifest = misled.manifest()  # all depth is written, and the word that it is done is not
    manifest["stages"]["refine"]["done"] = False
    manifest["signals"] = [signal for signal in manifest["signals"] if signal["stage"] != "refine"]
    (misled.root / "scene.json").write_text(json.dumps(manifest))
    assert finished(tmp_path, tmp_path / "scene", assignments).signals("refine") == told
