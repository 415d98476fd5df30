"""RGB-D odometry in the place of structure from motion: the poses of a scene from its photos and their depth.

Poses come before depth, since structure from motion gives depth its cameras. Where it can't place the photos, stage
`poses` says so and why, and leaves the poses open; stage `depth` works as always; and stage `scale`, which writes the
final poses and the scale of each view in any case, finds both here instead of in the sparse model. So no network runs
twice, and each file keeps its one writer.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.files import load_array
from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Camera
from recon3d.poses.depth_view import DepthView, shared_camera, view_of
from recon3d.poses.motion import SAME_NETWORK, SAME_SENSOR
from recon3d.poses.odometry import Group, Odometry, odometry, side_by_side
from recon3d.progress import each
from recon3d.scale.level import level
from recon3d.scale.per_view import ViewScale
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.job import Job

THIN = 8
"""Every so manieth row and column of a view's depth is looked at to level its group, and to see how wide it is."""
GAP = 0.2
"""Left between groups that stand side by side, as a share of their usual width."""


@dataclass(frozen=True, eq=False)
class Followed:
    """Poses by odometry, as stage `scale` takes them.

    Attributes:
        world_from_cam: [m] of each photo; groups that don't hang together stand side by side.
        views: scale of each photo's depth; that of a sensor is marked inherited: nothing speaks against its metres.
        facts: for the manifest.
        signals: what the user should know.
    """

    world_from_cam: dict[str, SE3]
    views: dict[str, ViewScale]
    facts: dict[str, Any]
    signals: list[Signal]


def follow(scene: Scene, job: Job, reason: str, *, trusted_depth: bool) -> Followed:
    """Finds the poses of all photos from their depth.

    Args:
        scene: with `depth` done.
        job: its settings.
        reason: why structure from motion couldn't.
        trusted_depth: depth is a sensor's.

    Raises:
        InputError: depth is relative.
    """
    if scene.facts("depth").get("kind") == "disparity":
        raise InputError(
            f"{reason}; odometry takes its place only with depth in metres, and {scene.facts('depth')['model']} gives "
            "relative depth: add --metric-from MODEL, or choose a metric model: recon3d models"
        )
    cameras = scene.cameras()
    camera = shared_camera(list(cameras.values()))
    views = {
        name: view_of(scene.image(name), load_array(scene.depth_path(name)), cameras[name], camera)
        for name in each(list(cameras), "views", job.report)
    }
    found = odometry(views, camera, metric=trusted_depth, seed=job.settings.poses.seed, report=job.report)
    world_from_cam = _one_world(found, views, camera)
    scales = {name: log_scale for group in found.groups for name, log_scale in group.log_scale.items()}
    return Followed(
        {name: world_from_cam[name] for name in cameras},
        {name: ViewScale(scales[name], 0.0, 0, inherited=trusted_depth) for name in cameras},
        {
            "odometry": {
                "groups": [len(group.world_from_cam) for group in found.groups],
                "keyframes": found.keyframes,
                "loops": found.loops,
                "depth_share": round(found.depth_share, 4),
                "loop_error": None if found.closing is None else round(found.closing, 4),
            }
        },
        _signals(found, len(cameras), SAME_SENSOR if trusted_depth else SAME_NETWORK),
    )


def _one_world(found: Odometry, views: dict[str, DepthView], camera: Camera) -> dict[str, SE3]:
    """The only group's world; with several, all side by side, each levelled by itself."""
    if len(found.groups) == 1:
        return found.groups[0].world_from_cam
    worlds = []
    for group in found.groups:
        points = _points(group, views, camera)
        levelled_from_world = level(group.world_from_cam, points)
        poses = {name: levelled_from_world @ pose for name, pose in group.world_from_cam.items()}
        worlds.append((poses, levelled_from_world @ points))
    return side_by_side(worlds, GAP)


def _points(group: Group, views: dict[str, DepthView], camera: Camera) -> Array:
    """(N, 3) points of the group's world, thinned."""
    chunks = [np.empty((0, 3))]
    for name, pose in group.world_from_cam.items():
        depth = views[name].depth
        points = camera.backproject(depth)[::THIN, ::THIN][depth[::THIN, ::THIN] > 0].astype(np.float64)
        chunks.append(pose @ (points * np.exp(group.log_scale[name])))
    return np.concatenate(chunks)


def _signals(found: Odometry, count: int, same: float) -> list[Signal]:
    text = f"{count} photos are placed by RGB-D odometry: {found.keyframes} keyframes, {found.loops} loops"
    if found.depth_share:
        text += (
            f"; where two see the same, {100 * found.depth_share:.0f} % of their depth agrees within {100 * same:.0f} %"
        )
    if found.closing is None:
        text += "; no loop tells how far it drifts"
    else:
        text += f"; from keyframe to keyframe it misses a loop by {100 * found.closing:.1f} % of the usual depth"
    signals = [Signal("ODOMETRY", text)]
    if len(found.groups) > 1:
        sizes = " + ".join(str(len(group.world_from_cam)) for group in found.groups)
        apart = tuple(name for group in found.groups[1:] for name in group.world_from_cam)
        text = (
            f"{len(found.groups)} groups of photos ({sizes}) share nothing: they stand side by side, where is made up"
        )
        signals.append(Signal("NO_OVERLAP", text, apart))
    return signals
