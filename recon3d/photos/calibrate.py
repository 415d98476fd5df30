"""Calibrates a camera from views of a board: which lens model, which views count, and how far to trust the result."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recon3d.errors import StageError
from recon3d.geometry.arrays import Array
from recon3d.photos.board_bundle import LENS_MODELS, BoardView
from recon3d.photos.lens_fit import Held, LensFit, fit_lens, ray_sigma_px, residuals_of
from recon3d.photos.undistort import undistort_pixels

MIN_VIEWS = 3
CELLS = (10, 8)
"""The image is cut into this many columns and rows to say how much of it the boards cover."""

_FOLDS = 5
_AS_GOOD = 1.05
"""A simpler model is taken where its error on held-out views is within this factor of the best."""
_OUTLIER = 3.0
"""A view whose rms is more than this times the median of all views is dropped."""
_MAX_DROPPED = 1 / 3
_SAME_POSE_DEG = 3.0
"""Boards whose normals stay this near their mean count as one pose [degrees]."""
_HOPELESS = 0.05
"""A standard deviation of the focal length above this share is no calibration."""
_UNSURE_FOCAL = 0.005
_UNSURE_CENTRE = 0.01
_UNSURE_RAY = 0.003
"""Standard deviations worth a warning: of the focal lengths as a share of them; of the principal point, and of rays to
the corners of the image, as a share of its diagonal."""
_THIN_COVER = 0.5


@dataclass(frozen=True, eq=False)
class LensReport:
    """A calibration and what speaks for it.

    Attributes:
        fit: the camera, from the views kept.
        views: those kept.
        dropped: rms by name of the views that don't fit the others [px].
        held_out_px: by model, the median rms of views that the fit had not seen [px]; empty where the model was named.
        coverage: share of the image's cells that hold a corner.
        tilt_deg: largest angle between a board's normal and their mean [degrees].
        corner_sigma_px: how surely the rays to the image's corners are known, the worst [px].
        warnings: what the photos can't determine, one line each.
    """

    fit: LensFit
    views: tuple[BoardView, ...]
    dropped: dict[str, float]
    held_out_px: dict[str, float]
    coverage: float
    tilt_deg: float
    corner_sigma_px: float
    warnings: tuple[str, ...]


def calibrate(
    views: Sequence[BoardView],
    size: tuple[int, int],
    *,
    model: str | None = None,
    held: Held | None = None,
    keep_outliers: bool = False,
) -> LensReport:
    """Calibrates a camera.

    Args:
        views: of one board, from one camera.
        size: (width, height) of all photos [px].
        model: a key of `LENS_MODELS`; None = the simplest that foretells held-out views as well as any.
        held: parameters that stay as they are.
        keep_outliers: don't drop views that don't fit the others.

    Raises:
        StageError: fewer than `MIN_VIEWS` views, or boards whose poses don't determine the camera.
    """
    held = held or Held()
    if len(views) < MIN_VIEWS:
        raise StageError(
            f"calibration: got {len(views)} photos that show the board, wanted at least {MIN_VIEWS}; take 10 to 20, "
            "the board tilted in several directions and near every corner of the image"
        )
    held_out: dict[str, float] = {}
    chosen = model
    if chosen is None:
        chosen, held_out = _choice(views, size, held, keep_outliers)
    fit, kept, dropped = _fit_dropping(views, size, chosen, held, keep_outliers)
    if model is None and dropped:
        chosen, held_out = _choice(kept, size, held, keep_outliers=True)
        fit, kept, dropped = _fit_dropping(views, size, chosen, held, keep_outliers)
    tilt_deg = _tilt_deg(fit)
    _check_determined(fit, held, tilt_deg)
    coverage = float((cells(kept, size) > 0).mean())
    corner_sigma_px = _corner_sigma_px(fit)
    warnings = _warnings(fit, len(kept), coverage, corner_sigma_px)
    return LensReport(fit, tuple(kept), dropped, held_out, coverage, tilt_deg, corner_sigma_px, tuple(warnings))


def cells(views: Sequence[BoardView], size: tuple[int, int]) -> Array:
    """(rows, columns) int: how many corners each cell of the image holds; see `CELLS`."""
    pixels = np.concatenate([view.pixels for view in views]) + 0.5
    counts, _, _ = np.histogram2d(pixels[:, 1], pixels[:, 0], bins=CELLS[::-1], range=((0, size[1]), (0, size[0])))
    return np.asarray(counts, np.int64)


def _choice(
    views: Sequence[BoardView], size: tuple[int, int], held: Held, keep_outliers: bool
) -> tuple[str, dict[str, float]]:
    """The model to use, and the error of each on views that its fit had not seen."""
    errors = {}
    for model in LENS_MODELS:
        try:
            errors[model] = _held_out_px(views, size, model, held, keep_outliers)
        except StageError:  # this model fits no camera to some of the views
            continue
    if not errors:
        fit_lens(views, size, "opencv5", held)
        raise StageError(
            "calibration: no lens model explains the boards; are they of one camera, at one zoom, and flat?"
        )
    best = min(errors.values())
    return next(model for model, error in errors.items() if error <= _AS_GOOD * best), errors


def _held_out_px(
    views: Sequence[BoardView], size: tuple[int, int], model: str, held: Held, keep_outliers: bool
) -> float:
    """Median over views of the rms that a fit to other views gives them [px]."""
    whole = _fit_dropping(views, size, model, held, keep_outliers)[0]
    folds = min(_FOLDS, len(views))
    errors = []
    for fold in range(folds):
        rest = [view for i, view in enumerate(views) if i % folds != fold]
        start = whole if len(rest) >= MIN_VIEWS else None
        fit = _fit_dropping(rest, size, model, held, keep_outliers, start)[0]
        errors += [_rms(residuals_of(view, fit)) for view in views[fold::folds]]
    return float(np.median(errors))


def _fit_dropping(
    views: Sequence[BoardView],
    size: tuple[int, int],
    model: str,
    held: Held,
    keep_outliers: bool,
    start: LensFit | None = None,
) -> tuple[LensFit, list[BoardView], dict[str, float]]:
    """The fit, the views it keeps, and the rms of those dropped, judged by the fit without them."""
    kept = list(views)
    gone: list[BoardView] = []
    fit = fit_lens(kept, size, model, held, start)
    most = 0 if keep_outliers else int(len(views) * _MAX_DROPPED)
    while len(gone) < most and len(kept) > MIN_VIEWS:
        rms = fit.view_rms_px
        worst = int(rms.argmax())
        if rms[worst] <= _OUTLIER * np.median(rms):
            break
        gone.append(kept.pop(worst))
        fit = fit_lens(kept, size, model, held)
    return fit, kept, {view.name: _rms(residuals_of(view, fit)) for view in gone}


def _tilt_deg(fit: LensFit) -> float:
    normals = np.stack([cv2.Rodrigues(pose[:3])[0][:, 2] for pose in fit.poses])
    normals *= np.where(normals[:, 2:] < 0, -1, 1)
    mean = normals.mean(axis=0)
    return float(np.degrees(np.arccos(np.clip(normals @ mean / np.linalg.norm(mean), -1, 1)).max()))


def _check_determined(fit: LensFit, held: Held, tilt_deg: float) -> None:
    advice = "photograph the board tilted by 20° to 45° to the left, right, up and down"
    if tilt_deg < _SAME_POSE_DEG and not (held.aspect and held.principal_point):
        raise StageError(
            f"calibration: the {len(fit.poses)} boards are all in one pose (tilts differ by {tilt_deg:.1f}°, wanted "
            f"20° or more), which leaves the focal length open; {advice}"
        )
    focal, sigma = fit.calibration.camera.fx, fit.sigmas["fx"]
    if sigma > _HOPELESS * focal:
        raise StageError(
            f"calibration: the boards leave the focal length open (fx {focal:.0f} ± {sigma:.0f} px); {advice}"
        )


def _corner_sigma_px(fit: LensFit) -> float:
    """The worst of the rays to the image's four corners, or as near to them as the lens model reaches [px]."""
    camera = fit.calibration.camera
    corners = np.array([[u, v] for u in (0, camera.width - 1) for v in (0, camera.height - 1)], np.float64)
    centre = np.array([camera.cx, camera.cy])
    for share in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5):
        pinhole = undistort_pixels(centre + share * (corners - centre), fit.calibration)
        if np.isfinite(pinhole).all():
            rays = np.column_stack([(pinhole - centre) / [camera.fx, camera.fy], np.ones(len(pinhole))])
            return float(ray_sigma_px(fit, rays).max())
    return float("inf")


