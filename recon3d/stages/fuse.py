"""Stage fuse: all kept depths as one surface."""

import shutil
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import StageError
from recon3d.files import replacing
from recon3d.formats.ply import write_mesh, write_mesh_in_parts
from recon3d.fusion.merge import Merge
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import FusePlan, plan_fusion
from recon3d.fusion.single_view import single_view_mesh
from recon3d.fusion.tsdf import fuse_tile, no_surface
from recon3d.geometry.arrays import Array
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.cloud import scale_comments
from recon3d.stages.frames import frames
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key

VERSION = 5
TILES = "tiles"
"""Folder of the tiles that are done, while others are not."""
PARTS = ("vertices", "triangles", "colors", "normals")
"""Arrays of a tile's file."""


def fuse(scene: Scene, job: Job) -> Outcome:
    """Writes fused.ply, not cleaned; of one photo a single-view mesh, cut at depth edges.

    Raises:
        InputError: the voxel size that was set needs more memory than allowed.
        StageError: no surface came out.
    """
    key = stage_key("fuse", VERSION, job.settings, [], scene)
    return run_stage(scene, "fuse", key, job, lambda: _work(scene, job, key))


def _work(scene: Scene, job: Job, key: str) -> Found:
    settings = job.settings.fuse
    signals: list[Signal] = []
    if len(scene.names()) == 1:
        how = ["single view, cut at depth edges"]
        mesh = in_order(single_view_mesh(next(frames(scene)), job.settings.refine))
        with replacing(scene.file("fused.ply")) as temporary:
            write_mesh(temporary, mesh, scale_comments(scene))
        facts = {"vertices": len(mesh.vertices), "triangles": len(mesh.triangles), "plan": how}
    else:
        plan = plan_fusion(frames(scene), settings)
        how = list(plan.reasons)
        if settings.truncation is not None and plan.truncation < plan.noise_m:
            text = f"truncation {plan.truncation:.3g} m, and depths are off by {plan.noise_m:.3g} m"
            signals.append(Signal("TRUNC_LT_RESIDUAL", text))
        facts = _merged(scene, _tiles(scene, job, plan, key), plan)
    shutil.rmtree(scene.file(TILES), ignore_errors=True)
    return f"{facts['triangles']} triangles; {'; '.join(how)}", facts, signals


def _tiles(scene: Scene, job: Job, plan: FusePlan, key: str) -> list[Path]:
    """Files of the tiles: each goes to disk when it is done, and is not done again after a kill."""
    paths = [scene.file(TILES) / f"{key[:16]}-{number}.npz" for number in range(len(plan.tiles))]
    for path, tile in zip(paths, plan.tiles, strict=True):
        if not path.exists():
            part = fuse_tile(frames(scene, names=plan.near(tile)), plan, tile, job.device, job.report)
            arrays = {name: getattr(part.mesh, name) for name in PARTS}
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **arrays, counts=(part.seen, part.kept))
    return paths


def _merged(scene: Scene, paths: list[Path], plan: FusePlan) -> dict[str, Any]:
    """Writes the surface of all tiles, and counts it."""
    seen, kept = np.sum([_array(path, "counts") for path in paths], axis=0).tolist()
    merge = Merge.of([partial(_array, path) for path in paths])
    if not sum(merge.counts):
        raise no_surface(plan)
    with replacing(scene.file("fused.ply")) as temporary:
        comments = scale_comments(scene)
        count = write_mesh_in_parts(temporary, merge.vertices(), merge.triangles(), merge.farthest, comments)
    voxels = {"before": seen, "after": kept}
    return {"vertices": count[0], "triangles": count[1], "plan": list(plan.reasons), "surface_voxels": voxels}


def _array(path: Path, name: str) -> Array:
    """One array of a tile that is done."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            array: Array = arrays[name]
            return array
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StageError(f"{path}: missing or damaged ({error}); delete it and run the command again") from error
