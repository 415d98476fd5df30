"""Begun: how much of a stage that was interrupted is left, and how fast it went, by the times of its files."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from recon3d.refine.photometric import Pass
from recon3d.scene import Scene
from recon3d.stages.depth_maps import stored
from recon3d.stages.estimates import Estimate
from recon3d.stages.pace import samples_each

FEW = 5
"""From so many files on their times tell how fast the stage goes."""
PAUSE_S, PAUSE_GAPS = 60.0, 20.0
"""A gap between two files that is longer than this, and than so many usual ones, was no work."""
TOO_FAST = 0.2
"""Of what was measured: files whose times tell of less were copied."""


def rest_of(stage: str, whole: Estimate, scene: Scene, passes: Sequence[Pass], others: int) -> Estimate:
    """What is left of a stage.

    Args:
        stage: that was begun.
        whole: all of it, as measured.
        scene: what of it there is.
        passes: that depth is matched in.
        others: photos that each photo is matched with.

    Returns:
        What it will still write and take; the pace is its own where there is enough to tell it.
    """
    names = scene.names() if stage in ("depth", "refine") else []
    if not names:
        return whole
    if stage == "depth":
        made = [path for name in names if (path := stored(scene, name))]
        return _rest(whole, len(made) / len(names), len(made) / len(names), gap_s(made), len(names))
    refined = [path for name in names if scene.has(path := scene.bare.refined_path(name))]
    weights = [how.share**2 * samples_each(how, others) for how in passes]
    matched = [[p for name in names if scene.has(p := scene.bare.matched_path(k, name))] for k in range(len(passes))]
    if not any(matched):
        return _rest(whole, len(refined) / len(names), len(refined) / len(names), gap_s(refined), len(names))
    done = sum(weight * len(paths) for weight, paths in zip(weights, matched, strict=True)) / sum(weights) / len(names)
    last = max(k for k, paths in enumerate(matched) if paths)
    per_view = gap_s(matched[last])
    gap = None if per_view is None else per_view * sum(weights) / weights[last]
    return _rest(whole, done, len(refined) / len(names), gap, len(names))


def gap_s(paths: Iterable[Path]) -> float | None:
    """Seconds from one file to the next, by when they were written, pauses left out; None where they are too few."""
    times = np.sort([path.stat().st_mtime for path in paths if path.exists()])
    if len(times) < FEW:
        return None
    gaps = np.diff(times)
    worked = gaps[gaps <= max(PAUSE_S, PAUSE_GAPS * float(np.median(gaps)))]
    return float(worked.mean()) if len(worked) else None


def _rest(whole: Estimate, done: float, written: float, gap: float | None, count: int) -> Estimate:
    seconds = whole.seconds
    if gap is not None and gap * count > TOO_FAST * seconds:
        seconds = gap * count
    return dataclasses.replace(
        whole, disk_bytes=whole.disk_bytes * (1 - written), core_s=seconds * whole.cores * (1 - done)
    )
