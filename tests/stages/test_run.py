"""The whole path on an exact capture: recorded depth, given poses."""

import json
import shutil

import numpy as np
import pytest
from commands import command
from synthetic import room_frames, write_capture, write_photos

import recon3d
from recon3d.formats.mesh_file import read_mesh
from recon3d.scene import ON_DEMAND, OUTPUTS
from recon3d.settings import Settings


@pytest.fixture(scope="session")
def frames():
    return room_frames(8)


@pytest.fixture(scope="session")
def capture(frames, tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("capture"), frames)


@pytest.fixture(scope="session")
def scene(capture, tmp_path_factory):
    return recon3d.run(capture, tmp_path_factory.mktemp("run") / "scene", model="recorded")


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix not in (".db",) and path.name != ".lock"
    }


def test_the_mesh_is_the_room_in_metres(scene):
    from synthetic import distance_to_room

    mesh = read_mesh(scene.file("mesh.ply"))
    voxel = max(0.005, np.median([2.0 / 114]))  # median pixel footprint of these photos [m]
    assert len(mesh.triangles) > 1000
    assert np.mean(distance_to_room(mesh.vertices)) < 0.25 * voxel
    assert np.percentile(distance_to_room(mesh.vertices), 95) < voxel


def test_every_promised_file_is_there(scene):
    stages = [stage for stage in OUTPUTS if stage not in ON_DEMAND]
    for stage in stages:
        for name in OUTPUTS[stage]:
            assert scene.file(name).exists() or name in ("masks", "disparity", "matched", "tiles")
    assert all(scene.is_done(stage) for stage in stages)


def test_given_poses_keep_their_world(scene, frames):
    found = scene.world_from_cam()
    for frame in frames:
        assert np.allclose(found[f"{frame.name}.color"].matrix, frame.world_from_cam.matrix, atol=1e-9)


def test_recorded_depth_is_taken_at_its_word(scene):
    views = json.loads(scene.file("scales.json").read_text())["views"]
    assert {view["factor"] for view in views.values()} == {1.0}


def test_a_second_run_does_nothing(scene, capture):
    before = {
        path: path.stat().st_mtime_ns for path in scene.root.rglob("*") if path.is_file() and path.name != ".lock"
    }
    done = command("run", capture, "-o", scene.root, "--model", "recorded")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("up to date") == len(OUTPUTS) - len(ON_DEMAND)
    assert before == {p: p.stat().st_mtime_ns for p in scene.root.rglob("*") if p.is_file() and p.name != ".lock"}


def test_another_voxel_size_redoes_only_what_builds_on_it(scene, capture, tmp_path):
    copy = tmp_path / "scene"
    shutil.copytree(scene.root, copy)
    done = command("run", capture, "-o", copy, "--model", "recorded", "--set", "fuse.voxel_size=0.05")
    told = done.stdout.splitlines()[:-1]  # the last line says where the mesh is
    assert [line.split(":")[0] for line in told] == [stage for stage in OUTPUTS if stage not in ON_DEMAND]
    assert [line.split(":")[0] for line in told if "up to date" not in line] == ["fuse", "mesh", "report"]
    # a single stage goes on from the settings the scene was made with
    assert "up to date" in command("refine", copy).stdout.splitlines()[-1]


def test_another_cleaning_redoes_only_the_mesh(scene, capture, tmp_path):
    copy = tmp_path / "scene"
    shutil.copytree(scene.root, copy)
    done = command("mesh", copy, "--set", "mesh.min_component=0.5")
    told = done.stdout.splitlines()
    assert [line.split(":")[0] for line in told if "up to date" not in line] == ["mesh"]
    assert copy.joinpath("fused.ply").read_bytes() == scene.file("fused.ply").read_bytes()
    copy.joinpath("fused.ply").write_bytes(b"ply damaged")
    done = command("mesh", copy)
    assert done.returncode == 0 and "fused.ply" in done.stderr, done.stderr
    assert copy.joinpath("fused.ply").read_bytes() == scene.file("fused.ply").read_bytes()


