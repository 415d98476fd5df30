"""Foresight: what fuse would refuse in the end, refused before depths are refined, which takes longest."""

from collections.abc import Iterator

import numpy as np

from recon3d.fusion.plan import check_voxels
from recon3d.geometry import Frame
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.aligned import aligned_depth, view_scales

MOST_VIEWS = 40
"""Views that are looked at, evenly: fewer see less surface, never more."""


def foresee(scene: Scene, settings: Settings) -> None:
    """Looks at the scaled depths, where a voxel size was set.

    Args:
        scene: with `scale` done.
        settings: `fuse` is looked at.

    Raises:
        InputError: the voxels are so small that no memory would hold the surface.
    """
    names = scene.names()
    if settings.fuse.voxel_size is not None and len(names) > 1:
        chosen = np.unique(np.linspace(0, len(names) - 1, min(MOST_VIEWS, len(names))).astype(int))
        check_voxels(_frames(scene, [names[i] for i in chosen]), settings.fuse)


def _frames(scene: Scene, names: list[str]) -> Iterator[Frame]:
    """The views as the scale left them, without their photos."""
    cameras, world_from_cam, views = scene.cameras(), scene.world_from_cam(), view_scales(scene)
    for name in names:
        depth = aligned_depth(scene, name, views[name])
        yield Frame(name, np.zeros((*depth.shape, 3), np.uint8), depth, None, cameras[name], world_from_cam[name])
