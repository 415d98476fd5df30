"""Evaluating depth: maps of a scene or a folder against true ones, photo by photo."""

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon3d.depth.recorded import fitted
from recon3d.errors import InputError
from recon3d.files import load_array
from recon3d.formats.capture import TRANSFORMS, read_capture
from recon3d.formats.depth_map import find_depth_maps, read_depth
from recon3d.geometry import Calibration, Camera
from recon3d.geometry.arrays import Array
from recon3d.metrics.depth import (
    CROPS,
    MEASURES,
    MIN_M,
    SCALINGS,
    DepthErrors,
    errors_of,
    mean_over_photos,
    pixels_of,
    pooled,
)
from recon3d.photos.find import scene_names
from recon3d.progress import Report, each, silent
from recon3d.scene import Scene
from recon3d.stages.aligned import aligned_depth, view_scales
from recon3d.stages.evaluation import Evaluation, is_scene, listed, table
from recon3d.stages.poses import lenses
from recon3d.stages.ties_depth import is_of_ties

WHICH = {"refined": "refine", "aligned": "scale", "raw": "depth"}
"""Depth of a scene and the stage that makes it, the last first."""
WORST = 3
"""Photos with the largest AbsRel that are named."""
TITLES = ("AbsRel", "SqRel [m]", "RMSE [m]", "RMSE log", "log10", "SILog x100", "d < 1.25", "d < 1.25^2", "d < 1.25^3")
"""What tables call `MEASURES`."""


@dataclass(frozen=True)
class DepthOptions:
    """What is compared, and how.

    Attributes:
        which: depth of a scene: a key of `WHICH`; None = the last that is done.
        scaling: what each prediction is fitted to the truth by: one of `SCALINGS`.
        min_m: truth nearer than this doesn't count [m].
        max_m: truth beyond this doesn't count [m]; None, or infinite, = all does.
        crop: pixels that count: a key of `CROPS`.
        unit_m: metres per step of depth maps of integers [m].
    """

    which: str | None = None
    scaling: str = "none"
    min_m: float = MIN_M
    max_m: float | None = None
    crop: str = "none"
    unit_m: float = 0.001


@dataclass(frozen=True)
class Maps:
    """Depth maps by photo, read one by one.

    Attributes:
        what: in words.
        names: of the photos.
        read: gives the (H, W) depth [m] of a name, 0 = none.
        lenses: of photos that were undistorted, how the lens drew them; empty where maps are of photos as they are.
        cameras: of those photos, undistorted.
    """

    what: str
    names: tuple[str, ...]
    read: Callable[[str], Array]
    lenses: dict[str, Calibration] = dataclasses.field(default_factory=dict)
    cameras: dict[str, Camera] = dataclasses.field(default_factory=dict)


def evaluate_depth(judged: Path, truth: Path, options: DepthOptions, report: Report = silent) -> Evaluation:
    """Errors of depth maps: per photo, their mean over photos (the headline), and over all pixels together.

    Truth of another size than the prediction is resampled to it by nearest neighbour; of a photo that the scene has
    undistorted, it is undistorted alike. A photo with truth but no depth counts as a coverage of 0.

    Args:
        judged: a SCENE, or a folder of depth maps.
        truth: a folder of depth maps, a capture with a folder `depth` or with depth beside its photos, or a SCENE.
        options: which depth, caps, crop and scaling.
        report: told of progress.

    Raises:
        InputError: no map has its truth, shapes don't fit, or no pixel of any photo has both.
    """
    max_m = math.inf if options.max_m is None else options.max_m
    _check(options, max_m)
    if math.isinf(max_m):
        options = dataclasses.replace(options, max_m=None)  # JSON has no infinity
    if options.which and not is_scene(judged):
        raise InputError(f"--which {options.which}: {judged} is no SCENE, wanted a choice only where there is one")
    ours = _of_scene(Scene.open(judged), options.which) if is_scene(judged) else _of_folder(judged, options.unit_m)
    true = _truth(truth, ours.names, options)
    known_names = set(true.names)
    names = [name for name in ours.names if name in known_names]
    if not names:
        raise InputError(
            f"{truth}: got truth of {len(true.names)} photos ({listed(true.names)}) and none of them is in {judged} "
            f"({listed(ours.names)}); wanted the same names"
        )
    errors: dict[str, DepthErrors] = {}
    empty: dict[str, int] = {}
    for name in each(names, "evaluate", report):
        depth = ours.read(name)
        known = _fitted_truth(true, depth, name, ours, f"{truth}: {name}")
        pixels = pixels_of(depth, known, min_m=options.min_m, max_m=max_m, crop=options.crop)
        if len(pixels.truth):
            errors[name] = errors_of(pixels, min_m=options.min_m, max_m=max_m, scaling=options.scaling)
        elif pixels.truth_count:
            empty[name] = pixels.truth_count
    if not errors:
        blank = len(names) - len(empty)
        raise InputError(
            f"{judged}: no pixel has both depth and truth in any of {len(names)} photos: {len(empty)} have truth and "
            f"no depth there, {blank} no truth inside the caps and the crop"
        )
    return _told(ours, len(names), errors, empty, truth, options)


def _check(options: DepthOptions, max_m: float) -> None:
    """Refuses options before any map is read."""
    for name, value, choices in (("--scale", options.scaling, SCALINGS), ("--crop", options.crop, tuple(CROPS))):
        if value not in choices:
            raise InputError(f"{name}: got {value!r}, wanted one of {', '.join(choices)}")
    if options.which is not None and options.which not in WHICH:
        raise InputError(f"--which: got {options.which!r}, wanted one of {', '.join(reversed(WHICH))}")
    if not 0 < options.min_m < max_m:
        raise InputError(f"caps: got {options.min_m:g} to {max_m:g} m, wanted 0 < --min-m < --max-m")


