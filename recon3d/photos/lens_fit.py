"""Fits a camera and its lens to views of a flat board, by least squares over corners, with parameter covariances."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recon3d.errors import InputError, StageError
from recon3d.geometry.arrays import Array, checked
from recon3d.geometry.camera import Calibration, Camera

LENS_MODELS: dict[str, tuple[str, ...]] = {
    "pinhole": (),
    "opencv4": ("k1", "k2", "p1", "p2"),
    "opencv5": ("k1", "k2", "p1", "p2", "k3"),
    "fisheye": ("k1", "k2", "k3", "k4"),
    "opencv8": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
}
"""Distortion coefficients of each model in OpenCV's order; simpler models first."""

_START_FOCALS = (1.2, 0.8, 0.5, 0.33)
"""Focal lengths tried as a start, as a share of the longer side: fields of view of 45° to that of a fisheye."""
_MAX_STEPS = 200
_SETTLED = 1e-8
"""The fit ends when a nearly undamped step lowers the sum of squares by less than this share."""
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


@dataclass(frozen=True)
class Held:
    """What the fit keeps as it is.

    Attributes:
        aspect: fx = fy.
        principal_point: the image centre.
        k3: zero.
    """

    aspect: bool = False
    principal_point: bool = False
    k3: bool = False


@dataclass(frozen=True, eq=False)
class LensFit:
    """A fitted camera.

    Attributes:
        model: a key of `LENS_MODELS`.
        calibration: the camera; its `rms_px` is that of this fit.
        names: parameters in the order of `covariance`: fx, fy, cx, cy and the model's coefficients.
        covariance: (P, P) of the parameters, from the residuals; zero where a parameter was held.
        poses: (V, 6) rotation vector and translation [m] of cam_from_board, per view.
        residuals: per view (N, 2), model minus photo [px].
    """

    model: str
    calibration: Calibration
    names: tuple[str, ...]
    covariance: Array
    poses: Array
    residuals: tuple[Array, ...]

    @property
    def view_rms_px(self) -> Array:
        """(V,) root mean square distance of each view's corners [px]."""
        return np.array([_rms(residual) for residual in self.residuals])

    @property
    def sigmas(self) -> dict[str, float]:
        """Standard deviation of each parameter, in its own unit; 0 where it was held."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))


def fit_lens(
    views: Sequence[BoardView], size: tuple[int, int], model: str, held: Held, start: LensFit | None = None
) -> LensFit:
    """The camera that draws the boards nearest to where the photos show them.

    Levenberg-Marquardt over the camera and every board's pose, the poses eliminated by their Schur complement
    (Triggs et al. 2000, "Bundle adjustment: a modern synthesis", section 6.1). The distance is in pixels of the photo
    as the lens drew it.

    Args:
        views: two or more.
        size: (width, height) of the photos [px].
        model: a key of `LENS_MODELS`.
        held: what stays as it is.
        start: a fit of the same model nearby, where there is one; else several focal lengths are tried.

    Raises:
        StageError: no camera explains the views.
    """
    if model not in LENS_MODELS:
        raise InputError(f"lens model: got {model!r}, wanted one of {', '.join(LENS_MODELS)}")
    free = _free_parameters(model, held)
    if start is not None:
        starts = [_parameters(start)]
    elif model == "opencv8":  # from afar, the pole of its fraction ends up inside the image
        starts = [np.pad(_parameters(fit_lens(views, size, "opencv5", held)), (0, 3))]
    else:
        starts = [_start(size, focal, model) for focal in (*_START_FOCALS, *_zhang(views, size))]
    candidates = [_solved(views, parameters, free, model, steps=8) for parameters in starts]
    best = min(candidates, key=lambda found: found[2])
    parameters, poses, _ = _solved(views, best[0], free, model, steps=_MAX_STEPS, poses=best[1])
    residuals, camera_jacobians, pose_jacobians = _linearised(views, parameters, poses, model)
    rms = _rms(np.concatenate(residuals))
    camera = _camera(size, parameters, rms)
    spare = 2 * sum(map(len, residuals)) - free.shape[1] - poses.size
    variance = sum(float((r**2).sum()) for r in residuals) / max(spare, 1)
    covariance = variance * free @ _inverse(_reduced(camera_jacobians, pose_jacobians, free)) @ free.T
    return LensFit(
        model,
        Calibration(camera, _kind(model), tuple(parameters[4:]), rms, "calib file"),
        ("fx", "fy", "cx", "cy", *LENS_MODELS[model]),
        covariance,
        poses,
        tuple(residuals),
    )


def residuals_of(view: BoardView, fit: LensFit) -> Array:
    """(N, 2) model minus photo of a view that the fit need not have seen, its board's pose fitted [px]."""
    parameters = _parameters(fit)
    frozen = np.zeros((len(parameters), 0))
    _, poses, _ = _solved([view], parameters, frozen, fit.model, steps=50)
    return _linearised([view], parameters, poses, fit.model)[0][0]


def ray_sigma_px(fit: LensFit, rays: Array) -> Array:
    """How surely the fit knows where rays are drawn.

    Args:
        fit: with its covariance.
        rays: (N, 3) points in the camera frame.

    Returns:
        (N,) standard deviation along the worse direction [px].
    """
    _, jacobian, _ = _projected(rays, np.zeros(6), _parameters(fit), fit.model)
    blocks = jacobian.reshape(len(rays), 2, -1)
    spread = np.linalg.eigvalsh(blocks @ fit.covariance @ blocks.transpose(0, 2, 1))[:, -1]
    return np.sqrt(np.maximum(spread, 0))


