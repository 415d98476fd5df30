"""Moves a camera's parameters and the poses of flat boards until the boards are drawn where the photos show them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array, checked

LENS_MODELS: dict[str, tuple[str, ...]] = {
    "pinhole": (),
    "opencv4": ("k1", "k2", "p1", "p2"),
    "opencv5": ("k1", "k2", "p1", "p2", "k3"),
    "fisheye": ("k1", "k2", "k3", "k4"),
    "opencv8": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
}
"""Distortion coefficients of each model in OpenCV's order; simpler models first."""

_SETTLED = 1e-8
"""The work ends when a nearly undamped step lowers the sum of squares by less than this share."""
_WIDE = 5.0
"""Rays farther from the axis than this at z = 1 don't help to start a pose."""


@dataclass(frozen=True, eq=False)
class BoardView:
    """One photo's board.

    Attributes:
        name: of the photo.
        board: (N, 3) corners on the board, z = 0 [m].
        pixels: (N, 2) where the photo shows them (u, v), pixel centres at integers [px].
    """

    name: str
    board: Array
    pixels: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "board", checked(f"{self.name}: board", self.board, np.float64, ("N", 3)))
        object.__setattr__(self, "pixels", checked(f"{self.name}: pixels", self.pixels, np.float64, ("N", 2)))
        if len(self.board) != len(self.pixels):
            raise InputError(f"{self.name}: got {len(self.board)} board corners for {len(self.pixels)} pixels")


def solved(
    views: Sequence[BoardView], parameters: Array, free: Array, model: str, *, steps: int, poses: Array | None = None
) -> tuple[Array, Array, float]:
    """Levenberg-Marquardt, the poses eliminated by their Schur complement.

    Triggs et al. 2000, "Bundle adjustment: a modern synthesis", section 6.1.

    Args:
        views: at least one.
        parameters: (P,) to start from: fx, fy, cx, cy [px] and the model's coefficients.
        free: (P, F) how the free numbers move the parameters; F may be 0.
        model: a key of `LENS_MODELS`.
        steps: at most this many are tried.
        poses: (V, 6) to start from; None = from the rays that the parameters give.

    Returns:
        Parameters; poses, (V, 6) rotation vector and translation of cam_from_board [m]; the sum of squares [px²].
    """
    if poses is None:
        poses = np.stack([_pose(view, parameters, model) for view in views])
    residuals, by_camera, by_pose = linearised(views, parameters, poses, model)
    cost, damping = _squares(residuals), 1e-3
    for _ in range(steps):
        step, pose_steps = _step(residuals, by_camera, by_pose, free, damping)
        tried, tried_poses = parameters + free @ step, poses + pose_steps
        new = linearised(views, tried, tried_poses, model) if (tried[:2] > 0).all() else None
        new_cost = _squares(new[0]) if new else np.inf
        if new is None or not new_cost < cost:
            damping *= 8
            if damping > 1e12:
                break
            continue
        settled = cost - new_cost <= _SETTLED * cost and damping < 1e-2
        parameters, poses, cost, damping = tried, tried_poses, new_cost, max(damping / 5, 1e-12)
        residuals, by_camera, by_pose = new
        if settled:
            break
    return parameters, poses, cost


def _step(
    residuals: list[Array], by_camera: list[Array], by_pose: list[Array], free: Array, damping: float
) -> tuple[Array, Array]:
    """One damped Gauss-Newton step: of the free parameters and, (V, 6), of the poses."""
    size = free.shape[1]
    normal, right = np.zeros((size, size)), np.zeros(size)
    eliminated = []
    for residual, full, B in zip(residuals, by_camera, by_pose, strict=True):
        A, r = full @ free, residual.ravel()
        V, W = _damped(B.T @ B, damping), A.T @ B
        answer = np.linalg.solve(V, np.column_stack([W.T, B.T @ r]))
        normal += _damped(A.T @ A, damping) - W @ answer[:, :size]
        right -= A.T @ r - W @ answer[:, size]
        eliminated.append(answer)
    step = np.linalg.lstsq(normal, right, rcond=None)[0] if size else right
    return step, np.stack([-(answer[:, size] + answer[:, :size] @ step) for answer in eliminated])


def _damped(normal: Array, damping: float) -> Array:
    diagonal = np.diag(normal)
    return normal + np.diag(damping * diagonal + 1e-12 * (1 + diagonal))


def linearised(
    views: Sequence[BoardView], parameters: Array, poses: Array, model: str
) -> tuple[list[Array], list[Array], list[Array]]:
    """Per view the residuals (N, 2) and their derivatives by the parameters (2N, P) and by the pose (2N, 6)."""
    residuals, by_camera, by_pose = [], [], []
    for view, pose in zip(views, poses, strict=True):
        drawn, camera_jacobian, pose_jacobian = projected(view.board, pose, parameters, model)
        residuals.append(drawn - view.pixels)
        by_camera.append(camera_jacobian)
        by_pose.append(pose_jacobian)
    return residuals, by_camera, by_pose


def projected(board: Array, pose: Array, parameters: Array, model: str) -> tuple[Array, Array, Array]:
    """Pixels (N, 2), and their derivatives by the parameters (2N, P) and by the pose (2N, 6)."""
    K, coefficients = _matrix(parameters), parameters[4:]
    points, turn, shift = board[:, None], pose[:3], pose[3:]
    if model == "fisheye":
        drawn, jacobian = cv2.fisheye.projectPoints(points, turn, shift, K, coefficients)
        return drawn.reshape(-1, 2), jacobian[:, :8], jacobian[:, 8:14]
    drawn, jacobian = cv2.projectPoints(points, turn, shift, K, coefficients if len(coefficients) else None)
    return drawn.reshape(-1, 2), jacobian[:, 6 : 6 + len(parameters)], jacobian[:, :6]


def _pose(view: BoardView, parameters: Array, model: str) -> Array:
    """(6,) a pose of the board to start from, from the rays that the parameters give its corners."""
    undo = cv2.fisheye.undistortPoints if model == "fisheye" else cv2.undistortPoints
    coefficients = parameters[4:] if len(parameters) > 4 else None
    rays = undo(np.ascontiguousarray(view.pixels[:, None]), _matrix(parameters), coefficients).reshape(-1, 2)
    good = np.isfinite(rays).all(axis=1) & (np.abs(rays) < _WIDE).all(axis=1)
    if good.sum() < 4:
        good[:] = True
        rays = np.clip(np.nan_to_num(rays), -_WIDE, _WIDE)
    try:
        found, turn, shift = cv2.solvePnP(view.board[good], rays[good], np.eye(3), None, flags=cv2.SOLVEPNP_IPPE)
    except cv2.error:
        found = False
    if not found or not (np.isfinite(turn).all() and np.isfinite(shift).all()) or shift[2, 0] <= 0:
        extent = float(np.ptp(view.board, axis=0).max())
        return np.array([0.0, 0.0, 0.0, 0.0, 0.0, 2 * extent])
    return np.concatenate([turn.ravel(), shift.ravel()])


def _matrix(parameters: Array) -> Array:
    fx, fy, cx, cy = parameters[:4]
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def _squares(residuals: list[Array]) -> float:
    total = float(sum((residual**2).sum() for residual in residuals))
    return total if np.isfinite(total) else np.inf
