"""Stage depth: the depth of each registered photo, predicted or read."""

from collections.abc import Callable, Mapping

import numpy as np

from recon3d.depth.models import MODELS, licence_notice
from recon3d.errors import InputError, StageError
from recon3d.files import load_array, read_json
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.depth_maps import DepthMaps, Made, share_of, stored
from recon3d.stages.depth_said import said_facts, said_signals
from recon3d.stages.depth_source import reads_maps, source_of, uses_ties
from recon3d.stages.job import Found, Job, Outcome, run_shared_stage, stage_key
from recon3d.stages.ties_depth import TIES, ties_signals

VERSION = 4


def depth(scene: Scene, job: Job) -> Outcome:
    """Writes one depth map [m] per registered photo, or one disparity map where a relative model has no metric one.

    Raises:
        InputError: the model is not at hand, or maps are missing or don't fit.
        StageError: no photo has any valid depth.
    """
    name, version = source_of(job)
    key = stage_key("depth", VERSION, job.settings, [name, version], scene)
    return run_shared_stage(scene, "depth", key, job, lambda: _spread(scene, name, version, job))


def _spread(scene: Scene, source: str, version: str, job: Job) -> Callable[[], Found]:
    work, photos = DepthMaps(scene, job), scene.names()
    made = dict(job.engine.do(work, photos, job.report))
    job.engine.gather(work, photos)
    scene.look()
    return lambda: _work(scene, source, version, job, made)


def _work(scene: Scene, source: str, version: str, job: Job, made: Mapping[str, Made]) -> Found:
    cameras = scene.cameras()
    signals = _licences(job) + [signal for _, told in made.values() for signal in told]
    paths = {name: path for name in cameras if (path := stored(scene, name)) is not None}
    kinds = {path.parent.name for path in paths.values()}
    if len(kinds) > 1:
        raise InputError(f"{source}: gave depth for some photos and disparity for others, wanted one kind for all")
    kind = "disparity" if kinds == {"disparity"} else "metric"
    valid = {
        name: made[name][0] if name in made else share_of(load_array(scene.here(path))) for name, path in paths.items()
    }
    said = {name: read_json(path) for name in cameras if (path := scene.head_path(name)).exists()}
    silent = {name for name, words in said.items() if not words["finite"]}
    empty = tuple(name for name, share in valid.items() if share == 0 and name not in silent)
    if len(silent) + len(empty) == len(cameras):
        raise StageError(_nothing(source, kind, all_silent=not empty, limit_m=job.settings.depth.max_depth_m))
    if uses_ties(job):
        kind = TIES
        signals += ties_signals(valid)
    elif empty:
        signals.append(Signal("OUT_OF_RANGE", f"{len(empty)} of {len(cameras)} photos have no valid depth", empty))
    share = float(np.mean(list(valid.values())))
    facts = {
        "photos": len(cameras),
        "model": source,
        "version": version,
        "kind": kind,
        "handed_in": job.model is not None,
        "valid_share": round(share, 4),
        **said_facts(said),
    }
    plural = "s" if len(cameras) > 1 else ""
    line = f"{len(cameras)} {_WORD[kind]} map{plural} from {source}, {100 * share:.0f} % of the pixels valid"
    return line, facts, signals + said_signals(said, source, len(cameras))


_WORD = {"metric": "depth", "disparity": "disparity", TIES: "depth"}


def _nothing(source: str, kind: str, *, all_silent: bool, limit_m: float) -> str:
    """Why there is no depth at all."""
    if all_silent:
        return f"{source}: gave no finite {_WORD[kind]} for any photo; fetch or copy the model again, or choose another"
    return (
        f"{source}: no photo has any {_WORD[kind]} between 0 and {limit_m:g} m; check the unit of the maps "
        "(--set depth.maps_unit_m=…), depth.max_depth_m, or choose another model"
    )


def _licences(job: Job) -> list[Signal]:
    """What is to be known of the licences of the networks that give depth."""
    settings = job.settings.depth
    names = [] if reads_maps(job) or uses_ties(job) else [None if job.model else settings.model, settings.metric_from]
    notices = [licence_notice(MODELS[name]) for name in names if name in MODELS]
    return [Signal("LICENCE", notice) for notice in notices if notice]
