"""Which way is up: turns a world of estimated poses z up, with the floor near 0."""

from collections.abc import Mapping

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array

FLOOR_QUANTILE = 0.02
"""Share of the points below the floor: strays of structure from motion."""
STEADY = 0.5
"""Length of the mean of the cameras' up vectors above which they agree on what is up."""

REACH_DEG = 12.0
"""A plane within this angle of level, as the photos' edges say it, may be a floor or a table [degrees]."""
SLAB = 0.01
"""Thickness of what counts as one plane, as a share of the extent of the points."""
PLANE_SHARE = 0.2
"""Share of the points that one plane must hold to say what level is: chance brings 0.05 together, bent depth of a
network 0.15."""
PLANE_GAIN = 1.2
"""One farther than `SETTLED_DEG` from level by the photos' edges must hold this many times the points of any slab that
is level by them."""
SETTLED_DEG = 3.0
"""The plane through those points is no farther than this from where they are most bunched [degrees]."""
TRIED = 20_000
"""Points that directions are tried on, at most."""

ROLL = 0.05
"""Roll of a hand-held camera that is taken for none [rad]."""
TILT_WEIGHT = 0.005
"""Weight of the upper edges against the horizontal ones; about the square of the roll."""


def level(world_from_cam: Mapping[str, SE3], points: Array, surfaces: Array | None = None) -> SE3:
    """The rigid transform to a world that stands upright.

    Up is where the photos' upper edges point, by a mean that strays can't pull; photos taken straight down, whose upper
    edges point everywhere, make it the way back along the views. Where much of the surfaces lies in one plane that is
    nearly level, as floors and tables do, it is made level. The floor (z = 0) is a low quantile of the points'
    heights, the origin stands under their median, and the first camera looks along +y, so that the front of what it
    saw faces -y.

    Args:
        world_from_cam: poses in capture order, at least one.
        points: (N, 3) points of the scene, in the unit of the poses; with none, the cameras' centres take their place.

        surfaces: (M, 3) points spread evenly over what the photos show, to look for planes in. Points of structure
            from motion are not: they stand on what has texture, and a few rows of things look like a plane.

    Returns:
        levelled_from_world.

    Raises:
        InputError: there are no poses.
    """
    poses = list(world_from_cam.values())
    if not poses:
        raise InputError("levelling: got no poses, wanted at least one")
    up = _up(poses)
    if surfaces is not None:
        up = _by_planes(up, np.asarray(surfaces, np.float64))
    first = poses[0].R
    forward, upper_edge = first[:, 2], -first[:, 1]
    ahead = forward - (forward @ up) * up
    if np.linalg.norm(ahead) < 0.1:  # it looks straight up or down: its upper edge is ahead when it looks down
        ahead = upper_edge - (upper_edge @ up) * up
        ahead *= -np.sign(forward @ up)
    ahead /= np.linalg.norm(ahead)
    R = np.stack([np.cross(ahead, up), ahead, up])
    seen = np.asarray(points, np.float64).reshape(-1, 3)
    seen = (seen if len(seen) else np.stack([pose.t for pose in poses])) @ R.T
    origin = np.array([np.median(seen[:, 0]), np.median(seen[:, 1]), np.quantile(seen[:, 2], FLOOR_QUANTILE)])
    return SE3(R, -origin)


def _up(poses: list[SE3]) -> Array:
    """(3,) unit vector: across the photos' horizontal edges, and near where their upper edges point.

    People tilt a camera up and down more than they roll it: the x axes of all cameras lie in the horizontal plane,
    whatever the tilt (as in COLMAP's and OpenMVG's alignment), as soon as they look in different directions. Where
    they don't, `TILT_WEIGHT` leaves it to the mean of the upper edges. Reweighted, so that strays can't pull.
    """
    ups = np.stack([-pose.R[:, 1] for pose in poses])
    rights = np.stack([pose.R[:, 0] for pose in poses])
    if np.linalg.norm(ups.mean(axis=0)) < STEADY:
        back = np.stack([-pose.R[:, 2] for pose in poses])
        if np.linalg.norm(back.mean(axis=0)) > STEADY:
            ups = back
    up = mean = _median_direction(ups)
    for _ in range(10):
        weight = 1 / np.maximum(np.abs(rights @ up), ROLL)
        spread = (rights * weight[:, None]).T @ rights / weight.sum()
        up = np.linalg.eigh(spread + TILT_WEIGHT * (np.eye(3) - np.outer(mean, mean)))[1][:, 0]
    return up if up @ mean >= 0 else -up


def _by_planes(up: Array, points: Array) -> Array:
    """(3,) unit vector: across the plane near level that holds most points, or `up` where no plane holds many.

    Of the directions around `up`, finer and finer, the one along which the heights of the points are most bunched: all
    level planes count, at whatever height. Then the least-squares plane through the fullest slab.
    """
    points = points[:: max(1, len(points) // TRIED)]
    if len(points) < 1 / SLAB:
        return up
    points = points - np.median(points, axis=0)
    far = np.linalg.norm(points, axis=1)
    width, points = 2 * SLAB * float(np.median(far)), points[far <= 3 * np.median(far)]
    if not width > 0:
        return up
    found, step = up, np.deg2rad(REACH_DEG)
    for thickness in (4 * width, 2 * width, width):  # a thick slab is found from afar
        tilts = np.tan(np.linspace(-step, step, 9))
        across = np.linalg.svd(found[None])[2][1:]
        tried = found + (tilts[:, None, None] * across[0] + tilts[:, None] * across[1]).reshape(-1, 3)
        tried /= np.linalg.norm(tried, axis=1, keepdims=True)
        tried = tried[tried @ up >= np.cos(np.deg2rad(REACH_DEG))]
        bunched = [float(np.square(_slabs(points @ one, thickness)).sum()) for one in tried]
        found, step = tried[int(np.argmax(bunched))], step / 4
    heights = points @ found
    slabs = _slabs(heights, width)
    near = found @ up >= np.cos(np.deg2rad(SETTLED_DEG))
    gain = slabs.max() / _slabs(points @ up, width).max()
    if slabs.max() < PLANE_SHARE * len(points) or not (near or gain >= PLANE_GAIN):
        return up
    middle = heights.min() + (float(np.argmax(slabs)) + 1) * width
    plane = points[np.abs(heights - middle) <= width]
    normal: Array = np.linalg.svd(plane - plane.mean(axis=0), full_matrices=False)[2][2]
    normal = normal * np.sign(normal @ found)
    # A slab through a wall is a strip, whose plane is the wall's.
    return normal if normal @ found >= np.cos(np.deg2rad(SETTLED_DEG)) else up


def _slabs(heights: Array, width: float) -> Array:
    """(K,) points in slabs of two widths, each a width above the one before."""
    counts = np.bincount(((heights - heights.min()) / width).astype(int)).astype(np.float64)
    found: Array = counts + np.append(counts[1:], 0)
    return found


def _median_direction(directions: Array) -> Array:
    """(3,) unit vector; the geometric median of unit vectors (N, 3) by iterated reweighting."""
    middle = directions.mean(axis=0)
    for _ in range(20):
        pull = 1 / np.maximum(np.linalg.norm(directions - middle, axis=1), 1e-3)
        middle = (pull[:, None] * directions).sum(axis=0) / pull.sum()
    length = float(np.linalg.norm(middle))
    unit: Array = middle / length if length > 1e-6 else directions[0]
    return unit
