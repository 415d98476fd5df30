from pathlib import Path

import cv2
import numpy as np
import open3d as o3d
import pytest

from recon3d.fusion.clean import clean
from recon3d.fusion.plan import plan_fusion
from recon3d.fusion.tsdf import fuse
from recon3d.geometry import SE3, Camera, Frame, Mesh
from recon3d.metrics.surface import sample_surface, surface_errors
from recon3d.refine.consistency import keep, neighbours_of, vote
from recon3d.refine.masks import edge_mask
from recon3d.settings import FuseSettings, RefineSettings


def _frames(folder: Path, step: int) -> list[Frame]:
    """Every step-th frame, with the noise of a structured-light sensor."""
    K = np.loadtxt(folder / "camera-intrinsics.txt")
    camera = Camera(640, 480, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    frames = []
    for path in sorted(folder.glob("*.color.jpg"))[::step]:
        name = path.name.partition(".")[0]
        steps = cv2.imread(str(folder / f"{name}.depth.png"), cv2.IMREAD_UNCHANGED)
        depth = np.where(steps == 65535, 0, steps).astype(np.float32) / 1000
        image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        pose = SE3.from_matrix(np.loadtxt(folder / f"{name}.pose.txt"))
        frames.append(Frame(name, image, depth, 0.01 + 0.003 * depth**2, camera, pose))
    return frames


def _refined(frames: list[Frame]) -> list[Frame]:
    """Masked, and checked against each other."""
    settings = RefineSettings()
    masked = {f.name: np.where(edge_mask(f.depth, f.camera, settings), 0, f.depth).astype(np.float32) for f in frames}
    views = {f.name: (masked[f.name], f.camera, f.world_from_cam) for f in frames}
    medians = {name: float(np.median(depth[depth > 0])) for name, depth in masked.items()}
    poses, cameras = {f.name: f.world_from_cam for f in frames}, {f.name: f.camera for f in frames}
    neighbours = neighbours_of(poses, cameras, medians, settings.neighbours)
    refined = []
    for f in frames:
        votes = vote(*views[f.name], [views[other] for other in neighbours[f.name]], settings, sigma=f.sigma)
        kept = keep(votes, masked[f.name], f.sigma, settings)
        depth = np.where(kept, f.depth, 0).astype(np.float32)
        refined.append(Frame(f.name, f.image, depth, f.sigma, f.camera, f.world_from_cam))
    return refined


def _plain_fusion(frames: list[Frame]) -> Mesh:
    """The truth of the F-scores: the stock grid on the raw depth, 2 cm voxels, truncation 8 cm, up to 4 m."""
    o3c = o3d.core
    kinds, sizes = (o3c.float32,) * 2, ((1), (1))
    grid = o3d.t.geometry.VoxelBlockGrid(("tsdf", "weight"), kinds, sizes, 0.02, 16, 20_000, o3c.Device("CPU:0"))
    for frame in frames:
        K = frame.camera.K
        K[:2, 2] += 0.5
        intrinsic, extrinsic = o3c.Tensor(K), o3c.Tensor(frame.world_from_cam.inverse().matrix)
        depth = o3d.t.geometry.Image(o3c.Tensor(np.array(frame.depth)))
        blocks = grid.compute_unique_block_coordinates(depth, intrinsic, extrinsic, 1.0, 4.0, 4.0)
        grid.integrate(blocks, depth, intrinsic, extrinsic, 1.0, 4.0, 4.0)
    mesh = grid.extract_triangle_mesh(1.0)
    vertices, triangles = mesh.vertex.positions.numpy(), mesh.triangle.indices.numpy()
    return Mesh(vertices, triangles, np.zeros(vertices.shape, np.uint8))


@pytest.mark.slow
def test_a_kitchen_recorded_by_a_sensor_comes_out_as_plain_fusion_has_it_but_finer(shared: Path):
    frames = _frames(shared / "data" / "redkitchen", 4)
    truth = sample_surface(_plain_fusion(frames))
    refined = _refined(frames)
    plan = plan_fusion(refined, FuseSettings())
    mesh = clean(fuse(refined, plan), 0.002)
    errors = surface_errors(sample_surface(mesh), truth, (0.02,))
    assert errors.f_score[0] >= 0.95
    assert plan.voxel_size < 0.015
