"""Points that the user marked in photos, as points in space: by ties near them, else by the depth of their view."""

from collections.abc import Callable, Mapping

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array
from recon3d.photos.undistort import undistort_pixels
from recon3d.scale.known_distance import Mark, Point, parse_known_distances, scale_of_distances
from recon3d.scale.metric import MetricScale
from recon3d.scale.per_view import ViewScale
from recon3d.scale.sketch import rays
from recon3d.scale.ties import DEPTH_FLOOR, Ties
from recon3d.scene import Scene
from recon3d.stages.poses import lenses

NEAR = 0.01
"""Ties within this share of the photo's longer side of a mark say how far away it is."""


def known_scale(
    scene: Scene,
    text: str,
    world_from_cam: Mapping[str, SE3],
    ties: Mapping[str, Ties],
    views: Mapping[str, ViewScale],
    depth_of: Callable[[str], Array],
) -> MetricScale:
    """The metric scale by the distances that the setting `scale.known_distance` names.

    Args:
        scene: with `poses` done.
        text: the setting.
        world_from_cam: in the unit that is to be measured.
        ties: of the views, in that unit.
        views: their scales; those left out are not among them.
        depth_of: gives a view's depth map in that unit, (H, W), 0 = none.

    Raises:
        InputError: a mark can't be found in space.
    """
    cameras, calibrations = scene.cameras(), lenses(scene)
    known = parse_known_distances(text)

    def point(mark: Mark) -> Point:
        name = _name(mark, list(cameras))
        camera, lens, pose = cameras[name], calibrations[name], world_from_cam[name]
        size = lens.camera
        if not (-0.5 <= mark.u <= size.width - 0.5 and -0.5 <= mark.v <= size.height - 0.5):
            raise InputError(
                f"known distance: {mark.photo}:{mark.u:g},{mark.v:g} is outside of photos/{name}, which has "
                f"{size.width} x {size.height} px; give pixels of that photo of the scene"
            )
        ray = rays(size, undistort_pixels(np.array([[mark.u, mark.v]]), lens))
        uv = camera.project(ray)[0]
        z, sigma = _depth_at(uv, camera, ties.get(name, Ties.none()), views.get(name), lambda: depth_of(name))
        if not z > 0:
            raise InputError(
                f"known distance: {mark.photo}:{mark.u:g},{mark.v:g} has no depth; mark a point of another surface, "
                "or in another photo"
            )
        return Point((pose @ (ray * z))[0], pose.t, sigma, z / camera.fx)

    return scale_of_distances([(point(one.start), point(one.end)) for one in known], [one.metres for one in known])


def _name(mark: Mark, names: list[str]) -> str:
    for name in (mark.photo, mark.photo.rpartition(".")[0]):
        if name in names:
            return name
    listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    raise InputError(f"known distance: got photo {mark.photo!r}, wanted one that has a pose: {listed}")


def _depth_at(
    uv: Array, camera: Camera, ties: Ties, view: ViewScale | None, depth: Callable[[], Array]
) -> tuple[float, float]:
    """Depth at a pixel and its relative sigma; 0 where there is none."""
    near = np.linalg.norm(ties.uv - uv, axis=1) <= NEAR * max(camera.width, camera.height)
    if near.any():
        # The weight of a tie is how well it is triangulated, against DEPTH_FLOOR.
        sigma = DEPTH_FLOOR * np.sqrt(1 / np.median(ties.weight[near]) - 1)
        z = ties.z[near]
        return float(np.median(z)), float(np.hypot(sigma, np.std(np.log(z))))
    u, v = np.rint(uv).astype(int) if np.isfinite(uv).all() else (-1, -1)
    if view is None or not (0 <= u < camera.width and 0 <= v < camera.height):
        return 0.0, 0.0
    return float(depth()[v, u]), view.relative_sigma
