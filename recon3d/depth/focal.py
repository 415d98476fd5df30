"""Focal correction: what a network that never sees the focal length makes of photos by another lens."""

import dataclasses

import numpy as np

from recon3d.depth.model import DepthPrediction, Head
from recon3d.geometry.camera import Calibration, Camera

FACTOR_MIN, FACTOR_MAX = 0.5, 2.0
"""Corrections are kept within these: beyond them the photo is so unlike the training's that no rule holds."""

CHOICES = ("off", "on", "auto")


def focal_factor(camera: Camera, head: Head | None) -> float | None:
    """What depth is to be multiplied by for the photo's focal length; None where the network has no need of it.

    A network that never sees the focal length takes size in the image for nearness: photos by a lens twice as long
    look twice as near to it. Source: Yin et al., Metric3D (arXiv 2307.10984), section 3.1.
    """
    if head is None or head.focal_px is None:
        return None
    return min(max(camera.fx / head.focal_px, FACTOR_MIN), FACTOR_MAX)


def applies(choice: str, calibration: Calibration) -> bool:
    """Whether a photo's depth is corrected: with "auto" where its focal length is known and not guessed."""
    return choice == "on" or (choice == "auto" and calibration.source != "guess")


def scaled(prediction: DepthPrediction, factor: float) -> DepthPrediction:
    """The prediction with depth and sigma multiplied by a factor."""
    by = np.float32(factor)
    sigma = None if prediction.sigma is None else prediction.sigma * by
    return dataclasses.replace(prediction, values=prediction.values * by, sigma=sigma)
