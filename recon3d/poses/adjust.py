"""Adjustment: given poses and cameras moved by what the photos' features say, as far as trackers and lenses err."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import bsr_array, csr_array, diags_array
from scipy.sparse.linalg import spsolve
from scipy.spatial.transform import Rotation

from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array, checked

TURN_SIGMA = np.deg2rad(0.3)
"""How far the axes of given poses are off: trackers, and photos that are not quite in step with them [rad]."""
SHIFT_SIGMA = 0.003
"""How far their centres are off, of the median distance of what they see: trackers know places better than axes."""
FOCAL_SIGMA = 0.01
"""How far the logarithm of a given focal length is off: lenses breathe as they focus."""
CENTRE_SIGMA = 0.01
"""How far a given principal point is off, of the focal length."""
PIXEL_SIGMA = 2.0
"""What a feature is worth against what was given [px]: where features are off they are so together, by rolling shutters
and lenses, so that each counts for less than its own noise."""
ROBUST = 2.0
"""Sigmas from which a misfit counts less and less (Cauchy)."""
STEPS = 30
CLOSE = 1e-5
"""Share of the cost by which the last step must better it to go on."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """Points and where N photos of C cameras see them, M observations.

    Attributes:
        world_from_cam: poses of the photos.
        points: (P, 3) float64, in the unit of the poses.
        photo: (M,) int64 index of the photo of each observation.
        point: (M,) int64 index of its point.
        camera: (M,) int64 index of its camera, 0 to C-1.
        xy: (M, 2) float64, x/z and y/z of its ray in the camera frame, as the given camera has it.
        focal: (M,) float64 pixels per unit of `xy` [px].
    """

    world_from_cam: tuple[SE3, ...]
    points: Array
    photo: Array
    point: Array
    camera: Array
    xy: Array
    focal: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", checked("points", self.points, np.float64, ("P", 3)))
        count = len(self.photo)
        for name in ("photo", "point", "camera"):
            object.__setattr__(self, name, checked(name, getattr(self, name), np.int64, (count,)))
        object.__setattr__(self, "xy", checked("xy", self.xy, np.float64, (count, 2)))
        object.__setattr__(self, "focal", checked("focal", self.focal, np.float64, (count,)))


@dataclass(frozen=True, eq=False)
class Adjusted:
    """Poses and cameras after the adjustment.

    Attributes:
        world_from_cam: poses, in the order of the tracks'.
        lenses: (C, 3) float64: logarithm of the focal length's factor, and the shift of the principal point over the
            focal length, x and y.
        gain: by how much minus twice the logarithm of the likelihood falls.
    """

    world_from_cam: tuple[SE3, ...]
    lenses: Array
    gain: float

    @property
    def pays(self) -> bool:
        """Whether the gain is worth the numbers that were moved, by Akaike's criterion."""
        return self.gain > 2 * (6 * len(self.world_from_cam) + self.lenses.size)


def adjusted(tracks: Tracks, given: Sequence[SE3], lenses: Array) -> Adjusted:
    """Bundle adjustment of poses, cameras and points in which what was given counts as measured too.

    The least of Σ ρ(reprojection / PIXEL_SIGMA) + Σ ρ(turn / TURN_SIGMA) + Σ ρ(shift / SHIFT_SIGMA) + Σ (lens /
    sigma)², ρ Cauchy's, so that a photo whose pose is plainly wrong comes free; a photo without features stays where it
    was given. By Levenberg's and Marquardt's method, points eliminated by Schur's complement.

    Args:
        tracks: with the poses to start from, and points triangulated from these.
        given: the poses as they were given, in the same order.
        lenses: (C, 3) to start from, as `Adjusted.lenses`; zeros = as given.

    Source: Triggs et al., Bundle adjustment: a modern synthesis, 2000.
    """
    problem = _Problem.of(tracks, given)
    state = _State(*_stacked(tracks.world_from_cam), lenses, tracks.points)
    cost = problem.cost(state)
    before, damping = cost, 1e-3
    for _ in range(STEPS):
        equations = problem.equations(state)
        while True:
            after = state.moved(*equations.step(damping))
            new_cost = problem.cost(after)
            if new_cost <= cost or damping > 1e6:
                break
            damping *= 10
        if not new_cost <= cost:
            break
        better, state, cost, damping = cost - new_cost, after, new_cost, max(damping / 10, 1e-9)
        if better <= CLOSE * cost:
            break
    poses = tuple(SE3(*pose) for pose in zip(state.R, state.t, strict=True))
    return Adjusted(poses, state.lenses, before - cost)


