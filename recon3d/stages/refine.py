"""Stage refine: depths that agree with the photos, kept where other views agree and no edge is near."""

from functools import lru_cache

import numpy as np

from recon3d.depth.device import pick_device
from recon3d.errors import StageError
from recon3d.files import load_array, save_array
from recon3d.geometry.arrays import Array
from recon3d.progress import each
from recon3d.refine.consistency import keep, neighbours_of, vote
from recon3d.refine.masks import edge_mask
from recon3d.scene import Scene
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key
from recon3d.stages.scale import aligned_depth, aligned_sigma, view_scales

VERSION = 2
CACHED_VIEWS = 24
"""Photos or depth maps held in memory at a time: neighbours of one view are mostly neighbours of the next."""


def refine(scene: Scene, job: Job, *, trusted_depth: bool) -> Outcome:
    """Writes for each view the depth that is fused: matched with other photos, without edges and contradictions.

    Raises:
        StageError: nothing is left.
    """
    key = stage_key("refine", VERSION, job.settings, [str(trusted_depth)], scene)
    return run_stage(scene, "refine", key, job, lambda: _work(scene, job, trusted_depth))


def _work(scene: Scene, job: Job, trusted: bool) -> Found:
    settings, cameras, views = job.settings.refine, scene.cameras(), view_scales(scene)
    world_from_cam = scene.world_from_cam()
    medians = {name: _median(aligned_depth(scene, name, views[name])) for name in cameras}
    if settings.photometric and not trusted:
        _match(scene, job, medians)

    def estimate(name: str) -> tuple[Array, Array]:
        """Depth and its sigma: as matched, or as predicted where there was nothing to match with."""
        depth = aligned_depth(scene, name, views[name])
        if scene.matched_path(name).exists():
            matched = load_array(scene.matched_path(name))
            matched, relative = _enlarged(matched, depth.shape)
            depth = np.where(depth > 0, matched, np.float32(0))
            return depth, relative * depth
        return depth, aligned_sigma(scene, name, depth, views[name], sensor=trusted)

    @lru_cache(maxsize=CACHED_VIEWS)
    def masked(name: str) -> tuple[Array, Array]:
        depth, sigma = estimate(name)
        depth[edge_mask(depth, cameras[name], settings)] = 0
        return depth, sigma

    neighbours = neighbours_of(world_from_cam, cameras, medians, settings.neighbours)
    todo = [name for name in cameras if not scene.refined_path(name).exists()]
    for name in each(todo, "refine", job.report):
        depth, sigma = masked(name)
        others = [(masked(other)[0], cameras[other], world_from_cam[other]) for other in neighbours[name]]
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


def _match(scene: Scene, job: Job, medians: dict[str, float]) -> None:
    """Writes each view's depth as the photos around it match best; views without others are left out."""
    import torch

    from recon3d.refine.photometric import refined_depth
    from recon3d.refine.sweep import Look

    device = pick_device(job.device)
    cameras, world_from_cam, views = scene.cameras(), scene.world_from_cam(), view_scales(scene)
    partners = neighbours_of(world_from_cam, cameras, medians, job.settings.refine.matches)

    @lru_cache(maxsize=CACHED_VIEWS)
    def look(name: str) -> Look:
        return Look.of(scene.image(name), cameras[name], world_from_cam[name], device)

    todo = [name for name in cameras if partners[name] and not scene.matched_path(name).exists()]
    for name in each(todo, "match", job.report):
        prior = aligned_depth(scene, name, views[name])
        prior = np.where(prior > 0, prior, np.float32(medians[name]))
        with torch.inference_mode():
            depth, sigma = refined_depth(
                look(name), [look(other) for other in partners[name]], torch.tensor(prior, device=device)
            )
        save_array(scene.matched_path(name), torch.stack([depth, sigma]).cpu().numpy())


def _enlarged(maps: Array, shape: tuple[int, ...]) -> Array:
    """Maps (C, h, w) at the size (H, W) of the photo."""
    import cv2

    size = shape[1], shape[0]
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in maps])


def _median(depth: Array) -> float:
    valid = depth[::4, ::4][depth[::4, ::4] > 0]
    return float(np.median(valid)) if len(valid) else 0.0
