"""What memory and time each stage takes as photos grow in number: a made-up walk, each stage in a process of its own.

    python bench/memory.py --work DIR                                  # 25, 50 and 100 photos of 640 x 480 px
    python bench/memory.py --work DIR --counts 100 200 400             # as long as it takes
    python bench/memory.py --work DIR --counts 25 50 100 --side 160    # a quick look
    python bench/memory.py --work DIR --model demo                     # depth by the demo model, not from files

A camera walks along a hall 4 m wide and 3 m high, a step of 15 cm a photo, looking ahead to one wall and the other by
turns; a walk of more photos is longer. Poses are given, and so are 200 exact ties a photo; depth maps are a network's:
each photo a tenth off, with slow waves. What is printed of each stage: the peak of its process's memory; core seconds a
photo, without the start of Python; and over all counts the exponent e of core seconds ∝ photos^e, by least squares,
with the memory of the largest count over that of the next. Voxels are of 2 cm, so that a longer hall has more of them:
fuse.max_memory_gib bounds what is held at a time. Walks that are made are kept in the folder named by --work, stages
that are done too: the same command goes on where it was stopped.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recon3d.files import read_json, save_array, write_json
from recon3d.formats.camera_file import calibration_as_json
from recon3d.formats.scene_poses import poses_as_json
from recon3d.geometry import SE3, Calibration, Camera
from recon3d.poses.pairs import chosen_pairs
from recon3d.scene import Scene
from recon3d.settings import PosesSettings, Settings
from recon3d.stages.chain import STAGES
from recon3d.stages.depth_source import with_model
from recon3d.stages.job import Job

MEASURED = ("pairs", "depth", "scale", "refine", "cloud", "fuse", "mesh", "report")
WIDTH_M, HEIGHT_M, STEP_M = 4.0, 3.0, 0.15
TIES = 200
"""Of each photo."""
VOXEL_M = 0.02


def walk(root: Path, count: int, side: int) -> None:
    """A scene whose poses are found, and depth maps beside it."""
    shutil.rmtree(root, ignore_errors=True)
    scene = Scene.create(root / "scene")
    camera = Camera.from_fov(side, side * 3 // 4, math.radians(75))
    rng = np.random.default_rng(0)
    paint = _paint(rng)
    poses, seen = {}, []
    for stage in ("init", "poses"):
        scene.start(stage, stage, {})
    for folder in ("images", "photos"):
        scene.file(folder).mkdir()
    for number in range(count):
        name = f"{number:06d}"
        poses[name] = _pose(number)
        depth, image = _shown(camera, poses[name], count * STEP_M + 8, paint)
        cv2.imwrite(str(scene.file("images") / f"{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        os.link(scene.file("images") / f"{name}.jpg", scene.file("photos") / f"{name}.jpg")
        waves = cv2.resize(rng.normal(0, 0.05, (3, 4)), depth.shape[::-1], interpolation=cv2.INTER_CUBIC)
        save_array(root / "maps" / f"{name}.npy", (depth * np.exp(rng.normal(0, 0.1) + waves)).astype(np.float32))
        v, u = (rng.integers(0, size, TIES // 4) for size in depth.shape)
        seen.append(poses[name] @ camera.backproject(depth)[v, u].astype(float))
    cameras = {name: calibration_as_json(Calibration(camera, source="calib file")) for name in poses}
    write_json(scene.file("calibration.json"), cameras)
    write_json(scene.file("cameras.json"), {name: entry | {"lens": entry} for name, entry in cameras.items()})
    write_json(scene.file("capture.json"), {"format": "folder", "metric": True, "depth": {}, "depth_unit_m": 0.001})
    scene.file("sparse").mkdir()
    write_json(scene.file("sparse") / "poses.json", poses_as_json(poses) | {"given": True, "metric": True})
    _write_ties(scene.file("sparse"), camera, poses, np.concatenate(seen))
    facts = {"photos": count, "skipped": [], "cameras": {"calib file": count}, "registered": count, "source": "given"}
    for stage in ("init", "poses"):
        scene.finish(stage, facts, [])
    write_json(root / "made.json", {"count": count, "side": side})


def _pose(number: int) -> SE3:
    """Eye height and gaze of one who walks: ahead along x, to the left and to the right by turns."""
    gaze = 0.6 * math.sin(number / 4)
    eye = np.array([STEP_M * number, 0.1 * math.sin(number / 3), 1.5 + 0.03 * math.sin(number)])
    z = np.array([math.cos(gaze), math.sin(gaze), -0.12])
    z /= np.linalg.norm(z)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    return SE3(np.stack([x, np.cross(z, x), z], axis=1), eye)


def _paint(rng: np.random.Generator) -> Any:
    """(1024, 1024, 3) uint8: a pattern of several scales that tiles."""
    total = np.zeros((1024, 1024, 3))
    for cells, share in ((16, 0.3), (64, 0.4), (256, 0.3)):
        total += share * cv2.resize(rng.random((cells, cells, 3)), (1024, 1024), interpolation=cv2.INTER_CUBIC)
    return (np.clip(total, 0, 1) * 255).astype(np.uint8)


def _shown(camera: Camera, world_from_cam: SE3, length_m: float, paint: Any) -> tuple[Any, Any]:
    """(H, W) float32 depth [m] and (H, W, 3) uint8 photo of the hall, seen from inside."""
    directions = camera.rays().astype(float) @ world_from_cam.R.T
    low, high = np.array([-2.0, -WIDTH_M / 2, 0.0]), np.array([length_m, WIDTH_M / 2, HEIGHT_M])
    with np.errstate(divide="ignore"):
        ways = np.maximum((low - world_from_cam.t) / directions, (high - world_from_cam.t) / directions)
    axis = ways.argmin(axis=2)
    depth = ways.min(axis=2)
    points = world_from_cam.t + directions * depth[..., None]
    u, v = np.where(axis == 0, points[..., 1], points[..., 0]), np.where(axis == 2, points[..., 1], points[..., 2])
    across, down = (np.mod(place * 200 + 300 * axis, 1024).astype(int) for place in (u, v))
    return depth.astype(np.float32), paint[down, across]


def _write_ties(folder: Path, camera: Camera, poses: dict[str, SE3], points: Any) -> None:
    """The sparse model: points of the hall, each seen by the photos near the one that it was drawn from."""
    import pycolmap

    names, per = list(poses), len(points) // len(poses)
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(
        pycolmap.Camera(
            model="PINHOLE",
            width=camera.width,
            height=camera.height,
            params=[camera.fx, camera.fy, camera.cx + 0.5, camera.cy + 0.5],
            camera_id=1,
        )
    )
    tracks: list[list[tuple[int, int]]] = [[] for _ in points]
    for number, name in enumerate(names):
        mine = np.arange(max(0, number - 3) * per, min(len(names), number + 4) * per)
        local = poses[name].inverse() @ points[mine]
        uv = camera.project(np.where(local[:, 2:] > 0.1, local, [0, 0, 1]))
        inside = (local[:, 2] > 0.1) & ((uv >= 0) & (uv <= [camera.width - 1, camera.height - 1])).all(axis=1)
        image = pycolmap.Image(name=f"{name}.jpg", camera_id=1, image_id=number + 1)
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(place + 0.5) for place in uv[inside]])
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(poses[name].inverse().matrix[:3]))
        for index, point in enumerate(mine[inside]):
            tracks[point].append((number + 1, index))
    for point, track in zip(points, tracks, strict=True):
        if len(track) > 1:
            elements = [pycolmap.TrackElement(*element) for element in track]
            model.add_point3D(point, pycolmap.Track(elements), np.zeros(3, np.uint8))
    model.write(folder)


def measure(root: Path, stage: str, options: argparse.Namespace) -> dict[str, float]:
    """One stage in this process, or the choice of the pairs of photos that structure from motion matches."""
    if stage == "pairs":
        return _pairs(read_json(root / "made.json")["count"])
    scene = Scene.open(root / "scene")
    source = f"depth.maps={root / 'maps'}" if options.model == "maps" else f"depth.model={options.model}"
    settings = Settings().with_assignments([f"fuse.voxel_size={VOXEL_M}", source, *options.set])
    job = with_model(Job(settings, "cpu"), scene, goes_on=True)
    scene.forget(stage)
    before = time.process_time()
    STAGES[stage](scene, job)
    return {"core_s": time.process_time() - before, "peak_mib": _peak_mib()}


def _pairs(count: int) -> dict[str, float]:
    """The pairs of photos of which ten each show one place, with 3000 of its 4000 features."""

    def descriptors(photo: int) -> Any:
        features = np.random.default_rng(photo // 10).integers(0, 256, (4000, 128), dtype=np.uint8)
        return features[np.random.default_rng(10**6 + photo).permutation(4000)[:3000]]

    ours = PosesSettings()
    before = time.process_time()
    pairs = chosen_pairs(
        count,
        descriptors,
        exhaustive_up_to=ours.exhaustive_up_to,
        similar=ours.similar,
        neighbours=ours.neighbours,
        seed=ours.seed,
    )
    return {"core_s": time.process_time() - before, "peak_mib": _peak_mib(), "pairs": len(pairs)}


def _peak_mib() -> float:
    """Most memory that this process held; what getrusage tells begins with what the process held that started it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made once")
    parser.add_argument("--counts", type=int, nargs="+", default=[25, 50, 100])
    parser.add_argument("--side", type=int, default=640, help="longer side of the photos [px]")
    parser.add_argument("--model", choices=["maps", "demo"], default="maps")
    parser.add_argument("--set", nargs="+", default=[], help="settings, section.key=value")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print("\n" + json.dumps(measure(Path(options.measure[0]), options.measure[1], options)))
        return
    rows: dict[str, list[dict[str, float]]] = {stage: [] for stage in MEASURED}
    print(f"{'photos':>6} " + " ".join(f"{stage:>16}" for stage in MEASURED) + "   peak MiB, core s a photo")
    for count in sorted(options.counts):
        root = options.work / f"{options.model}-{options.side}-{count}"
        if not (root / "made.json").exists():
            walk(root, count, options.side)
        kept = root / "figures.json"
        figures = read_json(kept) if kept.exists() else {}
        for stage in MEASURED:
            if stage not in figures:
                command = [sys.executable, __file__, *sys.argv[1:], "--measure", str(root), stage]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                figures[stage] = json.loads(done.stdout.strip().splitlines()[-1])
                write_json(kept, figures)
            rows[stage].append(figures[stage] | {"photos": count})
        cells = (f"{row['peak_mib']:7.0f} {row['core_s'] / count:8.3f}" for row in (rows[s][-1] for s in MEASURED))
        print(f"{count:>6} " + " ".join(cells), flush=True)
    print(f"{'pairs':>6} " + " ".join(f"{row['pairs']:.0f} of {row['photos']}" for row in rows["pairs"]))
    if len(options.counts) > 1:
        print(f"{'e':>6} " + " ".join(f"{_exponent(rows[stage]):16.2f}" for stage in MEASURED))
        grown = (rows[stage][-1]["peak_mib"] / rows[stage][-2]["peak_mib"] for stage in MEASURED)
        print(f"{'memory':>6} " + " ".join(f"{ratio:15.2f}x" for ratio in grown))


def _exponent(rows: list[dict[str, float]]) -> float:
    """Of core seconds ∝ photos^e, by least squares."""
    photos, seconds = (np.log([row[key] for row in rows]) for key in ("photos", "core_s"))
    return float(np.polyfit(photos, seconds, 1)[0])


if __name__ == "__main__":
    main()