@dataclass(frozen=True, eq=False)
class _State:
    """What is sought: world_from_cam as R (N, 3, 3) and t (N, 3), lenses (C, 3), points (P, 3)."""

    R: Array
    t: Array
    lenses: Array
    points: Array

    def moved(self, outer: Array, points: Array) -> "_State":
        """The state after a step: (6N + 3C,) of poses and lenses, (3P,) of points."""
        count = len(self.R)
        poses = outer[: 6 * count].reshape(-1, 6)
        turned = self.R @ Rotation.from_rotvec(poses[:, :3]).as_matrix()
        lenses = self.lenses + outer[6 * count :].reshape(-1, 3)
        return _State(turned, self.t + poses[:, 3:], lenses, self.points + points.reshape(-1, 3))


@dataclass(frozen=True, eq=False)
class _Equations:
    """The normal equations of one step; `outer` are the unknowns of poses and lenses, those of points `inner`."""

    outer: csr_array
    mixed: csr_array
    inner: Array
    right_outer: Array
    right_inner: Array

    def step(self, damping: float) -> tuple[Array, Array]:
        """The step of the outer and of the inner unknowns."""
        inner = self.inner * (1 + damping * np.eye(3)) + 1e-9 * np.eye(3)
        count = len(inner)
        inverse = bsr_array((np.linalg.inv(inner), np.arange(count), np.arange(count + 1))).tocsr()
        through = self.mixed @ inverse
        outer = self.outer + diags_array(damping * self.outer.diagonal() + 1e-12)
        found = spsolve((outer - through @ self.mixed.T).tocsc(), self.right_outer - through @ self.right_inner)
        return found, inverse @ (self.right_inner - self.mixed.T @ found)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Tracks, what was given, and the distance that shifts are measured by."""

    tracks: Tracks
    given_R: Array
    given_t: Array
    shift_sigma: float

    @classmethod
    def of(cls, tracks: Tracks, given: Sequence[SE3]) -> "_Problem":
        R, t = _stacked(given)
        centres = np.linalg.norm(tracks.points[tracks.point] - t[tracks.photo], axis=1)
        return cls(tracks, R, t, SHIFT_SIGMA * float(np.median(centres)))

    def cost(self, state: _State) -> float:
        """Minus twice the logarithm of the likelihood."""
        turns, shifts, lenses = self.moves(state)
        robust = (self.misfit(state, self.seen(state)), turns, shifts)
        return float(sum(_rho(part).sum() for part in robust) + (lenses**2).sum())

    def moves(self, state: _State) -> tuple[Array, Array, Array]:
        """Turns (N, 3), shifts (N, 3) and changes of lenses (C, 3), in sigmas."""
        turns = Rotation.from_matrix(self.given_R.transpose(0, 2, 1) @ state.R).as_rotvec() / TURN_SIGMA
        return turns, (state.t - self.given_t) / self.shift_sigma, state.lenses / _LENS_SIGMAS

    def seen(self, state: _State) -> Array:
        """(M, 3) each observed point in the frame of the camera that sees it; none behind it."""
        away = state.points[self.tracks.point] - state.t[self.tracks.photo]
        q: Array = np.einsum("mji,mj->mi", state.R[self.tracks.photo], away)
        q[:, 2] = np.maximum(q[:, 2], 1e-6)
        return q

    def misfit(self, state: _State, q: Array) -> Array:
        """(M, 2) reprojection errors in sigmas."""
        lens = state.lenses[self.tracks.camera]
        xy = np.exp(lens[:, :1]) * q[:, :2] / q[:, 2:] + lens[:, 1:]
        found: Array = (xy - self.tracks.xy) * (self.tracks.focal / PIXEL_SIGMA)[:, None]
        return found

    def equations(self, state: _State) -> _Equations:
        """The normal equations about a state, each misfit weighted by what Cauchy leaves of it."""
        tracks, count = self.tracks, len(state.R)
        q, observations = self.seen(state), len(tracks.photo)
        lens = state.lenses[tracks.camera]
        misfit = self.misfit(state, q)
        root = np.sqrt(_weight(misfit))
        unit = root * tracks.focal / PIXEL_SIGMA
        zoom = unit * np.exp(lens[:, 0]) / q[:, 2]
        by_q = np.zeros((observations, 2, 3))
        by_q[:, 0, 0] = by_q[:, 1, 1] = zoom
        by_q[:, :, 2] = -zoom[:, None] * q[:, :2] / q[:, 2:]
        by_point = by_q @ state.R[tracks.photo].transpose(0, 2, 1)
        by_lens = np.zeros((observations, 2, 3))
        by_lens[:, :, 0] = zoom[:, None] * q[:, :2]
        by_lens[:, 0, 1] = by_lens[:, 1, 2] = unit
        # six columns of the photo's pose, three of its camera: blocks of three columns
        blocks = np.stack([by_q @ _cross(q), -by_point, by_lens], axis=1).reshape(-1, 2, 3)
        columns = np.stack([2 * tracks.photo, 2 * tracks.photo + 1, 2 * count + tracks.camera], axis=1).ravel()
        width = 2 * count + len(state.lenses)
        outer = _sparse(blocks, columns, 3, width)
        inner = _sparse(by_point, tracks.point, 1, len(state.points))
        right = (misfit * root[:, None]).ravel()
        within = np.zeros((len(state.points), 3, 3))
        np.add.at(within, tracks.point, by_point.transpose(0, 2, 1) @ by_point)
        prior, pull = self._prior(state)
        return _Equations(
            (outer.T @ outer + diags_array(prior)).tocsr(),
            (outer.T @ inner).tocsr(),
            within,
            -(outer.T @ right) - pull,
            -(inner.T @ right),
        )

    def _prior(self, state: _State) -> tuple[Array, Array]:
        """(6N + 3C,) diagonal and gradient of what was given."""
        turns, shifts, lenses = self.moves(state)
        sigmas = np.repeat([TURN_SIGMA, self.shift_sigma], 3)
        trust = np.repeat(np.stack([_weight(turns), _weight(shifts)], axis=1), 3, axis=1)
        poses = np.concatenate([turns, shifts], axis=1)
        diagonal = np.concatenate([(trust / sigmas**2).ravel(), np.tile(1 / _LENS_SIGMAS**2, len(lenses))])
        return diagonal, np.concatenate([(trust * poses / sigmas).ravel(), (lenses / _LENS_SIGMAS).ravel()])


_LENS_SIGMAS = np.array([FOCAL_SIGMA, CENTRE_SIGMA, CENTRE_SIGMA])


def _sparse(blocks: Array, columns: Array, per_row: int, width: int) -> csr_array:
    """(2M, 3 width) with `per_row` blocks (2, 3) in each of M rows of blocks."""
    rows = len(blocks) // per_row
    return bsr_array((blocks, columns, np.arange(rows + 1) * per_row), shape=(2 * rows, 3 * width)).tocsr()


def _stacked(poses: Sequence[SE3]) -> tuple[Array, Array]:
    """(N, 3, 3) rotations and (N, 3) centres."""
    return np.stack([pose.R for pose in poses]), np.stack([pose.t for pose in poses])


def _rho(misfits: Array) -> Array:
    """(M,) Cauchy's loss of (M, K) misfits in sigmas."""
    found: Array = ROBUST**2 * np.log1p((misfits**2).sum(axis=1) / ROBUST**2)
    return found


def _weight(misfits: Array) -> Array:
    """(M,) what it leaves of their squares' weight."""
    found: Array = 1 / (1 + (misfits**2).sum(axis=1) / ROBUST**2)
    return found


def _cross(v: Array) -> Array:
    """(M, 3, 3) matrices of the cross product v x."""
    zero = np.zeros(len(v))
    x, y, z = v.T
    return np.stack([np.stack(row, axis=-1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))], axis=1)
