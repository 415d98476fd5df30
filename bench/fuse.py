"""Fusing depth maps: Open3D's own integration against ours, with weights of one and with weights by sigma.

    python bench/fuse.py                  # a made-up room, 640 x 480, 2 cm voxels: prints two tables
    python bench/fuse.py --scene SCENE    # the refined depths of a scene of `--model recorded`

Sides take turns frame by frame in one process, on grids of their own; each finds its blocks, too. Core seconds leave
out the waiting for a core on a machine with other work. The compiling of our kernel, once a process, is told beside.
The second table compares meshes of the same plan, weighted and not, with the truth: what a sensor measured, fused by
Open3D with voxels of 2 cm, truncated at 8 cm, seen more than once, up to 4 m; or the room itself, its depths made
noisy with the sigma that they are given.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import open3d as o3d

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from synthetic import room_frames

from recon3d.files import load_array
from recon3d.fusion.buffers import BLOCK, BYTES_PER_VOXEL
from recon3d.fusion.grid import Grid
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import FusePlan, plan_fusion
from recon3d.fusion.tsdf import fuse
from recon3d.geometry import Frame, Mesh
from recon3d.mesh.pieces import without_crumbs
from recon3d.metrics.surface import sample_surface, surface_errors
from recon3d.scene import Scene
from recon3d.settings import FuseSettings, MeshSettings
from recon3d.stages.frames import frames as frames_of

o3c = o3d.core
THRESHOLDS_M = (0.01, 0.02, 0.05)


class Stock:
    """Open3D's own integration into a grid with uint16 weights and colours."""

    def __init__(self, voxel_size: float, truncation: float, block_count: int) -> None:
        self.reach_voxels = truncation / voxel_size
        self.grid = o3d.t.geometry.VoxelBlockGrid(
            ("tsdf", "weight", "color"),
            (o3c.float32, o3c.uint16, o3c.uint16),
            [o3c.SizeVector([channels]) for channels in (1, 1, 3)],
            voxel_size,
            BLOCK,
            block_count,
            o3c.Device("CPU:0"),
        )

    def integrate(self, frame: Frame) -> None:
        """Adds one frame."""
        K = frame.camera.K
        K[:2, 2] += 0.5
        depth = o3d.t.geometry.Image(o3c.Tensor.from_numpy(np.ascontiguousarray(frame.depth)))
        color = o3d.t.geometry.Image(o3c.Tensor.from_numpy(frame.image.astype(np.float32)))
        cameras = o3c.Tensor.from_numpy(K), o3c.Tensor.from_numpy(frame.world_from_cam.inverse().matrix)
        reach = 1.0, float(frame.depth.max()) + 1.0, self.reach_voxels
        touched = self.grid.compute_unique_block_coordinates(depth, *cameras, *reach)
        self.grid.integrate(touched, depth, color, *cameras, *reach)

    def mesh(self, min_weight: float) -> Mesh:
        """The surface seen more than so often."""
        surface = self.grid.extract_triangle_mesh(min_weight)
        colors = np.zeros((len(surface.vertex.positions), 3), np.uint8)
        return Mesh(surface.vertex.positions.numpy(), surface.triangle.indices.numpy(), colors)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", type=Path)
    parser.add_argument("--frames", type=int, default=30, help="that the times are measured on")
    options = parser.parse_args()
    if options.scene is None:
        exact = room_frames(options.frames, 640, 480)
        random = np.random.default_rng(0)
        frames = [_noisy(frame, random) for frame in exact]
        truth = [dataclasses.replace(frame, sigma=None) for frame in exact]
        judge, timed = (lambda: frames), frames
    else:
        scene = Scene(options.scene)
        judge, truth = (lambda: frames_of(scene)), recorded(scene)
        timed = [frame for frame, _ in zip(frames_of(scene), range(options.frames), strict=False)]
    _print_times(timed)
    _print_scores(judge, truth)


def _noisy(frame: Frame, random: np.random.Generator) -> Frame:
    """The frame as a sensor might see it: 5 mm + 0.5 % of depth squared off, smoothly; one photo in four thrice."""
    import cv2

    sigma = (0.005 + 0.005 * frame.depth**2) * np.float32(3 if random.random() < 0.25 else 1)
    error = cv2.resize(random.normal(size=(12, 16)).astype(np.float32), frame.depth.shape[::-1])
    return dataclasses.replace(frame, depth=np.maximum(frame.depth + sigma * error, 0.01), sigma=sigma)


def recorded(scene: Scene) -> Iterable[Frame]:
    """The depths of a scene as the sensor recorded them, up to 4 m."""
    for frame in frames_of(scene):
        depth = load_array(scene.depth_path(frame.name))
        yield dataclasses.replace(frame, depth=np.where(depth <= 4, depth, np.float32(0)), sigma=None)


def _print_times(frames: list[Frame]) -> None:
    """Seconds a frame."""
    plan = plan_fusion(frames, FuseSettings(voxel_size=0.02, truncation=0.08))
    even = dataclasses.replace(plan, trust=None)
    sides = {
        "Open3D": Stock(0.02, 0.08, plan.block_count),
        "ours, weights of one": Grid.empty(even, "cpu"),
        "ours, weighted": Grid.empty(plan, "cpu"),
    }
    start = time.perf_counter()
    Grid.empty(even, "cpu").integrate(frames[0])
    print(f"first frame of ours, with compiling: {time.perf_counter() - start:.1f} s")
    wall, core = {name: [] for name in sides}, {name: [] for name in sides}
    for frame in frames:
        for name, side in sides.items():
            before = time.perf_counter(), time.process_time()
            side.integrate(frame)
            wall[name].append(time.perf_counter() - before[0])
            core[name].append(time.process_time() - before[1])
    print("| 2 cm voxels | wall ms a frame | core ms a frame | Open3D's wall / its | Open3D's core / its |")
    print("| --- | --- | --- | --- | --- |")
    for name in sides:
        milliseconds = [1000 * float(np.median(times[name])) for times in (wall, core)]
        ratios = [float(np.median(times["Open3D"]) / np.median(times[name])) for times in (wall, core)]
        cells = [name, *(f"{value:.1f}" for value in milliseconds), *(f"{ratio:.2f}" for ratio in ratios)]
        print("| " + " | ".join(cells) + " |")
    print(f"{len(frames)} frames, medians; a block takes {BLOCK**3 * BYTES_PER_VOXEL / 1024:.0f} KiB\n")


def _print_scores(frames: Callable[[], Iterable[Frame]], truth: Iterable[Frame]) -> None:
    """F-scores of both weightings."""
    stock = Stock(0.02, 0.08, 10_000)
    for frame in truth:
        stock.integrate(frame)
    true = sample_surface(stock.mesh(1.0))
    weighted = plan_fusion(frames(), FuseSettings())
    print("; ".join(weighted.reasons))
    print("| weights | " + " | ".join(f"F at {100 * limit:g} cm" for limit in THRESHOLDS_M) + " | accuracy mm |")
    print("| --- | --- | " + "--- | " * len(THRESHOLDS_M))
    rows: dict[str, FusePlan] = {
        "by sigma": weighted,
        "of one": dataclasses.replace(weighted, trust=None),
    }
    for name, plan in rows.items():
        mesh = without_crumbs(in_order(fuse(frames(), plan)), MeshSettings().min_component)
        errors = surface_errors(sample_surface(mesh), true, THRESHOLDS_M)
        scores = " | ".join(f"{score:.3f}" for score in errors.f_score)
        print(f"| {name} | {scores} | {1000 * errors.accuracy_m:.1f} |", flush=True)


if __name__ == "__main__":
    main()
