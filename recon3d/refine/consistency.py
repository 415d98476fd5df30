"""Consistency: whether other views confirm a depth, look through it, or say nothing about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array, checked
from recon3d.settings import RefineSettings

View = tuple[Array, Camera, SE3]
"""Another view: depth (H, W) float32 [m], camera, world_from_cam."""

MAX_ANGLE = math.radians(60)
"""Views whose axes differ by more than this see too little of the same surfaces from the front [rad]."""
MIN_OVERLAP = 0.1
"""Share of a view that another must see to be its neighbour."""
USEFUL_BASELINE = 0.05
"""Baseline over depth from which another view is truly another look at things."""
LEAST_BASELINE = 0.002
"""Baseline over depth below which another view is the same look: less than a pixel of parallax in usual photos."""
THROUGH = 3.0
"""Tolerances by which a point must stand in front of what another view saw to count as looked through."""
CLEARLY = 2 * math.sqrt(2)
"""Sigmas by which two equally noisy depths must differ: 2 of their difference's own sigma."""
SHARED = 0.5
"""Share of their variance that the depths of two views have in common, being matched with the same photos."""
SURE_SIGMA = 0.4
"""Relative sigma up to which a depth is believed where no other view contradicts it: sensors and networks both.
Wanting networks' depths confirmed (0.03) took a fifth off the F-score of their meshes and added no precision."""


@dataclass(frozen=True, eq=False)
class Votes:
    """What other views say about each pixel of a depth map.

    Attributes:
        agree: (H, W) uint8, views that measured the same surface there.
        contradicted: (H, W) uint8, views that looked through the point, at something behind it.
        seen: (H, W) uint8, views that had a depth there and nothing in between: those that could agree.
    """

    agree: Array
    contradicted: Array
    seen: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "agree", checked("agree", self.agree, np.uint8, ("H", "W")))
        for name in ("contradicted", "seen"):
            object.__setattr__(self, name, checked(name, getattr(self, name), np.uint8, self.agree.shape))


def neighbours_of(
    world_from_cam: Mapping[str, SE3], cameras: Mapping[str, Camera], median_depths: Mapping[str, float], count: int
) -> dict[str, tuple[str, ...]]:
    """Chooses for each view the others that see what it sees from another place, all of it by some of them.

    Args:
        world_from_cam: poses [m].
        cameras: of each view.
        median_depths: of each view [m]; views with 0 (no depth) have no neighbours and are nobody's.
        count: neighbours wanted per view.

    Returns:
        Per view, in the order given, the names of at most `count` others, the most useful first.
    """
    names = [name for name in world_from_cam if median_depths[name] > 0]
    chosen: dict[str, tuple[str, ...]] = {name: () for name in world_from_cam}
    if len(names) < 2:
        return chosen
    rotations = np.stack([world_from_cam[name].R for name in names])
    centres = np.stack([world_from_cam[name].t for name in names])
    intrinsics = np.array([[c.fx, c.fy, c.cx, c.cy, c.width, c.height] for c in (cameras[n] for n in names)])
    fx, fy, cx, cy, width, height = intrinsics.T[..., None]
    for index, name in enumerate(names):
        depth = median_depths[name]
        points = world_from_cam[name] @ (_grid_rays(cameras[name]) * depth)
        local = np.einsum("npi,nij->npj", points - centres[:, None], rotations)
        z = np.maximum(local[..., 2], 1e-9)
        u, v = fx * local[..., 0] / z + cx, fy * local[..., 1] / z + cy
        inside = (u > -0.5) & (u < width - 0.5) & (v > -0.5) & (v < height - 0.5)
        # Seen from much nearer or much farther it is not the same measurement.
        inside &= (z > depth / 3) & (z < depth * 3)
        overlap = inside.mean(axis=1)
        baseline = np.linalg.norm(centres - centres[index], axis=1) / depth
        angle = np.arccos(np.clip(rotations[:, :, 2] @ rotations[index, :, 2], -1, 1))
        useful = (overlap >= MIN_OVERLAP) & (angle < MAX_ANGLE) & (baseline > LEAST_BASELINE)
        useful[index] = False
        worth = inside * (useful * baseline / (baseline + USEFUL_BASELINE))[:, None]
        chosen[name] = tuple(names[other] for other in _covering(worth, count))
    return chosen


def vote(
    depth: Array,
    camera: Camera,
    world_from_cam: SE3,
    others: Sequence[View],
    settings: RefineSettings,
    *,
    sigma: Array | None = None,
) -> Votes:
    """Asks other views about each depth of one view.

    A point agrees with another view if its depth there is within `agree_relative`·z + `agree_m` of what
    that view has at the pixel; it is contradicted if that view saw something clearly behind it, as it must
    have looked through the point: by three times that tolerance and by more than the noise of both depths.
    Behind what the view saw, the point is hidden and the view says nothing.

    Args:
        depth: (H, W) float32 [m], 0 = none.
        camera: of the depth map.
        world_from_cam: of the view [m].
        others: the views asked.
        settings: `agree_relative` and `agree_m` are used.
        sigma: (H, W) float32 [m], one standard deviation of the depths; the other views' are taken to be as good.

    Raises:
        InputError: a depth map is not of its camera's size.
    """
    if depth.shape != (camera.height, camera.width):
        raise InputError(f"depth: got shape {depth.shape}, wanted ({camera.height}, {camera.width}) as the camera")
    agree, contradicted, seen = (np.zeros(depth.shape, np.uint8) for _ in range(3))
    noise = np.float32(0) if sigma is None else np.float32(CLEARLY) * sigma
    relative, absolute = np.float32(settings.agree_relative), np.float32(settings.agree_m)
    for other_depth, other_camera, world_from_other in others:
        found, z = _looked_up(depth, camera, world_from_cam, other_depth, other_camera, world_from_other)
        tolerance = relative * z + absolute
        gap = found - z  # positive: the other view saw something behind the point
        known = found > 0
        near = known & (np.abs(gap) <= tolerance)
        agree += near
        contradicted += known & (gap > np.maximum(THROUGH * tolerance, noise))
        seen += known & (gap >= -tolerance)
    return Votes(agree, contradicted, seen)


