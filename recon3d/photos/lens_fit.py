"""Fits a camera and its lens to views of a flat board, by least squares over corners, with parameter covariances."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recon3d.errors import InputError, StageError
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Calibration, Camera
from recon3d.photos.board_bundle import LENS_MODELS, BoardView, linearised, projected, solved

_START_FOCALS = (1.2, 0.8, 0.5, 0.33)
"""Focal lengths tried as a start, as a share of the longer side: fields of view of 45° to that of a fisheye."""
_MAX_STEPS = 200


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

    Least squares in pixels of the photo as the lens drew it, over the camera and every board's pose.

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
    candidates = [solved(views, parameters, free, model, steps=8) for parameters in starts]
    best = min(candidates, key=lambda found: found[2])
    parameters, poses, _ = solved(views, best[0], free, model, steps=_MAX_STEPS, poses=best[1])
    residuals, camera_jacobians, pose_jacobians = linearised(views, parameters, poses, model)
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
    _, poses, _ = solved([view], parameters, frozen, fit.model, steps=50)
    return linearised([view], parameters, poses, fit.model)[0][0]


def ray_sigma_px(fit: LensFit, rays: Array) -> Array:
    """How surely the fit knows where rays are drawn.

    Args:
        fit: with its covariance.
        rays: (N, 3) points in the camera frame.

    Returns:
        (N,) standard deviation along the worse direction [px].
    """
    _, jacobian, _ = projected(rays, np.zeros(6), _parameters(fit), fit.model)
    blocks = jacobian.reshape(len(rays), 2, -1)
    spread = np.linalg.eigvalsh(blocks @ fit.covariance @ blocks.transpose(0, 2, 1))[:, -1]
    return np.sqrt(np.maximum(spread, 0))


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


def _kind(model: str) -> str:
    return "opencv" if model.startswith("opencv") else model


def _rms(residuals: Array) -> float:
    return float(np.sqrt((residuals**2).sum(axis=1).mean()))