def _warnings(fit: LensFit, views: int, coverage: float, corner_sigma_px: float) -> list[str]:
    camera, sigmas = fit.calibration.camera, fit.sigmas
    diagonal = float(np.hypot(camera.width, camera.height))
    found = []
    for name, value in (("fx", camera.fx), ("fy", camera.fy)):
        if sigmas[name] > _UNSURE_FOCAL * value:
            found.append(f"{name} is known to ± {sigmas[name]:.1f} px only; tilt the board more (20° to 45°)")
    for name in ("cx", "cy"):
        if sigmas[name] > _UNSURE_CENTRE * diagonal:
            found.append(
                f"{name} is known to ± {sigmas[name]:.1f} px only; tilt the board in more directions, or "
                "--fix-principal-point"
            )
    if not corner_sigma_px <= _UNSURE_RAY * diagonal:
        found.append(
            f"distortion at the image's corners is known to ± {corner_sigma_px:.1f} px only; bring the board there, or "
            "use a model with fewer coefficients"
        )
    if coverage < _THIN_COVER:
        found.append(f"corners cover {coverage:.0%} of the image only; bring the board to its edges and corners")
    if views < 2 * MIN_VIEWS:
        found.append(f"{views} views are few; 10 to 20 make the figures trustworthy")
    return found


def _rms(residuals: Array) -> float:
    return float(np.sqrt((residuals**2).sum(axis=1).mean()))