def _solved(
    views: Sequence[BoardView], parameters: Array, free: Array, model: str, *, steps: int, poses: Array | None = None
) -> tuple[Array, Array, float]:
    """Parameters, poses and the sum of squares after at most `steps` steps down."""
    if poses is None:
        poses = np.stack([_pose(view, parameters, model) for view in views])
    residuals, by_camera, by_pose = _linearised(views, parameters, poses, model)
    cost, damping = _squares(residuals), 1e-3
    for _ in range(steps):
        step, pose_steps = _step(residuals, by_camera, by_pose, free, damping)
        tried, tried_poses = parameters + free @ step, poses + pose_steps
        new = _linearised(views, tried, tried_poses, model) if (tried[:2] > 0).all() else None
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
        solved = np.linalg.solve(V, np.column_stack([W.T, B.T @ r]))
        normal += _damped(A.T @ A, damping) - W @ solved[:, :size]
        right -= A.T @ r - W @ solved[:, size]
        eliminated.append(solved)
    step = np.linalg.lstsq(normal, right, rcond=None)[0] if size else right
    return step, np.stack([-(solved[:, size] + solved[:, :size] @ step) for solved in eliminated])


def _damped(normal: Array, damping: float) -> Array:
    diagonal = np.diag(normal)
    return normal + np.diag(damping * diagonal + 1e-12 * (1 + diagonal))


def _reduced(by_camera: list[Array], by_pose: list[Array], free: Array) -> Array:
    """The information about the free parameters, what the poses can explain away taken out."""
    total = np.zeros((free.shape[1], free.shape[1]))
    for full, B in zip(by_camera, by_pose, strict=True):
        A = full @ free
        rest = A - B @ np.linalg.lstsq(B, A, rcond=None)[0]
        total += rest.T @ rest
    return total


def _inverse(information: Array) -> Array:
    """Its inverse; what it knows nothing about gets a huge, finite variance."""
    scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    inverse = (vectors / np.maximum(values, 1e-14)) @ vectors.T
    return np.asarray(inverse / np.outer(scale, scale))


def _linearised(
    views: Sequence[BoardView], parameters: Array, poses: Array, model: str
) -> tuple[list[Array], list[Array], list[Array]]:
    """Per view the residuals (N, 2) and their derivatives by the parameters (2N, P) and by the pose (2N, 6)."""
    residuals, by_camera, by_pose = [], [], []
    for view, pose in zip(views, poses, strict=True):
        drawn, camera_jacobian, pose_jacobian = _projected(view.board, pose, parameters, model)
        residuals.append(drawn - view.pixels)
        by_camera.append(camera_jacobian)
        by_pose.append(pose_jacobian)
    return residuals, by_camera, by_pose


def _projected(board: Array, pose: Array, parameters: Array, model: str) -> tuple[Array, Array, Array]:
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


def _zhang(views: Sequence[BoardView], size: tuple[int, int]) -> tuple[float, ...]:
    """The focal length of Zhang's closed form as a share of the longer side, where it gives one."""
    boards = [view.board.astype(np.float32) for view in views]
    pixels = [view.pixels.astype(np.float32) for view in views]
    try:
        focal = float(cv2.initCameraMatrix2D(boards, pixels, size)[0, 0]) / max(size)
    except cv2.error:
        return ()
    return (focal,) if 0.1 < focal < 20 else ()


def _start(size: tuple[int, int], focal: float, model: str) -> Array:
    f = focal * max(size)
    return np.array([f, f, (size[0] - 1) / 2, (size[1] - 1) / 2, *(0.0 for _ in LENS_MODELS[model])])


def _free_parameters(model: str, held: Held) -> Array:
    """(P, F) 0/1: which parameters each free number moves; with the aspect held one number moves fx and fy."""
    names = ("fx", "fy", "cx", "cy", *LENS_MODELS[model])
    fixed = {"cx", "cy"} if held.principal_point else set()
    fixed |= {"k3"} if held.k3 else set()
    groups = [{"fx", "fy"}] if held.aspect else [{"fx"}, {"fy"}]
    groups += [{name} for name in names[2:] if name not in fixed]
    return np.array([[float(name in group) for group in groups] for name in names])


def _camera(size: tuple[int, int], parameters: Array, rms: float) -> Camera:
    try:
        return Camera(*size, *map(float, parameters[:4]))
    except InputError as error:
        raise StageError(
            f"calibration: the best fit to the boards (rms {rms:.2f} px) is no camera ({error}); photograph the board "
            "tilted by 20° to 45° in several directions, or hold more: --fix-aspect --fix-principal-point"
        ) from error


def _parameters(fit: LensFit) -> Array:
    camera = fit.calibration.camera
    return np.array([camera.fx, camera.fy, camera.cx, camera.cy, *fit.calibration.distortion])


def _matrix(parameters: Array) -> Array:
    fx, fy, cx, cy = parameters[:4]
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def _kind(model: str) -> str:
    return "opencv" if model.startswith("opencv") else model


def _squares(residuals: list[Array]) -> float:
    total = float(sum((residual**2).sum() for residual in residuals))
    return total if np.isfinite(total) else np.inf


def _rms(residuals: Array) -> float:
    return float(np.sqrt((residuals**2).sum(axis=1).mean()))
