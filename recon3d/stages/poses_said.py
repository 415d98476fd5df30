"""What stage `poses` says of poses that were given: those that the photos contradict, and those of no photo."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from recon3d.formats.pose_file import GivenPoses
from recon3d.geometry import SE3
from recon3d.poses.misplaced import misplaced
from recon3d.poses.pose_check import MISFIT_SHARE, Matches, PoseFit
from recon3d.poses.sfm_database import notes
from recon3d.signals import Signal


def misfit(fit: PoseFit) -> list[Signal]:
    """What is to be said of poses that the photos contradict, however they are read."""
    if not fit.pairs or fit.share > MISFIT_SHARE:
        return []
    text = f"the poses explain only {100 * fit.share:.0f} % of the features matched in {fit.pairs} pairs of photos"
    return [Signal("POSES_MISFIT", text)]


def wrong_ones(matches: Sequence[Matches], world_from_cam: Mapping[str, SE3]) -> list[Signal]:
    """Names the photos whose given poses alone are wrong."""
    odd = misplaced(matches, world_from_cam)
    if not odd:
        return []
    worst = max(odd, key=lambda name: odd[name])
    text = f"the given poses of {len(odd)} of {len(world_from_cam)} photos are not where their features put them"
    return [
        Signal("OUTLIER_VIEW", f"{text}: {worst} misses them {odd[worst]:.0f} times as far as is usual", tuple(odd))
    ]


def unused(given: GivenPoses) -> list[Signal]:
    """Entries of the file of poses that are of no photo."""
    if not given.unused:
        return []
    names = ", ".join(given.unused[:5]) + (", …" if len(given.unused) > 5 else "")
    return [Signal("EXTRA_POSES", f"{len(given.unused)} poses of the file are of no photo: {names}")]


def featureless(database: Path, names: Sequence[str]) -> list[Signal]:
    """Photos whose features crash who looks for them: with their pose given, they lack no more than ties."""
    noted = {names[i - 1]: why for i, why in notes(database).items()}
    if not noted:
        return []
    text = "; ".join(f"{name}: {why}" for name, why in noted.items())
    return [Signal("FEW_TIES", f"{len(noted)} of {len(names)} photos without ties: {text}", tuple(noted))]
