"""Stage fuse: all kept depths as one surface."""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.files import replacing
from recon3d.formats.ply import write_mesh, write_mesh_in_parts
from recon3d.fusion.merge import Merge
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import FusePlan, plan_fusion
from recon3d.fusion.single_view import single_view_mesh
from recon3d.fusion.tsdf import no_surface
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.cloud import scale_comments
from recon3d.stages.frames import frames
from recon3d.stages.fuse_tiles import FOLDER, FusedTiles, tile_array
from recon3d.stages.job import Found, Job, Outcome, run_shared_stage, stage_key

VERSION = 5


def fuse(scene: Scene, job: Job) -> Outcome:
    """Writes fused.ply, not cleaned; of one photo a single-view mesh, cut at depth edges.

    Raises:
        InputError: the voxel size that was set needs more memory than allowed.
        StageError: no surface came out.
    """
    key = stage_key("fuse", VERSION, job.settings, [], scene)
    return run_shared_stage(scene, "fuse", key, job, lambda: _spread(scene, job, key))


def _spread(scene: Scene, job: Job, key: str) -> Callable[[], Found]:
    if len(scene.names()) == 1:
        return lambda: _single(scene, job)
    plan = plan_fusion(frames(scene), job.settings.fuse, shares=job.engine.shares)
    work, tiles = FusedTiles(scene, job, plan, key), range(len(plan.tiles))
    for _ in job.engine.do(work, tiles, job.report):
        pass
    job.engine.gather(work, tiles)
    scene.look()
    return lambda: _work(scene, job, plan, [scene.here(work.path(number)) for number in tiles])


def _single(scene: Scene, job: Job) -> Found:
    """The surface of one photo."""
    how = "single view, cut at depth edges"
    mesh = in_order(single_view_mesh(next(frames(scene)), job.settings.refine))
    with replacing(scene.file("fused.ply")) as temporary:
        write_mesh(temporary, mesh, scale_comments(scene))
    facts = {"vertices": len(mesh.vertices), "triangles": len(mesh.triangles), "plan": [how]}
    return f"{len(mesh.triangles)} triangles; {how}", facts, []


def _work(scene: Scene, job: Job, plan: FusePlan, tiles: Sequence[Path]) -> Found:
    facts, signals = _merged(scene, tiles, plan), []
    if job.settings.fuse.truncation is not None and plan.truncation < plan.noise_m:
        text = f"truncation {plan.truncation:.3g} m, and depths are off by {plan.noise_m:.3g} m"
        signals.append(Signal("TRUNC_LT_RESIDUAL", text))
    with contextlib.suppress(OSError):  # of a disk that keeps what others have open
        scene.drop(FOLDER)
    return f"{facts['triangles']} triangles; {'; '.join(plan.reasons)}", facts, signals


def _merged(scene: Scene, paths: Sequence[Path], plan: FusePlan) -> dict[str, Any]:
    """Writes the surface of all tiles, and counts it."""
    seen, kept = np.sum([tile_array(path, "counts") for path in paths], axis=0).tolist()
    merge = Merge.of([partial(tile_array, path) for path in paths])
    if not sum(merge.counts):
        raise no_surface(plan)
    with replacing(scene.file("fused.ply")) as temporary:
        comments = scale_comments(scene)
        count = write_mesh_in_parts(temporary, merge.vertices(), merge.triangles(), merge.farthest, comments)
    voxels = {"before": seen, "after": kept}
    return {"vertices": count[0], "triangles": count[1], "plan": list(plan.reasons), "surface_voxels": voxels}
