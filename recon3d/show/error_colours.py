"""Errors as colours: dark where there is none, brighter the larger it is, red beyond the limit."""

import cv2
import numpy as np

from recon3d.geometry.arrays import Array

BEYOND = (214, 39, 40)
"""Colour of errors beyond the limit, sRGB."""


def error_colours(errors_m: Array, limit_m: float) -> Array:
    """(N, 3) uint8 sRGB of errors (N,) [m]; from 0 to the limit the lightness rises evenly, also in grey."""
    share = np.clip(errors_m / limit_m, 0, 1)
    shades = cv2.applyColorMap((255 * share).round().astype(np.uint8).reshape(-1, 1), cv2.COLORMAP_CIVIDIS)
    colours = shades.reshape(-1, 3)[:, ::-1]
    found: Array = np.where((errors_m > limit_m)[:, None], np.array(BEYOND, np.uint8), colours)
    return found
