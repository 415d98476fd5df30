"""Colour values between sRGB and linear light, by the sRGB standard's curve (IEC 61966-2-1)."""

import numpy as np

from recon3d.geometry.arrays import Array


def linear_from_srgb(srgb: Array) -> Array:
    """Linear light in [0, 1], float64, from uint8 sRGB."""
    values = np.arange(256) / 255
    table = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.asarray(table[srgb])


def srgb_from_linear(linear: Array) -> Array:
    """uint8 sRGB from linear light in [0, 1]; values outside are clipped."""
    values = np.clip(np.asarray(linear, np.float64), 0, 1)
    curve = np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(curve * 255), np.uint8)
