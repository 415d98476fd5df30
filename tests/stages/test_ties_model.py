"""Depth without a network: from the ties alone to the metric world, with and without a known unit."""

import dataclasses

import cv2
import numpy as np
import open3d as o3d
import pytest
from commands import command
from injected import capture
from synthetic import write_photos

from recon3d.errors import InputError
from recon3d.files import load_array, read_json, write_json
from recon3d.formats.camera_file import calibration_as_json
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.scene_poses import poses_as_json
from recon3d.geometry import Calibration
from recon3d.poses.sparse import read_sparse
from recon3d.scale.sketch import rays
from recon3d.scale.ties import ties_of
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages import depth as depth_stage
from recon3d.stages import scale as scale_stage
from recon3d.stages import ties_depth
from recon3d.stages.aligned import aligned_depth, aligned_sigma, view_scales
from recon3d.stages.depth_source import source_of
from recon3d.stages.job import Job

EXACT = capture(3, points=900, width=160, height=120)
NAMES = [frame.name for frame in EXACT.frames]
UNIT = 0.01
"""Metres that a unit of the sparse model is: its depths are of some hundred units."""


@pytest.fixture
def scene_of(tmp_path, monkeypatch):
    """Makes a scene whose poses stage is done, from a sparse model."""

    def make(sparse, *, metric=False):
        scene = Scene.create(tmp_path / "scene")
        for name in ("init", "poses"):
            scene.start(name, name, {})
            scene.finish(name, {}, [])
        for folder in ("images", "sparse"):
            scene.file(folder).mkdir()
        for frame in EXACT.frames:
            cv2.imwrite(str(scene.file("images") / f"{frame.name}.png"), frame.image[..., ::-1])
        cameras = {frame.name: calibration_as_json(Calibration(frame.camera)) for frame in EXACT.frames}
        write_json(scene.file("calibration.json"), cameras)
        write_json(scene.file("cameras.json"), {name: camera | {"lens": camera} for name, camera in cameras.items()})
        poses = poses_as_json(sparse.world_from_cam) | {"given": True, "metric": metric}
        write_json(scene.file("sparse") / "poses.json", poses)
        (scene.file("sparse") / "points3D.bin").touch()
        for module in (ties_depth, scale_stage):
            monkeypatch.setattr(module, "read_sparse", lambda folder: sparse)
        monkeypatch.setattr(Scene, "upstream_key", lambda self, name: "made up")
        return scene

    return make


def run(scene, *assignments):
    """The outcomes of depth and scale."""
    job = Job(Settings().with_assignments(["depth.model=ties", *assignments]))
    return depth_stage.depth(scene, job), scale_stage.scale(scene, job, trusted_depth=False)


def codes(outcome):
    return [signal.code for signal in outcome.signals]


def error(scene, name, *, factor=1.0):
    """Median relative error of a view's depth in metres."""
    depth = aligned_depth(scene, name, view_scales(scene)[name])
    truth = next(frame.depth for frame in EXACT.frames if frame.name == name)
    known = depth > 0
    return float(np.median(np.abs(depth[known] / (factor * truth[known]) - 1)))


def test_with_a_known_unit_the_ties_give_metric_depth(scene_of):
    scene = scene_of(EXACT.sparse(UNIT))
    depth, scale = run(scene, f"scale.factor={UNIT}")
    assert depth.facts["kind"] == "ties"
    assert depth.facts["model"] == "ties"
    assert scale.facts["source"] == "given factor"
    assert "UNKNOWN_SCALE" not in codes(scale)
    # depths of the points are taken at whole pixels, up to half of one from where the points are
    assert all(error(scene, name) < 0.01 for name in NAMES)
    for frame, pose in zip(EXACT.frames, scene.world_from_cam().values(), strict=True):
        np.testing.assert_allclose(pose.t, frame.world_from_cam.t, atol=1e-9)


def test_metric_poses_are_the_metres_of_the_ties(scene_of):
    scene = scene_of(EXACT.sparse(), metric=True)
    _, scale = run(scene)
    assert (scale.facts["source"], scale.facts["factor"]) == ("given poses", 1)
    assert all(error(scene, name) < 0.01 for name in NAMES)


@pytest.mark.parametrize("unit", [0.001, 1000])
def test_a_world_without_a_unit_is_made_as_large_as_a_room_and_says_so(scene_of, unit):
    scene = scene_of(EXACT.sparse(unit))
    _, scale = run(scene)
    assert codes(scale).count("UNKNOWN_SCALE") == 1
    assert "made up" in scale.facts["source"]
    assert scale.facts["relative_sigma"] == 1
    ties = ties_of(EXACT.sparse(), scene.cameras(), Settings().scale)
    factor = ties_depth.MADE_UP_M / np.median(np.concatenate([mine.z for mine in ties.values()]))
    assert scale.facts["factor"] == pytest.approx(factor * unit)
    assert all(error(scene, name, factor=factor) < 0.01 for name in NAMES)


def test_sigma_is_that_of_the_ties_at_the_metric_scale(scene_of):
    scene = scene_of(EXACT.sparse(UNIT))
    run(scene, f"scale.factor={UNIT}")
    for name, view in view_scales(scene).items():
        made = load_array(scene.sigma_path(name))
        depth = aligned_depth(scene, name, view)
        np.testing.assert_allclose(aligned_sigma(scene, name, depth, view, sensor=False), UNIT * made, rtol=1e-5)


