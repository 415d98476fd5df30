"""Sets of photos that structure from motion can't place, from the command line to the mesh."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from commands import command
from synthetic import look_at, render, room, write_photos

from recon3d import DepthPrediction, FunctionModel, Settings, run
from recon3d.errors import InputError
from recon3d.geometry import Camera
from recon3d.metrics.trajectory import umeyama
from recon3d.scene import ON_DEMAND, OUTPUTS, Scene
from recon3d.stages.aligned import view_scales

CAMERA = Camera.from_fov(160, 120, np.radians(70))


def prepared(folder, frames, factors=None):
    """Photos, their depth maps and their camera on disk; the arguments that take them in."""
    write_photos(folder / "photos", frames)
    (folder / "maps").mkdir()
    for i, frame in enumerate(frames):
        np.save(folder / "maps" / f"{frame.name}.npy", frame.depth * np.float32(factors[i] if factors else 1))
    np.savetxt(folder / "K.txt", CAMERA.K)
    return [folder / "photos", "-o", folder / "scene", "--depth", folder / "maps", "--camera", folder / "K.txt"]


def codes(scene, stage):
    return [signal.code for signal in scene.signals(stage)]


def miss_m(scene, frames):
    """Largest distance of a camera from where it stood, after the best rigid alignment of the centres and forwards."""
    found = scene.world_from_cam()

    def anchors(pose):
        return [pose.t, pose.t + pose.R[:, 2], pose.t + pose.R[:, 0]]  # so that a camera that only turned is held too

    a = np.concatenate([anchors(found[frame.name]) for frame in frames])
    b = np.concatenate([anchors(frame.world_from_cam) for frame in frames])
    aligned, _ = umeyama(a, b, with_scale=False)
    return np.linalg.norm(aligned @ a - b, axis=1).max()


@pytest.fixture(scope="module")
def turned():
    """Five photos from one spot, 15 degrees from each to the next."""
    frames = []
    for i in range(5):
        angle = np.radians(15 * i - 30)
        pose = look_at((0, 1, 1.4), (2 * np.sin(angle), 1 - 2 * np.cos(angle), 1))
        frames.append(render(f"turned-{i}", room, CAMERA, pose))
    return frames


def test_a_camera_that_only_turned_gives_one_mesh_and_says_so(turned, tmp_path):
    arguments = prepared(tmp_path, turned)
    done = command("run", *arguments, "--set", "depth.trust=true")
    assert done.returncode == 0, done.stderr
    assert "5 photos are left to odometry" in done.stdout
    assert "structure from motion" in done.stderr and "RGB-D odometry" in done.stderr
    scene = Scene.open(tmp_path / "scene")
    assert codes(scene, "poses") == ["ODOMETRY"] and "ODOMETRY" in codes(scene, "scale")
    assert "NO_OVERLAP" not in codes(scene, "scale")
    facts = scene.facts("scale")
    assert facts["factor"] == 1 and facts["odometry"]["groups"] == [5]
    assert miss_m(scene, turned) < 0.03  # a pixel is 2 cm at the far wall
    mesh = trimesh.load_mesh(tmp_path / "scene" / "mesh.ply")
    assert mesh.bounds[0][2] == pytest.approx(0, abs=0.1)
    again = command("run", *arguments, "--set", "depth.trust=true")
    assert again.stdout.count("up to date") == len(OUTPUTS) - len(ON_DEMAND), again.stdout


def test_the_depth_scales_of_photos_are_evened_out(turned, tmp_path):
    factors = [0.9, 1.1, 1.0, 1.15, 0.85]
    photos, *_, camera = prepared(tmp_path, turned, factors)
    scene = tmp_path / "scene"
    assert command("init", photos, "-o", scene, "--camera", camera).returncode == 0
    done = command("scale", scene, "--depth", tmp_path / "maps", "--set", "poses.odometry=on")
    assert done.returncode == 0 and "not tried" in done.stderr, done.stderr
    views = view_scales(Scene.open(scene))
    scales = np.array([views[frame.name]["factor"] for frame in turned]) * factors
    assert np.ptp(np.log(scales)) < 0.02


def test_photos_of_different_things_stand_side_by_side(turned, tmp_path):
    back = render("back", room, CAMERA, look_at((0, -1, 1.5), (0.3, 2, 1)))
    done = command("run", *prepared(tmp_path, [turned[2], back]), "--set", "depth.trust=true")
    assert done.returncode == 0, done.stderr
    scene = Scene.open(tmp_path / "scene")
    assert "NO_OVERLAP" in codes(scene, "scale")
    mesh = trimesh.load_mesh(tmp_path / "scene" / "mesh.ply")
    sides = np.sort(mesh.vertices[:, 0])
    gaps = np.diff(sides)
    assert gaps.max() > 0.3  # nothing stands between the two
    split = gaps.argmax() + 1
    assert min(split, len(sides) - split) > 500


def test_off_leaves_the_error_of_structure_from_motion(turned, tmp_path):
    arguments = prepared(tmp_path, [turned[0], replace(turned[4], image=turned[4].image[::-1])])
    done = command("run", *arguments, "--set", "poses.odometry=off")
    assert done.returncode == 1 and "structure from motion: none of 2 photos" in done.stderr, done.stderr
    done = command("run", *arguments, "--set", "poses.odometry=maybe")
    assert done.returncode == 1 and "auto, on, off" in done.stderr


def test_relative_depth_is_not_enough(turned, tmp_path):
    model = FunctionModel(
        lambda image, _: DepthPrediction(np.ones(image.shape[:2], np.float32), kind="disparity"), "made", "1"
    )
    photos = write_photos(tmp_path / "photos", turned[:2])
    settings = Settings().replaced("poses", odometry="on").replaced("scale", factor=1.0)
    with pytest.raises(InputError, match=r"structure from motion.*made gives relative depth.*--metric-from"):
        run(photos, tmp_path / "scene", model=model, settings=settings)


def test_steps_of_millimetres_are_left_to_odometry_and_come_out_the_same_again(tmp_path):
    eyes = [(0.003 * i, 1.4, 1.5) for i in range(3)]
    frames = [render(f"step-{i}", room, CAMERA, look_at(eye, (0, -1, 0.8))) for i, eye in enumerate(eyes)]
    photos, *_, camera = prepared(tmp_path, frames)
    written = []
    for scene in (tmp_path / "a", tmp_path / "b"):
        assert command("init", photos, "-o", scene, "--camera", camera).returncode == 0
        done = command("scale", scene, "--depth", tmp_path / "maps", "--set", "depth.trust=true")
        assert done.returncode == 0, done.stderr
        assert codes(Scene.open(scene), "poses") == ["ODOMETRY"], done.stderr
        written.append((scene / "poses.json").read_bytes())
    assert written[0] == written[1]
    assert miss_m(Scene.open(scene), frames) < 0.003
