"""Given poses against the photos: whether a pose file means what it was read as, by the features that photos share."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pycolmap

from recon3d.errors import InputError
from recon3d.formats.colmap_camera import CENTRE
from recon3d.formats.nerfstudio import OPENGL_FROM_OPENCV
from recon3d.geometry import SE3, Calibration
from recon3d.geometry.arrays import Array
from recon3d.photos.undistort import undistort_pixels
from recon3d.poses.sfm import DATABASE, RECORD

MOST_PAIRS = 200
"""Pairs of photos that are looked at."""
PER_PAIR = 50
"""Matches of each pair that are looked at, so that no pair outvotes the others."""
MIN_MATCHES = 30
"""Pairs with fewer verified matches are as likely two look-alikes."""
MIN_PAIRS = 3
"""With fewer pairs nothing is said."""

FIT = 0.01
"""A match fits within this angle [rad]: about 1 % of the longer side of most photos, several times what recorded poses
are off by, and far less than what another convention makes of them."""
MISFIT_SHARE = 0.3
"""Poses fit that explain more of the matches than this: right ones explain 64 to 100 % (the fewest with a focal length
11 % off), those of another convention at most 26 % on four captures."""
SURE_SHARE = 0.5
"""Another reading is taken for the right one if it explains more than this."""

UNITS = {"millimetres": 0.001, "centimetres": 0.01}
"""Units that poses come in, beside metres [m]."""
UNIT_DOUBT = 3.0
"""Factor by which the scale of depth may be off."""

FLIP = SE3.from_matrix(OPENGL_FROM_OPENCV)
"""OpenGL's camera axes from ours, and back."""
Item = TypeVar("Item")
FRAMES = ("world_from_cam", "cam_from_world")
AXES = ("x right, y down, z forward", "x right, y up, z back (OpenGL)")
ORDERS = ("qw first", "qw last")


@dataclass(frozen=True)
class Convention:
    """What the numbers of a pose file mean.

    Attributes:
        frame: one of `FRAMES`.
        axes: of the camera, one of `AXES`.
        quaternion: one of `ORDERS`; "" where rotations are matrices.
    """

    frame: str = FRAMES[0]
    axes: str = AXES[0]
    quaternion: str = ""

    def entry(self, world_from_cam: SE3) -> SE3:
        """What stands in the file for a pose."""
        turned = world_from_cam @ FLIP if self.axes == AXES[1] else world_from_cam
        return turned if self.frame == FRAMES[0] else turned.inverse()

    def pose(self, entry: SE3) -> SE3:
        """`world_from_cam` of what stands in the file."""
        turned = entry if self.frame == FRAMES[0] else entry.inverse()
        return turned @ FLIP if self.axes == AXES[1] else turned

    def others(self) -> list["Convention"]:
        """All other conventions, those that differ in fewer things first."""
        quaternions = ORDERS if self.quaternion else ("",)
        found = [Convention(*choice) for choice in itertools.product(FRAMES, AXES, quaternions)]
        return sorted((other for other in found if other != self), key=lambda other: len(self.differences(other)))

    def differences(self, other: "Convention") -> list[str]:
        """What `other` says where the two differ, in words."""
        return [theirs for mine, theirs in zip(self._words(), other._words(), strict=True) if mine != theirs]

    def __str__(self) -> str:
        return ", ".join(word for word in self._words() if word)

    def _words(self) -> list[str]:
        return [self.frame, f"camera axes {self.axes}", f"quaternions {self.quaternion}" if self.quaternion else ""]


CONVENTIONS = {
    "COLMAP": Convention(FRAMES[1], quaternion=ORDERS[0]),
    "colmap": Convention(FRAMES[1], quaternion=ORDERS[0]),
    "nerfstudio": Convention(axes=AXES[1]),
    "TUM": Convention(quaternion=ORDERS[1]),
}
"""How files were read, by the kind of file; all others are as we write ours."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Features that two photos share, M of them.

    Attributes:
        a: name of one photo.
        b: name of the other.
        rays_a: (M, 3) unit vectors in the camera frame of `a`.
        rays_b: (M, 3) unit vectors in the camera frame of `b`.
    """

    a: str
    b: str
    rays_a: Array
    rays_b: Array


@dataclass(frozen=True)
class PoseFit:
    """How poses and matches agree.

    Attributes:
        share: of the matches that fit, 0 to 1.
        median_rad: angle by which half of the matches miss by more [rad].
        pairs: pairs of photos that were looked at.
    """

    share: float
    median_rad: float
    pairs: int


def read_matches(folder: Path, calibrations: Mapping[str, Calibration]) -> list[Matches]:
    """Verified matches of a database that `recon3d.poses.sfm.reconstruct` left, thinned.

    Args:
        folder: with the database and its record.
        calibrations: of the photos as the lens drew them; matches of other photos are left out.
    """
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    name_of = {i + 1: Path(image["name"]).stem for i, image in enumerate(record["images"])}
    found = []
    with pycolmap.Database.open(folder / DATABASE) as database:
        pair_ids, inliers = database.read_two_view_geometry_num_inliers()
        enough = [pair for pair, count in zip(pair_ids, inliers, strict=True) if count >= MIN_MATCHES]
        pairs = [pycolmap.pair_id_to_image_pair(pair) for pair in enough]
        pairs = [pair for pair in pairs if all(name_of[photo] in calibrations for photo in pair)]
        for pair in _spread(sorted(pairs), MOST_PAIRS):
            matches = np.asarray(database.read_two_view_geometry(*pair).inlier_matches, np.int64)
            matches = np.array(_spread(list(matches), PER_PAIR))
            rays = [
                _rays(database.read_keypoints(photo)[matches[:, side], :2] - CENTRE, calibrations[name_of[photo]])
                for side, photo in enumerate(pair)
            ]
            seen = np.isfinite(rays[0]).all(axis=1) & np.isfinite(rays[1]).all(axis=1)
            found.append(Matches(name_of[pair[0]], name_of[pair[1]], rays[0][seen], rays[1][seen]))
    return found