def test_a_photo_without_ties_is_named_and_has_no_depth(scene_of):
    sparse = EXACT.sparse()
    seen = sparse.obs_photo != 2
    kept = {field: getattr(sparse, field)[seen] for field in ("obs_point", "obs_photo", "obs_uv", "obs_error_px")}
    scene = scene_of(dataclasses.replace(sparse, **kept), metric=True)
    depth, _ = run(scene)
    bare = next(signal for signal in depth.signals if signal.code == "FEW_TIES")
    assert bare.photos == (NAMES[2],)
    assert not aligned_depth(scene, NAMES[2], view_scales(scene)[NAMES[2]]).any()


def test_the_share_that_is_far_from_all_ties_is_told(scene_of):
    sparse = EXACT.sparse()
    left = sparse.obs_uv[:, 0] < 50
    kept = {field: getattr(sparse, field)[left] for field in ("obs_point", "obs_photo", "obs_uv", "obs_error_px")}
    depth, _ = run(scene_of(dataclasses.replace(sparse, **kept), metric=True))
    told = next(signal for signal in depth.signals if signal.code == "FAR_FROM_TIES")
    assert f"{100 * (1 - depth.facts['valid_share']):.1f} %" in told.message
    assert depth.facts["valid_share"] < 0.95


def test_what_stays_empty_in_the_end_is_told_with_its_share():
    cameras = {frame.name: frame.camera for frame in EXACT.frames}
    full = {name: camera.width * camera.height for name, camera in cameras.items()}
    assert ties_depth.empty_signals(full, cameras) == []
    (told,) = ties_depth.empty_signals({name: count // 4 for name, count in full.items()}, cameras)
    assert told.code == "EMPTY"
    assert told.message.startswith("75.0 % of the pixels")


def test_without_points_there_is_nothing_to_make_depth_of(scene_of):
    sparse = EXACT.sparse()
    few = np.arange(len(sparse.obs_photo)) < 5
    kept = {field: getattr(sparse, field)[few] for field in ("obs_point", "obs_photo", "obs_uv", "obs_error_px")}
    scene = scene_of(dataclasses.replace(sparse, **kept))
    with pytest.raises(InputError, match="no photo has 12 ties"):
        run(scene)
    (scene.file("sparse") / "points3D.bin").unlink()
    with pytest.raises(InputError, match="no points"):
        run(scene)


def test_one_photo_is_refused_before_any_work(tmp_path):
    photos = write_photos(tmp_path / "photos", EXACT.frames[:1])
    told = command("run", photos, "-o", tmp_path / "scene", "--model", "ties")
    assert told.returncode == 1
    assert "this is one photo" in told.stderr
    assert "poses" not in read_json(tmp_path / "scene" / "scene.json")["stages"]


def test_depth_in_the_unit_of_the_ties_is_not_compared_with_metres(scene_of):
    scene = scene_of(EXACT.sparse(UNIT))
    run(scene, f"scale.factor={UNIT}")
    told = command("evaluate", "depth", scene.root, scene.root, "--which", "raw")
    assert told.returncode == 1
    assert "take --which aligned" in told.stderr


def test_a_metric_network_beside_the_ties_is_refused():
    with pytest.raises(InputError, match="--model ties has none"):
        source_of(Job(Settings().with_assignments(["depth.model=ties", "depth.metric_from=demo"])))


def test_which_ties_there_are_decides_whether_depth_is_current():
    versions = {
        source_of(Job(Settings().with_assignments(["depth.model=ties", *more])))[1]
        for more in ([], ["scale.min_views=3"], ["scale.max_reprojection_px=1"], ["scale.min_angle_deg=2"])
    }
    assert len(versions) == 4


def off_the_points(scene):
    """Relative difference of the mesh's depth and that of each point in each photo that saw it; inf where no mesh is.

    Returns:
        (M,) of the observations that make ties.
    """
    mesh = read_mesh(scene.file("mesh.ply"))
    hit = o3d.t.geometry.RaycastingScene()
    hit.add_triangles(mesh.vertices.astype(np.float32), mesh.triangles.astype(np.uint32))
    factor, poses, cameras = scene.facts("scale")["factor"], scene.world_from_cam(), scene.cameras()
    found = []
    for name, ties in ties_of(read_sparse(scene.file("sparse")), cameras, Settings().scale).items():
        directions = rays(cameras[name], ties.uv) @ poses[name].R.T  # as long as z = 1, so that the way is the depth
        both = np.concatenate([np.broadcast_to(poses[name].t, directions.shape), directions], axis=1)
        way = hit.cast_rays(both.astype(np.float32))["t_hit"].numpy()
        found.append(np.abs(way / (factor * ties.z) - 1))
    return np.concatenate(found)


@pytest.mark.slow
def test_the_fountain_without_a_network_lies_on_its_points(shared, tmp_path):
    images, scene = shared / "data/fountain/images", tmp_path / "scene"
    told = command(
        "run", images, "-o", scene, "--model", "ties", "--camera", images / "K.txt", "--set", "photos.max_side=768"
    )
    assert told.returncode == 0, told.stderr
    off = off_the_points(Scene.open(scene))
    assert {"UNKNOWN_SCALE", "EMPTY"} <= {signal.code for signal in Scene.open(scene).signals()}
    assert np.isfinite(off).mean() > 0.8
    assert np.median(off) < 0.003
