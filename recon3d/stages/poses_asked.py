"""What stage poses asks of structure from motion: poses that are given, and the photos that are matched."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recon3d.files import read_json
from recon3d.formats.pose_file import GivenPoses, read_poses
from recon3d.formats.scene_poses import poses_from_json
from recon3d.geometry import SE3, Calibration
from recon3d.poses.matching import Matching
from recon3d.poses.pairs import pairs_by_pose
from recon3d.scene import Scene
from recon3d.settings import PosesSettings, Settings

ALONG = 2
"""Photos before and after that each photo is matched with in capture order, where poses are given."""


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """What the scene and the settings ask.

    Attributes:
        given: poses from a file, or those that came with the photos; perhaps none.
        matching: the photos that are matched; None where there are none to match.
    """

    given: GivenPoses
    matching: Matching | None


def asked_of(scene: Scene, file: Path | None, settings: Settings, trusted_depth: bool) -> Asked:
    """Says what is asked.

    Args:
        scene: with `init` done.
        file: of poses.
        settings: of poses and scale.
        trusted_depth: depth is a sensor's; with given poses few photos are matched.

    Raises:
        InputError: the file of poses can't be used.
    """
    photos, calibrations = scene.photo_paths(), scene.calibrations()
    given = _given(scene, file, list(photos))
    if given.world_from_cam:
        count = settings.scale.trusted_photos if trusted_depth else len(given.world_from_cam)
        return Asked(given, _of_given(photos, calibrations, given.world_from_cam, count, settings.poses))
    if len(photos) < 2 or settings.poses.odometry == "on":
        return Asked(given, None)
    return Asked(given, Matching.of(photos, calibrations, settings.poses, groups=_groups(scene)))


def _groups(scene: Scene) -> dict[str, str]:
    """Make, model and focal length of each photo's camera, as `init` found them; "" where it didn't."""
    return {name: str(data.get("group", "")) for name, data in read_json(scene.file("calibration.json")).items()}


def _given(scene: Scene, file: Path | None, names: list[str]) -> GivenPoses:
    """Poses from the file, or those that came with the photos; perhaps none."""
    if file:
        found = read_poses(file, names)
        ordered = {name: found.world_from_cam[name] for name in names if name in found.world_from_cam}
        return dataclasses.replace(found, world_from_cam=ordered)
    capture = read_json(scene.file("capture.json"))
    return GivenPoses(poses_from_json(capture), bool(capture["metric"]), str(capture["format"]))


def _of_given(
    photos: Mapping[str, Path],
    calibrations: Mapping[str, Calibration],
    given: Mapping[str, SE3],
    count: int,
    settings: PosesSettings,
) -> Matching | None:
    """About `count` photos with known poses, matched to make ties for the scale; None where there are none to match.

    Neighbours in capture order are matched too: wrong poses don't tell which photos see the same.
    """
    chosen = {name: given[name] for name in _runs(list(given), count)}
    if len(chosen) < 2:
        return None
    names = list(chosen)
    along = [pair for step in range(1, ALONG + 1) for pair in zip(names, names[step:], strict=False)]
    return Matching.of(
        {name: photos[name] for name in chosen},
        {name: calibrations[name] for name in chosen},
        settings,
        given=chosen,
        pairs=list(dict.fromkeys([*pairs_by_pose(chosen), *along])),
    )


def _runs(names: list[str], count: int, length: int = 5) -> list[str]:
    """About `count` names in runs of neighbours, spread evenly: neighbours overlap, spread runs see the whole."""
    if len(names) <= count:
        return names
    starts = np.linspace(0, len(names) - length, max(1, count // length)).astype(int)
    return [names[i] for i in sorted({int(start) + k for start in starts for k in range(min(length, count))})]
