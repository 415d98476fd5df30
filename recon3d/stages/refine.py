"""Stage refine: the depths that are kept, where other views agree and no edge is near."""

from functools import lru_cache

import numpy as np

from recon3d.errors import StageError
from recon3d.files import load_array, save_array
from recon3d.geometry.arrays import Array
from recon3d.progress import each
from recon3d.refine.consistency import keep, neighbours_of, vote
from recon3d.refine.masks import edge_mask
from recon3d.scene import Scene
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key
from recon3d.stages.scale import aligned_depth, aligned_sigma, view_scales

VERSION = 1
CACHED_VIEWS = 24
"""Depth maps held in memory at a time: neighbours of one view are mostly neighbours of the next."""


def refine(scene: Scene, job: Job, *, trusted_depth: bool) -> Outcome:
    """Writes for each view the depth that is fused: at its scale, without edges and contradictions.

    Raises:
        StageError: nothing is left.
    """
    key = stage_key("refine", VERSION, job.settings, [str(trusted_depth)], scene)
    return run_stage(scene, "refine", key, job, lambda: _work(scene, job, trusted_depth))


def _work(scene: Scene, job: Job, trusted: bool) -> Found:
    settings, cameras, views = job.settings.refine, scene.cameras(), view_scales(scene)
    world_from_cam = scene.world_from_cam()

    @lru_cache(maxsize=CACHED_VIEWS)
    def masked(name: str) -> Array:
        depth = aligned_depth(scene, name, views[name])
        depth[edge_mask(depth, cameras[name], settings)] = 0
        return depth

    medians = {name: _median(aligned_depth(scene, name, views[name])) for name in cameras}
    neighbours = neighbours_of(world_from_cam, cameras, medians, settings.neighbours)
    todo = [name for name in cameras if not scene.refined_path(name).exists()]
    for name in each(todo, "refine", job.report):
        depth = masked(name)
        others = [(masked(other), cameras[other], world_from_cam[other]) for other in neighbours[name]]
        sigma = aligned_sigma(scene, name, depth, views[name], sensor=trusted)
        votes = vote(depth, cameras[name], world_from_cam[name], others, settings, sigma=sigma)
        kept = keep(votes, depth, sigma, settings)
        save_array(scene.refined_sigma_path(name), np.where(kept, sigma, np.float32(0)))
        save_array(scene.refined_path(name), np.where(kept, depth, np.float32(0)))
    left = total = 0
    for name in cameras:
        left += int(np.count_nonzero(load_array(scene.refined_path(name))))
        total += int(np.count_nonzero(load_array(scene.depth_path(name))))
    if left == 0:
        raise StageError(
            "no depth is left after the masks and the check against other views; poses and depth don't fit: look at "
            "the scale's line above, or loosen refine.agree_relative or refine.min_agree"
        )
    share = left / max(total, 1)
    return f"{100 * share:.0f} % of the depths kept", {"kept_share": round(share, 4)}, []


def _median(depth: Array) -> float:
    valid = depth[::4, ::4][depth[::4, ::4] > 0]
    return float(np.median(valid)) if len(valid) else 0.0
