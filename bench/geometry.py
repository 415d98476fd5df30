"""What each step between a network's depth and the mesh is worth: stages switched on one after another, one table.

    python bench/geometry.py room --work DIR          # samples/room with the demo model, estimated poses
    python bench/geometry.py exact --work DIR         # a made-up room, poses given, depth spoilt as networks' is
    python bench/geometry.py hololens --work DIR      # an office, poses given, the small network of ../shared/tools
    python bench/geometry.py room --work DIR --photos 12 --rows joint photometric      # a quick look

Everything up to the depth maps is made once and kept in the folder named by --work, and so is each row that is done:
the same command goes on where it was stopped, and measures again what other settings, or another version of a stage,
make stale (--again: all rows asked for). Each row is a process of its own, so that its peak memory is its own; its
seconds a view are those of stage refine, by the clock. Depth errors are of the depths kept, and cover is their share of
the truth. F-scores by 200 000 points, seed 0; truths: the sensor's depth fused by Open3D's own integration (hololens),
the surface that the photos see (room), every pixel's exact point (exact: voxels of 1 cm, so that 2 cm are two voxels).
Worlds of estimated poses are laid on the truth by the camera centres, rotation and translation only; "size free" is the
F-score at 5 cm with the size laid on too.
"""

import argparse
import importlib.util
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import recon3d
from recon3d.files import load_array, read_json, save_array, write_json
from recon3d.formats.depth_map import read_depth
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.scene_poses import poses_as_json, poses_from_json
from recon3d.geometry import Mesh
from recon3d.metrics.depth import depth_errors
from recon3d.metrics.surface import sample_surface, surface_errors
from recon3d.metrics.trajectory import umeyama
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.chain import run
from recon3d.stages.job import Job, Outcome

ROOT = Path(__file__).resolve().parents[1]
STEPS: dict[str, tuple[str, str]] = {
    # no view is tied: depth keeps its own metres, which in worlds of estimated poses are of another size
    "scale": ("scale.min_ties=1000000000", ""),
    "field": ("scale.field=off", "scale.field=on"),
    "joint": ("scale.joint=off", "scale.joint=on"),
    "photometric": ("refine.photometric=off", "refine.photometric=on"),
    "consistency": ("refine.consistency=off", "refine.consistency=on"),
    "weighting": ("fuse.weighting=off", "fuse.weighting=on"),
}
"""What switches each step off and on, in the order in which rows switch them on; the last row is all there is."""
ROWS = ("raw", *STEPS)
FIGURES = "figures.json"
"""What was measured of a row, in its scene."""
THRESHOLDS_M = (0.02, 0.05)
VIEWS, WIDTH, HEIGHT = 24, 320, 240
"""Of the exact room."""
VOXEL_M = 0.01
"""Of the exact room: half its smaller threshold."""


def settings_of(row: str) -> list[str]:
    """Assignments that switch on the steps up to a row, and the others off."""
    done = ROWS.index(row)
    words = [on if number <= done else off for number, (off, on) in enumerate(STEPS.values(), 1)]
    return [word for word in words if word]