def test_steps_give_the_same_bytes_as_one_run(scene, capture, tmp_path):
    copy = tmp_path / "scene"
    assert command("init", capture, "-o", copy).returncode == 0
    for stage in ("poses", "depth", "scale", "refine", "cloud", "fuse", "mesh", "report"):
        done = command(stage, copy, *(() if stage == "report" else ("--model", "recorded")))
        assert done.returncode == 0, done.stderr
    ours, theirs = contents(copy), contents(scene.root)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_json_holds_the_facts_and_nothing_else(scene, capture):
    done = command("run", capture, "-o", scene.root, "--model", "recorded", "--json")
    facts = json.loads(done.stdout)
    assert facts["init"]["photos"] == 8 and facts["fuse"]["triangles"] > 1000


def test_one_photo_is_a_single_view_mesh(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames[:1])
    maps = tmp_path / "maps"
    maps.mkdir()
    np.save(maps / f"{frames[0].name}.npy", frames[0].depth)
    done = command("run", photos / f"{frames[0].name}.png", "-o", tmp_path / "scene", "--depth", maps)
    assert done.returncode == 0, done.stderr
    assert "GUESSED_FOV" in done.stderr
    mesh = read_mesh(tmp_path / "scene" / "mesh.ply")
    assert len(mesh.triangles) > 1000


def test_a_model_without_a_version_is_refused(capture, tmp_path):
    with pytest.raises(recon3d.InputError, match="FunctionModel"):
        recon3d.run(capture, tmp_path / "scene", model=lambda image, camera: None)


def test_a_network_s_scale_is_taken_from_the_ties(frames, capture, tmp_path):
    """A model that is 30 % off comes out at the right size on given poses: that is what ties are for."""
    by_image = {frame.image.tobytes(): frame.depth for frame in frames}
    model = recon3d.FunctionModel(lambda image, camera: 1.3 * by_image[image.tobytes()], name="off", version="1")
    settings = Settings().with_assignments(["scale.min_ties=15"])
    scene = recon3d.run(capture, tmp_path / "scene", model=model, settings=settings)
    views = json.loads(scene.file("scales.json").read_text())["views"]
    tied = [view["factor"] for view in views.values() if not view["inherited"]]
    assert len(tied) >= 4
    assert np.median(tied) == pytest.approx(1 / 1.3, rel=0.02)


def test_a_model_from_python_stays_the_scene_s_model(frames, capture, tmp_path):
    by_image = {frame.image.tobytes(): frame.depth for frame in frames}
    model = recon3d.FunctionModel(lambda image, camera: by_image[image.tobytes()], name="mine", version="1")
    recon3d.run(capture, tmp_path / "scene", model=model)
    done = command("fuse", tmp_path / "scene", "--set", "fuse.voxel_size=0.05")
    assert done.returncode == 0 and "depth: up to date" in done.stdout, done.stderr
    done = command("depth", tmp_path / "scene", "--force")
    assert done.returncode == 1 and "'mine'" in done.stderr


def test_a_mesh_that_was_deleted_is_made_again(capture, tmp_path):
    line = ("run", capture, "-o", tmp_path / "scene", "--model", "recorded")
    assert command(*line).returncode == 0
    (tmp_path / "scene" / "mesh.ply").unlink()
    assert command(*line).returncode == 0
    assert (tmp_path / "scene" / "mesh.ply").exists()


def test_poses_that_are_there_need_no_file(frames, capture, tmp_path):
    poses = tmp_path / "poses.txt"
    np.savetxt(poses, np.stack([frame.world_from_cam.matrix.ravel() for frame in frames]))
    line = ("run", capture, "-o", tmp_path / "scene", "--model", "recorded", "--poses", poses)
    assert command(*line).returncode == 0
    poses.unlink()
    done = command("fuse", tmp_path / "scene", "--set", "fuse.voxel_size=0.05")
    assert done.returncode == 0 and "poses: up to date" in done.stdout, done.stderr
    assert "poses.txt" in command(*line).stderr


def test_depth_that_is_there_needs_no_weights(capture, tmp_path, monkeypatch):
    from recon3d.errors import InputError

    line = (capture, "-o", tmp_path / "scene", "--model", "demo")
    assert command("run", *line).returncode == 0

    def gone(name):
        raise InputError("demo: no weights here")

    monkeypatch.setattr("recon3d.stages.depth_source.model_version", gone)
    assert "depth: up to date" in command("fuse", tmp_path / "scene").stdout
    assert command("depth", tmp_path / "scene", "--set", "depth.flip=off").returncode == 1
