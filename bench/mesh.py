"""What each step of cleaning does to a fused surface, and what it takes.

    python bench/mesh.py SCENE --truth MESH.ply --truth-poses POSES.json   # aligned by camera centres, with a scale
    python bench/mesh.py SCENE            # of --model recorded: against what the sensor measured, fused by Open3D
    python bench/mesh.py SCENE --set mesh.smoothing=10 --set mesh.triangles=200000

A row is the mesh after one more step; the first is the fused surface. What the sensor measured: voxels of 2 cm,
truncated at 8 cm, seen more than once, up to 4 m.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from fuse import Stock, recorded

from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.pose_file import read_poses
from recon3d.geometry import SE3, Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.clean import STEPS
from recon3d.mesh.edges import Edges
from recon3d.mesh.pieces import pieces
from recon3d.metrics.surface import sample_surface, surface_errors
from recon3d.metrics.trajectory import umeyama
from recon3d.scene import Scene
from recon3d.settings import Settings

THRESHOLDS_M = (0.01, 0.02, 0.05)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--truth-poses", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options = parser.parse_args()
    settings = Settings().with_assignments(options.set).mesh
    scene = Scene.open(options.scene)
    mesh = read_mesh(scene.file("fused.ply"))
    truth_from_scene, scale = SE3.identity(), 1.0
    if options.truth:
        truth = sample_surface(read_mesh(options.truth))
        if options.truth_poses:
            truth_from_scene, scale = _aligned(scene, options.truth_poses)
    else:
        stock = Stock(0.02, 0.08, 10_000)
        for frame in recorded(scene):
            stock.integrate(frame)
        truth = sample_surface(stock.mesh(1.0))

    def row(name: str, mesh: Mesh, seconds: float) -> str:
        points: Array = truth_from_scene @ (scale * sample_surface(mesh))
        errors = surface_errors(points, truth, THRESHOLDS_M)
        cells = [*(f"{score:.3f}" for score in errors.f_score), f"{errors.precision[1]:.3f}", f"{errors.recall[1]:.3f}"]
        cells += [len(mesh.triangles), pieces(mesh)[0], Edges.of(mesh.triangles).non_manifold, f"{seconds:.2f}"]
        return f"| {name} | " + " | ".join(map(str, cells)) + " |"

    heads = [f"F at {100 * limit:g} cm" for limit in THRESHOLDS_M] + ["precision at 2 cm", "recall at 2 cm"]
    heads += ["triangles", "pieces", "non-manifold edges", "core s"]
    print("| after | " + " | ".join(heads) + " |\n| --- |" + " --- |" * len(heads))
    print(row("fuse", mesh, 0.0))
    changes, total = [], 0.0
    for name, step in STEPS.items():
        start = time.process_time()
        mesh, found = step(mesh, settings)
        total += time.process_time() - start
        changes += found
        print(row(name, mesh, time.process_time() - start), flush=True)
    print(f"\n{total:.1f} core seconds; peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    print("\n".join(map(str, changes)))


def _aligned(scene: Scene, path: Path) -> tuple[SE3, float]:
    """`truth_from_scene` and scale, by the camera centres."""
    ours = scene.world_from_cam()
    true = read_poses(path, list(ours)).world_from_cam
    names = [name for name in ours if name in true]
    return umeyama(*(np.stack([poses[name].t for name in names]) for poses in (ours, true)), with_scale=True)


if __name__ == "__main__":
    main()
