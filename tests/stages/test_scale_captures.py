"""Scale and level of real captures; needs ../shared beside the repository."""

import importlib.util
import json

import numpy as np
import open3d as o3d
import pytest

import recon3d
from recon3d.files import load_array
from recon3d.formats.depth_map import read_depth
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.aligned import aligned_depth, view_scales
from recon3d.stages.chain import run
from recon3d.stages.job import Job

pytestmark = pytest.mark.slow


def scaled(photos, root, job):
    """The scene with the stages up to `scale` done."""
    for outcome in run(photos, root, job):
        if outcome.stage == "scale":
            break
    return Scene.open(root)


def test_a_network_s_depth_of_the_hololens_walk_is_halved_in_error(shared, tmp_path):
    spec = importlib.util.spec_from_file_location("fastdepth", shared / "tools" / "fastdepth.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    predict = module.load()
    model = recon3d.FunctionModel(lambda image, camera: predict(image), name="fastdepth", version="1")
    capture = shared / "data" / "hololens"
    settings = Settings().with_assignments(
        [f"poses.file={capture / 'poses.txt'}", f"photos.camera={capture / 'K.txt'}"]
    )
    scene = scaled(capture / "images", tmp_path / "scene", Job(settings, "cpu", model))
    views, raw, found = view_scales(scene), [], []
    for name in scene.names():
        truth = read_depth(capture / "depth" / f"{name}.png", unit_m=0.001)
        valid = truth > 0
        raw.append(np.mean(np.abs(load_array(scene.depth_path(name)) / np.where(valid, truth, 1) - 1)[valid]))
        aligned = aligned_depth(scene, name, views[name])
        found.append(np.mean(np.abs(aligned / np.where(valid, truth, 1) - 1)[valid]))
    print(f"hololens, small network, AbsRel: raw {np.mean(raw):.3f}, aligned {np.mean(found):.3f}")
    assert np.mean(raw) > 0.25
    assert np.mean(found) <= 0.135  # .123 measured; without the pairs .133 and without the field .25


def test_redkitchen_stands_level_by_the_floor_of_its_sensor_depth(shared, tmp_path):
    settings = Settings().with_assignments(["depth.model=recorded", "scale.level=true"])
    scene = scaled(shared / "data" / "redkitchen", tmp_path / "scene", Job(settings, "cpu"))
    poses, cameras, points = scene.world_from_cam(), scene.cameras(), []
    for name in list(poses)[::5]:
        depth = load_array(scene.depth_path(name))
        seen = cameras[name].backproject(depth)[::6, ::6][(depth[::6, ::6] > 0) & (depth[::6, ::6] < 4)]
        points.append(poses[name] @ seen.astype(float))
    world = np.concatenate(points)
    low = world[world[:, 2] < np.quantile(world[:, 2], 0.01) + 0.3]  # the floor, were it 10 degrees askew over 2 m
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(low))
    o3d.utility.random.seed(0)
    normal = np.array(cloud.segment_plane(0.02, 3, 2000)[0][:3])
    off_deg = float(np.degrees(np.arccos(min(1.0, abs(normal[2]) / np.linalg.norm(normal)))))
    print(json.dumps({"floor_off_level_deg": off_deg}))
    assert off_deg < 2
