"""How far off a depth may be where its source doesn't say."""

import numpy as np

from recon3d.geometry.arrays import Array

NETWORK_RELATIVE = 0.1
"""Sigma of a network's depth that nothing was measured against, as a share of the depth."""
SENSOR_M, SENSOR_PER_M = 0.01, 0.003


def default_sigma(depth: Array, *, sensor: bool, relative: float = NETWORK_RELATIVE) -> Array:
    """One standard deviation of each depth, (H, W) float32 [m]; 0 where there is no depth.

    Args:
        depth: (H, W) [m].
        sensor: recorded by a depth sensor: 1 cm + 0.3 % z², the growth of structured light with distance
            (Khoshelham and Elberink 2012); else a network's.
        relative: sigma of a network's depth, as a share of the depth.
    """
    sigma = SENSOR_M + SENSOR_PER_M * depth**2 if sensor else relative * depth
    return np.where(depth > 0, sigma, 0).astype(np.float32)
