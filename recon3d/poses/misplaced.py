"""Misplaced photos: those whose given pose the features that they share with others contradict, where others' fit."""

from collections.abc import Mapping, Sequence

import numpy as np

from recon3d.geometry import SE3
from recon3d.poses.pose_check import Matches, misses

FAR_OFF = 3.5
"""Times the usual miss from which a pose is doubted: the worst of 110 recorded poses has 2.5, and a photo 10 cm aside
in a room has 4 (along the way the camera went, where features hardly tell) to 60."""
LEAST_RAD = 0.001
"""Misses that features themselves have [rad]."""
MIN_PAIRS = 3
"""Fewer pairs may all be with photos that are themselves misplaced."""


def misplaced(matches: Sequence[Matches], world_from_cam: Mapping[str, SE3]) -> dict[str, float]:
    """Finds single wrong poses.

    A photo's miss is the median over its pairs of the median over their matches. The worst is taken out, and the
    others are looked at again without it, as a wrong pose spoils the pairs of its neighbours.

    Args:
        matches: between the photos.
        world_from_cam: their poses, in any unit.

    Returns:
        By name, how many times the usual miss theirs is, the worst first.
    """
    left = [
        (match.a, match.b, float(np.median(misses(match, world_from_cam)))) for match in matches if len(match.rays_a)
    ]
    found: dict[str, float] = {}
    while True:
        by_photo: dict[str, list[float]] = {}
        for a, b, miss in left:
            by_photo.setdefault(a, []).append(miss)
            by_photo.setdefault(b, []).append(miss)
        typical = {name: float(np.median(own)) for name, own in by_photo.items() if len(own) >= MIN_PAIRS}
        if not typical:
            return found
        usual = max(float(np.median(list(typical.values()))), LEAST_RAD / FAR_OFF)
        worst = max(typical, key=lambda name: typical[name])
        if typical[worst] <= FAR_OFF * usual:
            return found
        found[worst] = typical[worst] / usual
        left = [pair for pair in left if worst not in pair[:2]]