def _of_scene(scene: Scene, which: str | None) -> Maps:
    """One kind of depth of a scene."""
    done = [kind for kind, stage in WHICH.items() if scene.is_done(stage)]
    if which not in (None, *done) or not done:
        stage = WHICH[which or "raw"]
        raise InputError(
            f"{scene.place}: no {which or 'raw'} depth there yet; make it with: recon3d {stage} {scene.place}"
        )
    which = which or done[0]
    views = view_scales(scene) if which == "aligned" else {}
    read: dict[str, Callable[[str], Array]] = {
        "raw": lambda name: load_array(scene.depth_path(name)),
        "aligned": lambda name: aligned_depth(scene, name, views[name]),
        "refined": lambda name: load_array(scene.refined_path(name)),
    }
    cameras = scene.cameras()
    if which == "raw" and not scene.has(scene.bare.depth_path(next(iter(cameras)))):
        raise InputError(f"{scene.place}: its model gives relative depth, which has no metres; take --which aligned")
    if which == "raw" and is_of_ties(scene):
        raise InputError(f"{scene.place}: its depth is in the unit of its ties, not in metres; take --which aligned")
    return Maps(f"{which} depth", tuple(cameras), read[which], lenses(scene), cameras)


def _of_folder(folder: Path, unit_m: float, names: Sequence[str] = ()) -> Maps:
    """Depth maps of a folder, or of the folder `depth` in it: of the photos named, or of all it is about."""
    folder = folder / "depth" if (folder / "depth").is_dir() else folder
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, wanted a SCENE or a folder of depth maps")
    if not names:  # `frame-1.depth.png` and `frame-1.color.png` are of one photo
        stems = sorted(path.stem for path in folder.iterdir() if path.is_file())
        names = list(dict.fromkeys(re.sub(r"\.[A-Za-z_]+$", "", stem) for stem in stems))
    paths = find_depth_maps(folder, names)
    return Maps("depth maps", tuple(paths), lambda name: read_depth(paths[name], unit_m=unit_m))


def _truth(path: Path, names: Sequence[str], options: DepthOptions) -> Maps:
    """True depth of the photos named, from any of the places where it may stand."""
    if is_scene(path):
        return _of_scene(Scene.open(path), None)
    if (path / TRANSFORMS).is_file():
        capture = read_capture(path, "nerfstudio")
        photos = scene_names(capture.photos)
        paths = {name: capture.depth[photo] for name, photo in photos.items() if photo in capture.depth}
        if paths:
            return Maps("depth maps", tuple(paths), lambda name: read_depth(paths[name], unit_m=options.unit_m))
    return _of_folder(path, options.unit_m, names)


def _fitted_truth(true: Maps, depth: Array, name: str, ours: Maps, where: str) -> Array:
    """The truth of a photo at the size and through the lens of the depth that is judged."""
    height, width = depth.shape
    camera = ours.cameras.get(name) or Camera.from_fov(width, height, 1.0)
    if (camera.width, camera.height) != (width, height):
        raise InputError(
            f"{name}: got depth of {width} x {height} px, wanted {camera.width} x {camera.height} as its photo"
        )
    as_drawn = name in ours.lenses and name not in true.lenses  # the truth of a scene is undistorted already
    return fitted(true.read(name), ours.lenses[name] if as_drawn else Calibration(camera), camera, where).values


def _told(
    ours: Maps, count: int, errors: dict[str, DepthErrors], empty: dict[str, int], truth: Path, options: DepthOptions
) -> Evaluation:
    """The facts and the table."""
    values = list(errors.values())
    mean, total = (over(values, list(empty.values())) for over in (mean_over_photos, pooled))
    worst = sorted(errors, key=lambda name: -errors[name].abs_rel)[:WORST]
    facts: dict[str, Any] = {
        "what": ours.what,
        **dataclasses.asdict(options),
        "photos_compared": len(errors),
        "photos_without_truth": [name for name in ours.names if name not in errors and name not in empty],
        "photos_without_depth": list(empty),
        "mean": mean,
        "pooled": total,
        "worst": worst,
        "photos": {name: dataclasses.asdict(one) for name, one in errors.items()},
    }
    caps = f"{options.min_m:g} m up" if options.max_m is None else f"{options.min_m:g} to {options.max_m:g} m"
    lines = [
        f"{ours.what} of {len(errors)} photos; truth from {caps}, crop {options.crop}, scale {options.scaling}",
        *table(
            ["mean over photos", "all pixels"],
            {title: (mean[name], total[name]) for title, name in zip(TITLES, MEASURES, strict=True)}
            | {"coverage": (mean["coverage"], total["coverage"])},
        ),
        "largest AbsRel: " + ", ".join(f"{name} {errors[name].abs_rel:.4f}" for name in worst),
    ]
    notes = []
    if facts["photos_without_truth"]:
        missing = facts["photos_without_truth"]
        notes.append(f"{len(missing)} of {len(ours.names)} photos have no truth in {truth}: {listed(missing)}")
    if empty:
        notes.append(
            f"{len(empty)} of {count} photos have truth but no depth there (coverage 0): {listed(list(empty))}"
        )
    return Evaluation(facts, tuple(lines), tuple(notes))