def capture_of(kind: str, work: Path, shared: Path, photos: int | None) -> tuple[Any, list[str], Any]:
    """Photos, settings and a depth model (None = of the settings) of a capture, or of some of its photos in a row."""
    if kind == "room":
        paths = sorted((ROOT / "samples" / "room").glob("IMG_*.jpg"))[:photos]
        return paths, ["photos.max_side=640", "depth.model=demo"], None
    if kind == "exact":
        return exact_capture(work / "exact-capture", photos or VIEWS)
    spec = importlib.util.spec_from_file_location("fastdepth", shared / "tools" / "fastdepth.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    predict = module.load()
    model = recon3d.FunctionModel(lambda image, camera: predict(image), name="fastdepth", version="1")
    folder = shared / "data" / "hololens"
    paths = sorted((folder / "images").iterdir())[:photos]
    poses = np.loadtxt(folder / "poses.txt")[: len(paths)]
    np.savetxt(work / "hololens-poses.txt", poses)
    return paths, [f"poses.file={work / 'hololens-poses.txt'}", f"photos.camera={folder / 'K.txt'}"], model


def exact_capture(folder: Path, views: int) -> tuple[Path, list[str], None]:
    """The room of the tests with depth as a network gives it: each view 20 % off, 5 % of slow waves, blurred edges."""
    sys.path.insert(0, str(ROOT / "tests"))
    from synthetic import room_frames, write_photos

    settings = [f"depth.maps={folder / 'maps'}", f"poses.file={folder / 'poses.json'}"]
    settings += [f"photos.camera={folder / 'K.txt'}", f"fuse.voxel_size={VOXEL_M}"]
    if (folder / "K.txt").exists():
        return folder / "photos", settings, None
    frames, rng = room_frames(views, WIDTH, HEIGHT), np.random.default_rng(0)
    write_photos(folder / "photos", frames)
    write_json(folder / "poses.json", poses_as_json({frame.name: frame.world_from_cam for frame in frames}))
    for frame in frames:
        waves = cv2.resize(rng.normal(0, 0.05, (4, 5)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        blurred = cv2.GaussianBlur(frame.depth, (0, 0), WIDTH / 160)
        spoilt = blurred * np.exp(rng.normal(0, 0.2) + waves)
        save_array(folder / "maps" / f"{frame.name}.npy", spoilt.astype(np.float32))
        save_array(folder / "depth" / f"{frame.name}.npy", frame.depth)
    np.savetxt(folder / "K.txt", frames[0].camera.K)
    return folder / "photos", settings, None


def truth_of(kind: str, work: Path, shared: Path, scene: Scene) -> tuple[dict[str, Any], Any]:
    """Depth maps (H, W) [m] by name and points (N, 3) [m] of the true surface."""
    cameras = scene.cameras()
    if kind == "exact":
        depths = {name: load_array(work / "exact-capture" / "depth" / f"{name}.npy") for name in cameras}
        poses = scene.world_from_cam()
        seen = [poses[name] @ cameras[name].backproject(depth).reshape(-1, 3) for name, depth in depths.items()]
        points = np.concatenate(seen)
        cell = np.unique((points / (THRESHOLDS_M[0] / 2)).astype(int), axis=0, return_index=True)[1]
        return depths, points[cell]
    folder = (
        shared / "data" / "hololens" / "depth" if kind == "hololens" else ROOT / "samples" / "room" / "truth" / "depth"
    )
    depths = {name: read_depth(folder / f"{name}.png", unit_m=0.001) for name in cameras}
    if kind == "room":
        return depths, sample_surface(read_mesh(ROOT / "samples" / "room" / "truth" / "mesh.ply"))
    cache = work / "hololens-truth.npy"
    if not cache.exists():
        folder = shared / "data" / "hololens"
        poses = np.loadtxt(work / "hololens-poses.txt").reshape(-1, 4, 4)
        save_array(cache, sample_surface(fused(depths.values(), np.loadtxt(folder / "K.txt"), poses)))
    return depths, load_array(cache)


def fused(depths: Any, K: Any, poses: Any) -> Mesh:
    """Stock VoxelBlockGrid over all sensor depth: 2 cm voxels, truncation 8 cm, weight > 1, depth ≤ 4 m."""
    import open3d as o3d

    core = o3d.core
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight"), (core.float32, core.float32), ((1,), (1,)), 0.02, 16, 40_000, core.Device("CPU:0")
    )
    K = K.copy()
    K[:2, 2] += 0.5
    for depth, world_from_cam in zip(depths, poses, strict=True):
        image = o3d.t.geometry.Image(core.Tensor(depth))
        views = core.Tensor(K), core.Tensor(np.linalg.inv(world_from_cam))
        blocks = grid.compute_unique_block_coordinates(image, *views, 1.0, 4.0, 4.0)
        grid.integrate(blocks, image, *views, 1.0, 4.0, 4.0)
    surface = grid.extract_triangle_mesh(1.0)
    vertices = surface.vertex.positions.numpy().astype(float)
    return Mesh(vertices, surface.triangle.indices.numpy(), np.zeros((len(vertices), 3), np.uint8))


def measure(kind: str, row: str, options: argparse.Namespace) -> dict[str, float]:
    """One row, in this process: the scene is copied with its depth maps, and finished with the settings of the row."""
    work, shared = options.work, options.shared
    photos, assignments, model = capture_of(kind, work, shared, options.photos)
    base, root = work / f"{kind}-scene", work / f"{kind}-{row}"

    def finish(scene: Path, until: str, more: list[str]) -> Iterator[Outcome]:
        for outcome in run(photos, scene, Job(Settings().with_assignments(assignments + more), "cpu", model)):
            yield outcome
            if outcome.stage == until:
                return

    if row == "base":
        list(finish(base, "depth", []))
        return {}
    if (root / FIGURES).exists() and not options.again:
        fresh = [outcome for outcome in finish(root, "mesh", settings_of(row)) if outcome.fresh]
        if not fresh:
            return read_json(root / FIGURES)
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(base, root)
    seconds, before = {}, time.perf_counter()
    for outcome in finish(root, "mesh", settings_of(row)):
        seconds[outcome.stage] = time.perf_counter() - before
        before = time.perf_counter()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scene = Scene.open(root)
    figures = {"seconds_a_view": seconds["refine"] / len(scene.names()), "peak_mib": peak_mib}
    figures |= scores(kind, work, shared, scene)
    write_json(root / FIGURES, figures)
    return figures


def scores(kind: str, work: Path, shared: Path, scene: Scene) -> dict[str, float]:
    """Depth and surface of a finished scene against the truth."""
    depths, truth = truth_of(kind, work, shared, scene)
    rows = []
    for name, depth in depths.items():
        refined = load_array(scene.refined_path(name))
        depth = cv2.resize(depth, refined.shape[::-1], interpolation=cv2.INTER_NEAREST)
        if ((refined > 0) & (depth > 0)).any():
            errors = depth_errors(refined, depth)
            rows.append((errors.abs_rel, errors.median_rel, errors.coverage))
    abs_rel, median_rel, _ = np.mean(rows, axis=0)
    coverage = sum(row[2] for row in rows) / len(depths)
    figures = {"abs_rel": abs_rel, "median_rel": median_rel, "coverage": coverage}
    points = sample_surface(read_mesh(scene.file("mesh.ply")))
    fits = {"": points}
    if kind == "room":
        poses = scene.world_from_cam()
        true_poses = poses_from_json(read_json(ROOT / "samples" / "room" / "truth" / "poses.json"))
        centres, true_centres = (np.stack([found[name].t for name in poses]) for found in (poses, true_poses))
        for label, with_scale in (("", False), ("size free ", True)):
            truth_from_world, factor = umeyama(centres, true_centres, with_scale=with_scale)
            fits[label] = truth_from_world @ (factor * points)
    for label, placed in fits.items():
        errors = surface_errors(placed, truth, THRESHOLDS_M)
        for index, limit in enumerate(THRESHOLDS_M):
            figures[f"{label}p_{100 * limit:.0f}cm"] = errors.precision[index]
            figures[f"{label}r_{100 * limit:.0f}cm"] = errors.recall[index]
            figures[f"{label}f_{100 * limit:.0f}cm"] = errors.f_score[index]
    return figures


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", choices=["hololens", "room", "exact"])
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made once")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--photos", type=int, help="the first so many only; takes a --work of its own")
    parser.add_argument("--again", action="store_true", help="measure rows anew that are done")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.measure:
        print(json.dumps(measure(options.capture, options.measure, options)))
        return
    command = [sys.executable, __file__, *sys.argv[1:]]
    print(
        f"{'':<12} {'AbsRel':>6} {'median':>6} {'cover':>6} | {'P2cm':>5} {'R2cm':>5} {'F2cm':>5} "
        f"| {'P5cm':>5} {'R5cm':>5} {'F5cm':>5} | {'s/view':>6} {'MiB':>5} | size free F5cm"
    )
    for row in ["base", *options.rows]:
        done = subprocess.run([*command, "--measure", row], stdout=subprocess.PIPE, text=True, check=True)
        if row == "base":
            continue
        f = json.loads(done.stdout)
        surface = " | ".join(" ".join(f"{f[f'{what}_{limit}cm']:5.3f}" for what in "prf") for limit in (2, 5))
        free = f"{f['size free f_5cm']:.3f}" if "size free f_5cm" in f else ""
        print(
            f"{row:<12} {f['abs_rel']:6.3f} {f['median_rel']:6.3f} {f['coverage']:6.3f} | {surface} "
            f"| {f['seconds_a_view']:6.2f} {f['peak_mib']:5.0f} | {free}",
            flush=True,
        )


if __name__ == "__main__":
    main()
