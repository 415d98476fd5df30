"""Stage fuse: all kept depths as one surface."""

import shutil
import zipfile
from pathlib import Path

import numpy as np

from recon3d.errors import StageError
from recon3d.files import replacing
from recon3d.formats.ply import write_mesh
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import FusePlan, plan_fusion
from recon3d.fusion.single_view import single_view_mesh
from recon3d.fusion.tsdf import Fused, fuse_tile, fused
from recon3d.geometry import Mesh
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.cloud import scale_comments
from recon3d.stages.frames import frames
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key

VERSION = 5
TILES = "tiles"
"""Folder of the tiles of a large scene that are done, while others are not."""
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
    signals = []
    if len(scene.names()) == 1:
        mesh, how = single_view_mesh(next(frames(scene)), job.settings.refine), ["single view, cut at depth edges"]
        counts = {}
    else:
        plan = plan_fusion(frames(scene), settings)
        if settings.truncation is not None and plan.truncation < plan.noise_m:
            text = f"truncation {plan.truncation:.3g} m, and depths are off by {plan.noise_m:.3g} m"
            signals.append(Signal("TRUNC_LT_RESIDUAL", text))
        surface = _fused(scene, job, plan, key)
        mesh, how = surface.mesh, list(plan.reasons)
        counts = {"surface_voxels": {"before": surface.seen, "after": surface.kept}}
    mesh = in_order(mesh)
    with replacing(scene.file("fused.ply")) as temporary:
        write_mesh(temporary, mesh, scale_comments(scene))
    shutil.rmtree(scene.file(TILES), ignore_errors=True)
    facts = {"vertices": len(mesh.vertices), "triangles": len(mesh.triangles), "plan": how, **counts}
    return f"{len(mesh.triangles)} triangles; {'; '.join(how)}", facts, signals


def _fused(scene: Scene, job: Job, plan: FusePlan, key: str) -> Fused:
    """The surface, not cleaned; of many tiles each goes to disk when it is done, and is not done again after a kill."""
    if len(plan.tiles) == 1:
        return fused([fuse_tile(frames(scene), plan, device=job.device, report=job.report)], plan)
    paths = [scene.file(TILES) / f"{key[:16]}-{number}.npz" for number in range(len(plan.tiles))]
    for path, tile in zip(paths, plan.tiles, strict=True):
        if not path.exists():
            part = fuse_tile(frames(scene, names=plan.near(tile)), plan, tile, job.device, job.report)
            arrays = {name: getattr(part.mesh, name) for name in PARTS}
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **arrays, counts=(part.seen, part.kept))
    return fused(map(_load, paths), plan)


def _load(path: Path) -> Fused:
    """A tile that is done."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            seen, kept = map(int, arrays["counts"])
            return Fused(Mesh(*(arrays[name] for name in PARTS)), seen, kept)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StageError(f"{path}: missing or damaged ({error}); delete it and run the command again") from error
