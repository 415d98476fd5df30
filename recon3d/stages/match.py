"""Matching of the photos within stage refine: the photometric passes, each over all views, view by view."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from recon3d.depth.device import pick_device
from recon3d.engine.work import Doer
from recon3d.files import load_array
from recon3d.refine.agreement import Opinion
from recon3d.refine.consistency import neighbours_of
from recon3d.refine.photometric import PASSES, Pass, misfit, refined
from recon3d.refine.warp import Look
from recon3d.scene import Scene
from recon3d.settings import RefineSettings
from recon3d.stages.aligned import aligned_depth, aligned_sigma, view_scales
from recon3d.stages.job import Job, given_up
from recon3d.stages.room import check_matching

CACHED_VIEWS = 24
"""Photos or results held in memory at a time: partners of one view are mostly partners of the next."""


def match(scene: Scene, job: Job, medians: Mapping[str, float]) -> dict[str, int]:
    """Has the depth of each view written, pass by pass, as the photos around it match best.

    Args:
        scene: with `scale` done.
        job: the stage's.
        medians: of each view's depth [m].

    Returns:
        Of each view that has depth and others to match with, the number of the pass that came last (`matched_path`).
    """
    partners = neighbours_of(scene.world_from_cam(), scene.cameras(), medians, job.settings.refine.matches)
    names = [name for name, others in partners.items() if others]
    passes = passes_of(job.settings.refine, trusted=False)
    count = len(passes)
    check_matching(scene, names, passes)
    for number in range(count):
        work = MatchPass(scene, job, number, count, partners, dict(medians))
        for _ in job.engine.do(work, names, job.report):
            pass
    return dict.fromkeys(names, count - 1)


def passes_of(settings: RefineSettings, *, trusted: bool) -> tuple[Pass, ...]:
    """The passes that depth goes through; none where it is a sensor's, or matching is off."""
    if trusted or not settings.photometric:
        return ()
    return PASSES if settings.full_size else PASSES[:-1]


@dataclasses.dataclass(frozen=True)
class MatchPass:
    """One pass over the views.

    Attributes:
        scene: with `scale` done.
        job: the stage's.
        number: of the pass in `PASSES`.
        count: of the passes that are done.
        partners: photos that each photo is matched with.
        medians: of each view's depth [m].
    """

    scene: Scene
    job: Job
    number: int
    count: int
    partners: Mapping[str, tuple[str, ...]]
    medians: Mapping[str, float]
    block: int = 8

    @property
    def title(self) -> str:
        """Such as "match 1 of 4"."""
        return f"match {self.number + 1} of {self.count}"

    def begin(self) -> Doer[str, None]:
        """Reads what is known of all views."""
        scene, how, device = self.scene, PASSES[self.number], pick_device(self.job.device)
        cameras, views, world_from_cam = scene.cameras(), view_scales(scene), scene.world_from_cam()
        is_last = self.number == self.count - 1

        @lru_cache(maxsize=CACHED_VIEWS)
        def look(name: str) -> Look:
            return Look.of(scene.image(name), cameras[name], world_from_cam[name], device)

        def before(name: str) -> torch.Tensor:
            return torch.tensor(load_array(scene.matched_path(self.number - 1, name)), device=device)

        @lru_cache(maxsize=CACHED_VIEWS)
        def opinion(name: str) -> Opinion:
            maps = before(name)
            return Opinion(maps, cameras[name].resized(maps.shape[2], maps.shape[1]), world_from_cam[name])

        def start(name: str) -> torch.Tensor:
            if not how.anew:
                return before(name)
            prior = aligned_depth(scene, name, views[name])
            sigma = aligned_sigma(scene, name, prior, views[name], sensor=False)
            known = prior > 0
            depth = np.where(known, prior, np.float32(self.medians[name]))
            relative = np.where(known, sigma / depth, np.float32(1))
            return torch.tensor(np.stack([np.log(depth), relative]), device=device)

        @torch.inference_mode()
        def one(name: str) -> None:
            others = [look(other) for other in self.partners[name]]
            opinions = [opinion(other) for other in self._asked(name)]
            found = refined(look(name), others, opinions, start(name), how)
            if is_last:
                scene.save(scene.bare.misfit_path(name), np.array(misfit(look(name), others, found)))
            scene.save(scene.bare.matched_path(self.number, name), found.cpu().numpy())

        def do(names: Sequence[str]) -> Iterator[tuple[str, None]]:
            for name in names:
                one(name)
                yield name, None

        return do

    def is_done(self, item: str) -> bool:
        """Whether the pass has been over the view."""
        return self.scene.has(self.scene.bare.matched_path(self.number, item))

    def reads(self, item: str) -> Iterator[Path]:
        """What the pass before left of the view and of those that it asks."""
        if not PASSES[self.number].anew:
            yield self.scene.bare.matched_path(self.number - 1, item)
        yield from (self.scene.bare.matched_path(self.number - 1, other) for other in self._asked(item))

    def give_up(self, item: str, reason: str) -> None:
        """Others rest on it."""
        raise given_up(item, reason)

    def _asked(self, name: str) -> list[str]:
        """Views whose results of the pass before count."""
        return [other for other in self.partners[name] if self.partners[other]] if PASSES[self.number].asks else []
