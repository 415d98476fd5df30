"""Matching of the photos within stage refine: the photometric passes over all views, each pass resumable."""

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from recon3d.depth.device import pick_device
from recon3d.files import load_array, save_array
from recon3d.progress import each
from recon3d.refine.agreement import Opinion
from recon3d.refine.consistency import neighbours_of
from recon3d.refine.photometric import PASSES, Pass, misfit, refined
from recon3d.refine.warp import Look
from recon3d.scene import Scene
from recon3d.stages.aligned import aligned_depth, aligned_sigma, view_scales
from recon3d.stages.job import Job

CACHED_VIEWS = 24
"""Photos or results held in memory at a time: partners of one view are mostly partners of the next."""


@dataclasses.dataclass(frozen=True)
class Matched:
    """What the photos said.

    Attributes:
        paths: per view a file of log depth [log m] and its sigma, (2, h, w) float32.
        misfits: per view how badly its photo matches the others at that depth, 0 to 1.
    """

    paths: dict[str, Path]
    misfits: dict[str, float]


@torch.inference_mode()
def match(scene: Scene, job: Job, medians: Mapping[str, float]) -> Matched:
    """Writes the depth of each view, pass by pass, as the photos around it match best.

    Args:
        scene: with `scale` done.
        job: the stage's.
        medians: of each view's depth [m].

    Returns:
        What was found of the views that have depth and others to match with.
    """
    device = pick_device(job.device)
    partners = neighbours_of(scene.world_from_cam(), scene.cameras(), medians, job.settings.refine.matches)
    passes = PASSES if job.settings.refine.full_size else PASSES[:-1]
    for number, how in enumerate(passes):
        title = f"match {number + 1} of {len(passes)}"
        _round(scene, job, _Round(number, title, how, partners, dict(medians), device))
    last, world_from_cam, cameras = len(passes) - 1, scene.world_from_cam(), scene.cameras()

    @lru_cache(maxsize=CACHED_VIEWS)
    def look(name: str) -> Look:
        return Look.of(scene.image(name), cameras[name], world_from_cam[name], device)

    paths = {name: scene.matched_path(last, name) for name, others in partners.items() if others}
    misfits = {}
    for name, path in paths.items():
        maps = torch.tensor(load_array(path), device=device)
        misfits[name] = misfit(look(name), [look(other) for other in partners[name]], maps)
    return Matched(paths, misfits)


@dataclasses.dataclass(frozen=True)
class _Round:
    """One pass over all views."""

    number: int
    title: str
    how: Pass
    partners: dict[str, tuple[str, ...]]
    medians: dict[str, float]
    device: str


@torch.inference_mode()
def _round(scene: Scene, job: Job, this: _Round) -> None:
    cameras, views, world_from_cam = scene.cameras(), view_scales(scene), scene.world_from_cam()
    names = [name for name, others in this.partners.items() if others]

    @lru_cache(maxsize=CACHED_VIEWS)
    def look(name: str) -> Look:
        return Look.of(scene.image(name), cameras[name], world_from_cam[name], this.device)

    def maps(number: int, name: str) -> torch.Tensor:
        return torch.tensor(load_array(scene.matched_path(number, name)), device=this.device)

    @lru_cache(maxsize=CACHED_VIEWS)
    def opinion(name: str) -> Opinion:
        before = maps(this.number - 1, name)
        return Opinion(before, cameras[name].resized(before.shape[2], before.shape[1]), world_from_cam[name])

    def start(name: str) -> torch.Tensor:
        if not this.how.anew:
            return maps(this.number - 1, name)
        prior = aligned_depth(scene, name, views[name])
        sigma = aligned_sigma(scene, name, prior, views[name], sensor=False)
        known = prior > 0
        depth = np.where(known, prior, np.float32(this.medians[name]))
        relative = np.where(known, sigma / depth, np.float32(1))
        return torch.tensor(np.stack([np.log(depth), relative]), device=this.device)

    todo = [name for name in names if not scene.matched_path(this.number, name).exists()]
    for name in each(todo, this.title, job.report):
        others = this.partners[name]
        opinions = [opinion(other) for other in others if this.partners[other]] if this.how.asks else []
        found = refined(look(name), [look(other) for other in others], opinions, start(name), this.how)
        save_array(scene.matched_path(this.number, name), found.cpu().numpy())
