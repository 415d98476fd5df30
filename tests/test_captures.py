"""Accuracy on real captures; needs ../shared beside the repository."""

import importlib.util
import json
import shutil
import subprocess
import sys

import numpy as np
import open3d as o3d
import pytest

import recon3d
from recon3d.formats.depth_map import read_depth
from recon3d.formats.mesh_file import read_mesh
from recon3d.geometry import Mesh
from recon3d.metrics.surface import sample_surface, surface_errors
from recon3d.metrics.trajectory import centre_rmse_m
from recon3d.scene import Scene
from recon3d.settings import Settings

pytestmark = pytest.mark.slow

MEMORY_LIMIT_GIB = 4


def fused_truth(depths, K, poses):
    """Design §7: stock VoxelBlockGrid over all sensor depth, 2 cm voxels, truncation 8 cm, weight > 1, depth <= 4 m."""
    core = o3d.core
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight"), (core.float32, core.float32), ((1,), (1,)), 0.02, 16, 40_000, core.Device("CPU:0")
    )
    K = K.copy()
    K[:2, 2] += 0.5
    for depth, world_from_cam in zip(depths, poses, strict=True):
        image = o3d.t.geometry.Image(core.Tensor(depth))
        intrinsic, extrinsic = core.Tensor(K), core.Tensor(np.linalg.inv(world_from_cam))
        blocks = grid.compute_unique_block_coordinates(image, intrinsic, extrinsic, 1.0, 4.0, 4.0)
        grid.integrate(blocks, image, intrinsic, extrinsic, 1.0, 4.0, 4.0)
    surface = grid.extract_triangle_mesh(1.0)
    vertices = surface.vertex.positions.numpy().astype(float)
    return Mesh(vertices, surface.triangle.indices.numpy(), np.zeros((len(vertices), 3), np.uint8))


@pytest.fixture(scope="module")
def fastdepth(shared):
    """The small real network beside the captures, as a user would hand in a model of their own."""
    spec = importlib.util.spec_from_file_location("fastdepth", shared / "tools" / "fastdepth.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    predict = module.load()
    return recon3d.FunctionModel(lambda image, camera: predict(image), name="fastdepth", version="1")


def test_recorded_kitchen_is_the_sensor_s_own_surface_within_memory(shared, tmp_path):
    capture = shared / "data" / "redkitchen"
    code = (
        "import resource, subprocess, sys\n"
        "command = [sys.executable, '-m', 'recon3d', 'run', sys.argv[1], '--model', 'recorded', '-o', sys.argv[2]]\n"
        "done = subprocess.run(command)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\nsys.exit(done.returncode)\n"
    )
    root = tmp_path / "scene"
    done = subprocess.run([sys.executable, "-c", code, capture, root], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak_gib = int(done.stdout.splitlines()[-1]) / 2**20
    assert peak_gib < MEMORY_LIMIT_GIB
    stems = sorted(path.name.removesuffix(".depth.png") for path in capture.glob("*.depth.png"))
    truth = fused_truth(
        (read_depth(capture / f"{stem}.depth.png", unit_m=0.001) for stem in stems),
        np.loadtxt(capture / "camera-intrinsics.txt"),
        (np.loadtxt(capture / f"{stem}.pose.txt") for stem in stems),
    )
    errors = surface_errors(sample_surface(read_mesh(root / "mesh.ply")), sample_surface(truth), [0.02])
    print(f"redkitchen, recorded: F at 2 cm {errors.f_score[0]:.3f}, peak {peak_gib:.2f} GiB")
    assert errors.f_score[0] >= 0.95


def test_kitchen_photos_alone_give_poses_and_a_mesh(shared, fastdepth, tmp_path):
    capture = shared / "data" / "redkitchen"
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted(capture.glob("*.color.jpg")):
        shutil.copy(path, photos / f"{path.name.removesuffix('.color.jpg')}.jpg")
    settings = Settings().with_assignments(["refine.photometric=off"])  # minutes, and this is about poses
    scene = recon3d.run(photos, tmp_path / "scene", model=fastdepth, settings=settings)
    found = scene.world_from_cam()
    truth = {
        name: recon3d.SE3.from_matrix(np.loadtxt(capture / f"{name}.pose.txt"))
        for name in (path.stem for path in photos.iterdir())
    }
    rmse_m = centre_rmse_m(found, truth, with_scale=True)
    metric_m = centre_rmse_m(found, truth, with_scale=False)
    print(f"redkitchen, photos alone: {len(found)} of 100, centres {rmse_m:.3f} m; {metric_m:.3f} m at our own scale")
    assert len(found) >= 98
    assert rmse_m <= 0.05
    assert len(read_mesh(scene.file("mesh.ply")).triangles) > 10_000


def test_hololens_walk_with_a_real_network_gives_a_mesh(shared, fastdepth, tmp_path):
    capture = shared / "data" / "hololens"
    settings = Settings().with_assignments(
        [f"poses.file={capture / 'poses.txt'}", f"photos.camera={capture / 'K.txt'}"]
    )
    scene = recon3d.run(capture / "images", tmp_path / "scene", model=fastdepth, settings=settings)
    stems = sorted(path.stem for path in (capture / "depth").iterdir())
    truth = fused_truth(
        (read_depth(capture / "depth" / f"{stem}.png", unit_m=0.001) for stem in stems),
        np.loadtxt(capture / "K.txt"),
        np.loadtxt(capture / "poses.txt").reshape(-1, 4, 4),
    )
    errors = surface_errors(sample_surface(read_mesh(scene.file("mesh.ply"))), sample_surface(truth), [0.05])
    print(f"hololens, small network: F at 5 cm {errors.f_score[0]:.3f}")
    print(json.dumps(scene.facts("scale")))
    assert errors.f_score[0] > 0.66  # .73 measured; .29 where the photos are not matched


def test_a_photo_set_with_exif_takes_its_camera_from_there(shared, fastdepth, tmp_path):
    scene_root = tmp_path / "scene"
    line = [sys.executable, "-m", "recon3d", "poses", str(scene_root)]
    init = [sys.executable, "-m", "recon3d", "init", str(shared / "data" / "sceaux"), "-o", str(scene_root)]
    assert subprocess.run(init, capture_output=True, check=False).returncode == 0
    scene = Scene.open(scene_root)
    assert {calibration.source for calibration in scene.calibrations().values()} == {"EXIF"}
    assert subprocess.run(line, capture_output=True, check=False).returncode == 0
    assert len(scene.names()) == 11
