"""Depth without a network: each photo's ties to the points of structure from motion, interpolated over the photo."""

from collections.abc import Callable, Mapping

import numpy as np

from recon3d.depth.batches import about
from recon3d.depth.model import DepthPrediction
from recon3d.errors import InputError
from recon3d.files import load_array
from recon3d.geometry import Camera
from recon3d.poses.sparse import read_sparse
from recon3d.scale.metric import MetricScale
from recon3d.scale.per_view import ViewScale
from recon3d.scale.ties import Ties, ties_of
from recon3d.scale.ties_prior import MIN_TIES, ties_prior
from recon3d.scene import Scene
from recon3d.settings import ScaleSettings
from recon3d.signals import Signal

ADVICE = "add photos that overlap more, taken a step apart, or choose a network with --model"
TIES = "ties"
"""What `depth.model` is called, and the kind of depth, where depth comes from the ties alone."""
MADE_UP_M = 3.0
"""Median depth of the ties of a world of unknown size: that of a room, which settings in metres are made for [m]."""
MADE_UP = f"made up, so that the median depth is {MADE_UP_M:g} m"
"""The source of its scale."""


def ties_version(settings: ScaleSettings) -> str:
    """What decides, beside the code and the points, which ties there are."""
    return f"{settings.min_views} photos, {settings.max_reprojection_px:g} px, {settings.min_angle_deg:g} degrees"


def ties_reader(
    scene: Scene, cameras: Mapping[str, Camera], settings: ScaleSettings
) -> Callable[[str], tuple[str, DepthPrediction]]:
    """Gives each photo's depth and sigma, in the unit of the points; 0 where no tie is near.

    Raises:
        InputError: there are no points.
    """
    folder = scene.file("sparse")
    if not (folder / "points3D.bin").exists():
        raise InputError(f"--model {TIES}: there are no points that several photos share; {ADVICE}")
    ties = ties_of(read_sparse(folder), scene.cameras(), settings)
    most = max((len(mine.z) for mine in ties.values()), default=0)
    if most < MIN_TIES:
        raise InputError(f"--model {TIES}: no photo has {MIN_TIES} ties to points, the best has {most}; {ADVICE}")

    def read(name: str) -> tuple[str, DepthPrediction]:
        with about(name):
            depth, sigma = ties_prior(ties.get(name, Ties.none()), scene.image(name))
        return name, DepthPrediction(depth, sigma)

    return read


def ties_signals(valid: Mapping[str, float]) -> list[Signal]:
    """What stays empty: photos without enough ties, and the share of all others that no tie is near.

    Args:
        valid: share of each photo that has depth.
    """
    signals = []
    bare = tuple(name for name, share in valid.items() if share == 0)
    if bare:
        text = f"{len(bare)} of {len(valid)} photos have fewer than {MIN_TIES} ties, too few for depth of their own"
        signals.append(Signal("FEW_TIES", text, bare))
    empty = 1 - sum(valid.values()) / len(valid)
    if empty > 0:
        text = f"{100 * empty:.1f} % of the pixels are too far from any tie to have depth, and stay empty"
        signals.append(Signal("FAR_FROM_TIES", text))
    return signals


def empty_signals(left: Mapping[str, int], cameras: Mapping[str, Camera]) -> list[Signal]:
    """How much of the photos has no depth in the end, as no network fills it.

    Args:
        left: pixels of each photo with depth that is fused.
        cameras: of each.
    """
    share = 1 - sum(left.values()) / sum(camera.width * camera.height for camera in cameras.values())
    text = f"{100 * share:.1f} % of the pixels have no depth that the photos agree on, and no network fills them"
    return [Signal("EMPTY", text)] if share > 0 else []


def is_of_ties(scene: Scene) -> bool:
    """Whether the depth stage made depth of the ties, in their unit."""
    return bool(scene.facts("depth").get("kind") == TIES)


def ties_scale(scene: Scene, name: str, ties: Ties) -> ViewScale:
    """The scale of a view whose depth was made of its ties: that of the ties, as sure as the depth is on the median."""
    depth, sigma = load_array(scene.depth_path(name)), load_array(scene.sigma_path(name))
    valid = (depth > 0) & (sigma > 0)
    relative = float(np.median(sigma[valid] / depth[valid])) if valid.any() else 0.0
    return ViewScale(0.0, relative, len(ties.z), inherited=False)


def made_up_scale(ties: Mapping[str, Ties]) -> MetricScale:
    """The factor of a world of which nothing says how large it is: one that settings in metres go with."""
    z = np.concatenate([mine.z for mine in ties.values()])
    return MetricScale(MADE_UP_M / float(np.median(z)), 1.0, MADE_UP)