def pose_fit(matches: Sequence[Matches], world_from_cam: Mapping[str, SE3]) -> PoseFit:
    """How well poses explain matches, whatever the poses' unit."""
    if not matches:
        return PoseFit(0.0, np.pi, 0)
    miss = np.concatenate([misses(match, world_from_cam) for match in matches])
    return PoseFit(float(np.mean(miss < FIT)), float(np.median(miss)), len(matches))


def misses(match: Matches, world_from_cam: Mapping[str, SE3]) -> Array:
    """(M,) angle by which poses miss each match [rad].

    What photo `a` sees along a ray can be seen by `b` between the direction of the same ray (it is far away) and that
    of `a`'s centre (it is near): the half of the epipolar line where things are in front of both. The angle from `b`'s
    ray to that arc is 0 for right poses; the larger one of both ways counts.
    """
    b_from_a = world_from_cam[match.b].inverse() @ world_from_cam[match.a]
    there = _angle_to_arc(match.rays_a, match.rays_b, b_from_a)
    back = _angle_to_arc(match.rays_b, match.rays_a, b_from_a.inverse())
    angle: Array = np.maximum(there, back)
    return angle


def checked_poses(matches: Sequence[Matches], world_from_cam: Mapping[str, SE3], read_as: Convention) -> PoseFit:
    """How well given poses explain the matches, where no other reading of the file does it far better.

    Args:
        matches: between the photos.
        world_from_cam: as read from the file.
        read_as: what its numbers were taken for.

    Raises:
        InputError: the poses don't fit the photos, and would if the file were read otherwise: says how.
    """
    fit = pose_fit(matches, world_from_cam)
    if fit.pairs < MIN_PAIRS or fit.share > MISFIT_SHARE:
        return fit
    tried = [(other, pose_fit(matches, read_otherwise(world_from_cam, read_as, other))) for other in read_as.others()]
    best, better = max(tried, key=lambda one: one[1].share)  # of equals the first, which differs least
    if better.share < SURE_SHARE:
        return fit
    instead = " and ".join(read_as.differences(best))
    raise InputError(
        f"the poses don't fit the photos: they explain {100 * fit.share:.0f} % of the features matched in {fit.pairs} "
        f"pairs of photos, and {100 * better.share:.0f} % if what they hold is {instead}; "
        f"wanted {read_as}: convert them"
    )


def check_unit(metres_per_unit: float) -> None:
    """Refuses poses in metres whose lengths depth takes for millimetres or centimetres.

    Args:
        metres_per_unit: of the poses, as depth has it; networks are right within a factor of 2 or 3.

    Raises:
        InputError: it is that of one of `UNITS`, within a factor of `UNIT_DOUBT`.
    """
    for name, metres in UNITS.items():
        if metres / UNIT_DOUBT < metres_per_unit < metres * UNIT_DOUBT:
            raise InputError(
                f"the given poses are read in metres, and depth says that one unit is {metres_per_unit:.2g} m: if they "
                f"are in {name}, add --set scale.factor={metres:g}; if they are in metres, --set scale.factor=1"
            )


def read_otherwise(world_from_cam: Mapping[str, SE3], read_as: Convention, other: Convention) -> dict[str, SE3]:
    """The poses that a file holds if it was written by another convention than it was read by."""
    poses = {}
    for name, pose in world_from_cam.items():
        entry = read_as.entry(pose)
        if other.quaternion != read_as.quaternion:
            xyzw: Array = pycolmap.Rotation3d(entry.R).quat
            # The four columns: (w, x, y, z) read as (x, y, z, w) or the other way round.
            wxyz = xyzw if other.quaternion == ORDERS[0] else xyzw[[2, 3, 0, 1]]
            entry = SE3.from_quat_wxyz(wxyz, entry.t)
        poses[name] = other.pose(entry)
    return poses


def _rays(pixels: Array, calibration: Calibration) -> Array:
    """(N, 3) unit vectors; NaN where the lens model sees nothing."""
    camera = calibration.camera
    uv = undistort_pixels(pixels, calibration)
    rays = np.column_stack([(uv - [camera.cx, camera.cy]) / [camera.fx, camera.fy], np.ones(len(uv))])
    unit: Array = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return unit


def _angle_to_arc(rays_a: Array, rays_b: Array, b_from_a: SE3) -> Array:
    """(M,) angle [rad] of each ray of `b` to the arc where `b` can see what `a` sees along its ray."""
    far = rays_a @ b_from_a.R.T
    distance = float(np.linalg.norm(b_from_a.t))
    nearest: Array = np.arctan2(np.linalg.norm(np.cross(far, rays_b), axis=1), (far * rays_b).sum(axis=1))
    if distance == 0:
        return nearest
    near = b_from_a.t / distance
    nearest = np.minimum(nearest, np.arctan2(np.linalg.norm(np.cross(near, rays_b), axis=1), rays_b @ near))
    normal = np.cross(far, near)
    length = np.linalg.norm(normal, axis=1)
    within = (np.cross(normal, far) * rays_b).sum(axis=1) >= 0
    within &= (np.cross(near, normal) * rays_b).sum(axis=1) >= 0
    within &= length > 0
    beside = np.abs((normal * rays_b).sum(axis=1)) / np.maximum(length, 1e-300)
    found: Array = np.where(within, np.arcsin(np.minimum(beside, 1)), nearest)
    return found


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, evenly."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).astype(int))]