def keep(votes: Votes, depth: Array, sigma: Array | None, settings: RefineSettings) -> Array:
    """Decides which depths stay.

    A depth goes where more views look through it than confirm it. Of the others it stays where `min_agree` views
    confirm it; where nothing contradicts it and its sigma is not so large that it says little; and where nothing
    contradicts it and fewer than two views could have confirmed it.

    Args:
        votes: of `vote`.
        depth: (H, W) float32 [m], 0 = none.
        sigma: (H, W) float32 [m], or None: unknown, so not small.
        settings: `min_agree` is used.

    Returns:
        (H, W) bool, True = keep.
    """
    confirmed = votes.agree >= settings.min_agree
    sure = np.zeros(depth.shape, bool) if sigma is None else sigma <= SURE_SIGMA * depth
    unopposed = votes.contradicted == 0
    kept: Array = confirmed | unopposed & (sure | (votes.seen < 2))
    return kept & (votes.contradicted <= votes.agree) & (depth > 0)


def keep_matched(votes: Votes, depth: Array, sigma: Array, limit_m: float, settings: RefineSettings) -> Array:
    """Decides which depths stay that were matched with the photos of the other views.

    These measure, and are wrong where they agree with nobody: a depth stays where `min_agree` views confirm it, or
    where fewer than that could have, if no more look through it than confirm it and its sigma is within the limit.

    Args:
        votes: of `vote`.
        depth: (H, W) float32 [m], 0 = none.
        sigma: (H, W) float32 [m].
        limit_m: sigma beyond which a depth says nothing of use [m].
        settings: `min_agree` is used.

    Returns:
        (H, W) bool, True = keep.
    """
    confirmed = (votes.agree >= settings.min_agree) | (votes.seen < settings.min_agree) & (votes.contradicted == 0)
    kept: Array = confirmed & (votes.contradicted <= votes.agree) & (sigma <= np.float32(limit_m)) & (depth > 0)
    return kept


def confirmed_sigma(sigma: Array, votes: Votes) -> Array:
    """(H, W) [m]: sigma of depths that other views measured too.

    The more of them agree the smaller it is, to `SHARED` of the variance at last: they used the same photos.
    """
    agree = votes.agree.astype(np.float32)
    smaller: Array = sigma * np.sqrt((1 + np.float32(SHARED) * agree) / (1 + agree))
    return smaller


def _covering(worth: Array, count: int) -> list[int]:
    """Chooses rows of worth (N, P) one after another, each for what it adds where those before it see least.

    What a row is worth at a place counts by one over one more than what is had there, so that the borders of a view,
    which few others see, get theirs before its middle gets more.
    """
    had, chosen = np.zeros(worth.shape[1]), list[int]()
    left = worth.copy()
    while len(chosen) < count:
        gain = (left / (1 + had)).sum(axis=1)
        best = int(np.argmax(gain))
        if not gain[best] > 0:
            break
        chosen.append(best)
        had += worth[best]
        left[best] = 0
    return chosen


def _grid_rays(camera: Camera) -> Array:
    """(108, 3) float64 rays at z = 1 through a 12 x 9 grid of the image."""
    u = (np.arange(12) + 0.5) / 12 * camera.width - 0.5
    v = (np.arange(9) + 0.5) / 9 * camera.height - 0.5
    x, y = np.meshgrid((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy)
    return np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)


def _looked_up(
    depth: Array, camera: Camera, world_from_cam: SE3, other_depth: Array, other_camera: Camera, world_from_other: SE3
) -> tuple[Array, Array]:
    """What another view has where this view's points fall.

    Returns:
        (H, W) float32 [m]: the other view's depth at the nearest pixel, 0 = none or outside; and (H, W) float32
        [m]: the point's own depth in that view.
    """
    if other_depth.shape != (other_camera.height, other_camera.width):
        wanted = (other_camera.height, other_camera.width)
        raise InputError(f"depth of a neighbour: got shape {other_depth.shape}, wanted {wanted} as its camera")
    other_from_cam = world_from_other.inverse() @ world_from_cam
    # K_other R ray is an affine function of (u, v): pixels of the other view are had from outer sums, without a
    # (H, W, 3) array in between.
    K = other_camera.K
    K[:2, 2] += 0.5  # so that truncation finds the nearest pixel
    to_pixels = (K @ other_from_cam.R @ np.linalg.inv(camera.K)).astype(np.float32)
    shift = (K @ other_from_cam.t).astype(np.float32)
    columns = np.arange(camera.width, dtype=np.float32)
    rows = np.arange(camera.height, dtype=np.float32)[:, None]
    x, y, z = (
        depth * (to_pixels[i, 0] * columns + (to_pixels[i, 1] * rows + to_pixels[i, 2])) + shift[i] for i in range(3)
    )
    ahead = np.maximum(z, np.float32(1e-6))
    x /= ahead
    y /= ahead
    inside = (x >= 0) & (x < other_camera.width) & (y >= 0) & (y < other_camera.height) & (z > 1e-6) & (depth > 0)
    index = np.where(inside, y, 0).astype(np.int32) * np.int32(other_camera.width)
    index += np.where(inside, x, 0).astype(np.int32)
    found = np.take(other_depth, index)
    found[~inside] = 0
    return found, z
