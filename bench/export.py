"""Exporting a large mesh to each format: seconds and peak memory of the command, the start of Python included.

    python bench/export.py                    # 2 million triangles, a million points, 8 photos: prints a table
    python bench/export.py --scene SCENE      # a scene of yours

Memory is what the command's processes hold together, looked at every 20 ms: Blender, for blend, is one of them. Wall
seconds are of whatever else the machine does; core seconds are not. The yardstick is a 1024³ float32 matrix product.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from synthetic import room_frames, write_capture

import recon3d
from recon3d.formats.ply import write_cloud, write_mesh
from recon3d.geometry import Mesh, PointCloud
from recon3d.stages.export import FORMATS

SIDE = 1000
"""Squares along a side of the made-up mesh, two triangles each."""
LOOK_S = 0.02


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", type=Path)
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), help="of these alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = options.scene or _made_up(folder)
        a = np.ones((1024, 1024), np.float32)
        start = time.perf_counter()
        for _ in range(10):
            a @ a
        print(f"yardstick: {100 * (time.perf_counter() - start):.0f} ms a product; {os.cpu_count()} cores")
        print("| format | wall s | core s | peak GiB | file |")
        print("| --- | --- | --- | --- | --- |")
        for to in options.formats:
            out = folder / f"out-{to}{Path(FORMATS[to].default).suffix}"
            wall, core, peak, said = _measured(
                [sys.executable, "-m", "recon3d", "export", scene, "--to", to, "-o", out]
            )
            print(f"| {to} | {wall:.1f} | {core:.1f} | {peak:.2f} | {said} |", flush=True)


def _made_up(folder: Path) -> Path:
    """A scene of eight photos, its mesh and cloud replaced by large ones: hills of 5 x 5 m."""
    capture = write_capture(folder / "capture", room_frames(8))
    scene = recon3d.run(capture, folder / "scene", model="recorded")
    side = SIDE + 1
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 5, side), np.linspace(0, 5, side)))
    vertices = np.stack([x, y, 0.2 * np.sin(3 * x) * np.cos(2 * y)], axis=1)
    normals = np.stack([-0.6 * np.cos(3 * x) * np.cos(2 * y), 0.4 * np.sin(3 * x) * np.sin(2 * y), np.ones_like(x)], 1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    colors = np.random.default_rng(0).integers(0, 256, (len(vertices), 3), np.uint8)
    corner = (np.arange(SIDE)[:, None] * side + np.arange(SIDE)).ravel()
    triangles = np.concatenate([corner[:, None] + [0, 1, side + 1], corner[:, None] + [0, side + 1, side]])
    write_mesh(scene.file("mesh.ply"), Mesh(vertices, triangles, colors, normals.astype(np.float32)))
    write_cloud(scene.file("cloud.ply"), PointCloud(vertices, colors, normals.astype(np.float32)))
    return scene.root


def _measured(command: list[object]) -> tuple[float, float, float, str]:
    """Wall seconds, core seconds and peak GiB of a command with its children, and what it said."""
    before, start = _core(), time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _held(process.pid))
        time.sleep(LOOK_S)
    wall = time.perf_counter() - start
    said = process.stdout.read().strip().partition(": ")[2].rpartition(": ")[0] if process.stdout else ""
    return wall, _core() - before, peak / 2**30, said or "failed"


def _core() -> float:
    """Core seconds of all commands so far."""
    spent = os.times()
    return spent.children_user + spent.children_system


def _held(pid: int) -> int:
    """Resident bytes of a process and those it started."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(_held(int(child)) for child in children)


if __name__ == "__main__":
    main()
