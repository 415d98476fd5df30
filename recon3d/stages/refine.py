"""Stage refine: depths that agree with the photos, kept where other views agree and no edge is near."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from recon3d.engine.work import Doer
from recon3d.errors import StageError
from recon3d.files import load_array
from recon3d.geometry.arrays import Array
from recon3d.refine.consistency import confirmed_sigma, keep, keep_matched, neighbours_of, vote
from recon3d.refine.masks import edge_mask
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.aligned import aligned_depth, aligned_sigma, view_scales
from recon3d.stages.job import Found, Job, Outcome, given_up, run_shared_stage, stage_key
from recon3d.stages.match import match
from recon3d.stages.ties_depth import empty_signals, is_of_ties

VERSION = 5
CACHED_VIEWS = 24
"""Depth maps held in memory at a time: neighbours of one view are mostly neighbours of the next."""
USEFUL_SIGMA = 0.02
"""Sigma of a matched depth up to which it is kept, of the scene's median depth: fusion truncates at a twentieth, and
what lies beyond half of that from the surface makes surfaces of its own."""
LARGE_MISFIT = 0.35
"""Mean 1 - NCC of a photo from which its pose is doubted, if it is also twice the usual."""


def refine(scene: Scene, job: Job, *, trusted_depth: bool) -> Outcome:
    """Writes for each view the depth that is fused: matched with other photos, without edges and contradictions.

    Raises:
        StageError: nothing is left.
    """
    key = stage_key("refine", VERSION, job.settings, [str(trusted_depth)], scene)
    return run_shared_stage(scene, "refine", key, job, lambda: _spread(scene, job, trusted_depth))


def _spread(scene: Scene, job: Job, trusted: bool) -> Callable[[], Found]:
    settings, cameras, views = job.settings.refine, scene.cameras(), view_scales(scene)
    medians, counts = {}, {}
    for name in cameras:
        depth = aligned_depth(scene, name, views[name])
        medians[name], counts[name] = _median(depth), int(np.count_nonzero(depth))
    matched: dict[str, int] = {}
    if settings.photometric and not trusted:  # also where all depth is there: the photos that don't match are named
        matched = match(scene, job, medians)
    neighbours = neighbours_of(scene.world_from_cam(), cameras, medians, settings.neighbours)
    limit_m = USEFUL_SIGMA * float(np.median([median for median in medians.values() if median > 0] or [0.0]))
    work, names = RefinedViews(scene, job, matched, neighbours, limit_m, trusted), list(cameras)
    for _ in job.engine.do(work, names, job.report):
        pass
    job.engine.gather(work, names)
    scene.look()
    return lambda: _work(scene, counts, matched)


def _work(scene: Scene, counts: Mapping[str, int], matched: Mapping[str, int]) -> Found:
    cameras = scene.cameras()
    misfits = {name: float(load_array(scene.misfit_path(name))) for name in matched}
    with contextlib.suppress(OSError):  # of a disk that keeps what others have open
        scene.drop("matched")
    left = {name: int(np.count_nonzero(load_array(scene.refined_path(name)))) for name in cameras}
    if not any(left.values()):
        raise StageError(
            "no depth is left after the masks and the check against other views; poses and depth don't fit: look at "
            "the scale's line above, or loosen refine.agree_relative or refine.min_agree"
        )
    signals = _outliers(misfits)
    if is_of_ties(scene):
        signals += empty_signals(left, cameras)
    share = sum(left.values()) / max(sum(counts.values()), 1)
    return f"{100 * share:.0f} % of the depths kept", {"kept_share": round(share, 4)}, signals


@dataclasses.dataclass(frozen=True)
class RefinedViews:
    """The last step: each view's depth against that of the views around it.

    Attributes:
        scene: with `scale` done.
        job: the stage's.
        matched: per view that was matched, the pass that left its log depth [log m] and its sigma, (2, h, w) float32.
        neighbours: views that each view is compared with.
        limit_m: sigma up to which a matched depth is kept [m].
        trusted: depth is a sensor's.
    """

    scene: Scene
    job: Job
    matched: Mapping[str, int]
    neighbours: Mapping[str, tuple[str, ...]]
    limit_m: float
    trusted: bool
    title: str = "refine"
    block: int = 16

    def begin(self) -> Doer[str, None]:
        """Reads what is known of all views."""
        scene, settings = self.scene, self.job.settings.refine
        cameras, views, world_from_cam = scene.cameras(), view_scales(scene), scene.world_from_cam()

        @lru_cache(maxsize=CACHED_VIEWS)
        def masked(name: str) -> tuple[Array, Array]:
            """Depth without edges, and its sigma: as matched, or as predicted where there was nothing to match with."""
            depth = aligned_depth(scene, name, views[name])
            if name in self.matched:
                log_depth, relative = _enlarged(load_array(scene.matched_path(self.matched[name], name)), depth.shape)
                depth = np.where(depth > 0, np.exp(log_depth), np.float32(0))
                sigma = relative * depth
            else:
                sigma = aligned_sigma(scene, name, depth, views[name], sensor=self.trusted)
            depth[edge_mask(depth, cameras[name], settings)] = 0
            return depth, sigma

        def do(names: Sequence[str]) -> Iterator[tuple[str, None]]:
            for name in names:
                depth, sigma = masked(name)
                kept = depth > 0
                if settings.consistency:
                    others = [
                        (masked(other)[0], cameras[other], world_from_cam[other]) for other in self.neighbours[name]
                    ]
                    votes = vote(depth, cameras[name], world_from_cam[name], others, settings, sigma=sigma)
                    if name in self.matched and len(others) >= settings.min_agree:
                        sigma = confirmed_sigma(sigma, votes)
                        kept = keep_matched(votes, depth, sigma, self.limit_m, settings)
                    else:
                        kept = keep(votes, depth, sigma, settings)
                scene.save(scene.bare.refined_sigma_path(name), np.where(kept, sigma, np.float32(0)))
                scene.save(scene.bare.refined_path(name), np.where(kept, depth, np.float32(0)))
                yield name, None

        return do

    def is_done(self, item: str) -> bool:
        """Whether the view's depth is there, which is written last."""
        return self.scene.has(self.scene.bare.refined_path(item))

    def reads(self, item: str) -> Iterator[Path]:
        """The matched depth of the view and its neighbours."""
        views = (name for name in (item, *self.neighbours[item]) if name in self.matched)
        yield from (self.scene.bare.matched_path(self.matched[name], name) for name in views)

    def give_up(self, item: str, reason: str) -> None:
        """Fusion and the report want all views."""
        raise given_up(item, reason)


def _outliers(misfits: Mapping[str, float]) -> list[Signal]:
    """Names the photos that match the others far worse than is usual, at the depths found."""
    usual = float(np.median(list(misfits.values()))) if misfits else 1.0
    limit = max(LARGE_MISFIT, 2 * usual)
    odd = tuple(name for name, value in misfits.items() if value > limit)
    if not odd:
        return []
    worst = max(misfits[name] for name in odd)
    text = f"{len(odd)} of {len(misfits)} photos don't show what the others show where their poses put it"
    return [Signal("OUTLIER_VIEW", f"{text}: misfit up to {worst:.2f}, usually {usual:.2f}", odd)]


def _enlarged(maps: Array, shape: tuple[int, ...]) -> Array:
    """Maps (C, h, w) at the size (H, W) of the photo."""
    size = shape[1], shape[0]
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in maps])


def _median(depth: Array) -> float:
    valid = depth[::4, ::4][depth[::4, ::4] > 0]
    return float(np.median(valid)) if len(valid) else 0.0
