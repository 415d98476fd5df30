"""Draws what a calibration rests on: where the corners fell, by how much the fit misses them, and each view's error."""

from collections.abc import Sequence

import cv2
import numpy as np

from recon3d.geometry.arrays import Array
from recon3d.photos.calibrate import CELLS, LensReport, cells

_SIDE = 960
"""Width of the picture of the image [px]."""
_BAR = 22
_MARGIN = 24
_INK = (40, 40, 40)
_SEEN = (214, 232, 214)
_UNSEEN = (244, 214, 206)
_LINE = (190, 190, 190)
_MISS = (200, 40, 40)
_BAR_INK = (70, 110, 180)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_calibration(report: LensReport) -> Array:
    """The picture of a calibration.

    Above, the image: cells that hold corners are green, others red; each corner with its residual, enlarged by a
    round factor that stands beside it. Below, a bar for each view's rms; dropped views are red.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    camera = report.fit.calibration.camera
    scale = _SIDE / camera.width
    image = _image_panel(report, scale, round(camera.height * scale))
    bars = _bars_panel(report)
    title = np.full((3 * _MARGIN, _SIDE, 3), 255, np.uint8)
    rms = report.fit.calibration.rms_px or 0.0
    _write(title, f"{report.fit.model}: rms {rms:.3f} px over {len(report.views)} views", (_MARGIN, 28))
    _write(
        title,
        f"corners in {report.coverage:.0%} of the cells; residuals x {_enlargement(report, scale):g}",
        (_MARGIN, 58),
    )
    return np.concatenate([title, image, bars])


def _image_panel(report: LensReport, scale: float, height: int) -> Array:
    camera = report.fit.calibration.camera
    panel = np.full((height, _SIDE, 3), 255, np.uint8)
    counts = cells(report.views, (camera.width, camera.height))
    columns, rows = CELLS
    for row in range(rows):
        for column in range(columns):
            top_left = (column * _SIDE // columns, row * height // rows)
            bottom_right = ((column + 1) * _SIDE // columns - 1, (row + 1) * height // rows - 1)
            cv2.rectangle(panel, top_left, bottom_right, _SEEN if counts[row, column] else _UNSEEN, cv2.FILLED)
            cv2.rectangle(panel, top_left, bottom_right, _LINE)
    longer = _enlargement(report, scale) * scale
    for view, residuals in zip(report.views, report.fit.residuals, strict=True):
        starts = (view.pixels + 0.5) * scale
        for start, end in zip(_points(starts), _points(starts + longer * residuals), strict=True):
            cv2.circle(panel, start, 2, _INK, cv2.FILLED, cv2.LINE_AA)
            cv2.line(panel, start, end, _MISS, 1, cv2.LINE_AA)
    return panel


def _bars_panel(report: LensReport) -> Array:
    rms = {view.name: float(value) for view, value in zip(report.views, report.fit.view_rms_px, strict=True)}
    rows = sorted({**rms, **report.dropped}.items(), key=lambda item: -item[1])
    panel = np.full((_BAR * len(rows) + 2 * _MARGIN, _SIDE, 3), 255, np.uint8)
    left, longest = _SIDE // 3, max(value for _, value in rows) or 1.0
    for i, (name, value) in enumerate(rows):
        top = _MARGIN + i * _BAR
        dropped = name in report.dropped
        right = left + round((_SIDE - left - 6 * _MARGIN) * value / longest)
        cv2.rectangle(panel, (left, top + 3), (right, top + _BAR - 4), _MISS if dropped else _BAR_INK, cv2.FILLED)
        _write(panel, name if len(name) <= 30 else f"{name[:28]}..", (_MARGIN, top + 16), 0.5)
        _write(panel, f"{value:.3f} px{' dropped' if dropped else ''}", (right + 6, top + 16), 0.45)
    return panel


def _enlargement(report: LensReport, scale: float) -> float:
    """A round factor that makes a usual residual about 12 px long in the picture."""
    usual = (report.fit.calibration.rms_px or 0.0) * scale
    return float(10 ** np.floor(np.log10(max(1.0, 12 / max(usual, 1e-4)))))


def _points(points: Array) -> Sequence[tuple[int, int]]:
    """(N, 2) as OpenCV draws them."""
    return [(round(float(u)), round(float(v))) for u, v in np.clip(points, -1e4, 1e4)]


def _write(panel: Array, text: str, place: tuple[int, int], size: float = 0.6) -> None:
    plain = "".join(c if 32 <= ord(c) < 127 else "?" for c in text)  # OpenCV's font has no other letters
    cv2.putText(panel, plain, place, _FONT, size, _INK, 1, cv2.LINE_AA)
