"""A depth map thinned to what comparing views needs: a few thousand depths, and where two views see the same point."""

from dataclasses import dataclass

import numpy as np

from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array
from recon3d.scale.field import field_terms, middle_of

LONGER_SIDE = 48
"""Samples along the longer side of a depth map."""
EDGE_JUMP = 0.04
"""Relative departure from the plane through the samples on both sides that makes an edge."""


@dataclass(frozen=True, eq=False)
class Sketch:
    """Every n-th depth of every n-th row.

    Attributes:
        camera: of the depth map.
        step: n [px].
        log_depth: (H, W) float32, of the depth as predicted; 0 where there is none.
        smooth: (H, W) bool: on a surface, away from its edges and from holes.
        middle: logarithm of the median depth of the whole map.
    """

    camera: Camera
    step: int
    log_depth: Array
    smooth: Array
    middle: float

    def points(self) -> tuple[Array, Array, Array]:
        """The samples on smooth surface: (N, 3) rays with z = 1, (N,) log depth and (N, TERMS) of the field."""
        v, u = np.nonzero(self.smooth)
        uv = np.stack([u, v], axis=1) * self.step + self.step // 2
        log_depth = self.log_depth[v, u].astype(np.float64)
        return rays(self.camera, uv), log_depth, self.terms(uv, log_depth)

    def terms(self, uv: Array, log_depth: Array) -> Array:
        """(N, TERMS) of the field at pixels (N, 2) of the depth map whose log depth is (N,)."""
        return field_terms(uv, self.camera.width, self.camera.height, log_depth - self.middle)


@dataclass(frozen=True, eq=False)
class Shared:
    """Points of one view that another sees too.

    Attributes:
        log_z: (N,) logarithm of the depth of each point in the other view.
        log_depth: (N,) what the other view predicts there.
        terms: (N, TERMS) of the other view's field there.
        index: (N,) which of the points handed in they are.
    """

    log_z: Array
    log_depth: Array
    terms: Array
    index: Array


def sketch(depth: Array, camera: Camera) -> Sketch:
    """Thins a depth map (H, W) of the camera, 0 = none."""
    step = max(1, round(max(depth.shape) / LONGER_SIDE))
    few = depth[step // 2 :: step, step // 2 :: step].astype(np.float64)
    valid = few > 0
    inverse = np.divide(1, few, out=np.zeros_like(few), where=valid)
    smooth = np.zeros_like(valid)
    smooth[1:-1, 1:-1] = valid[1:-1, 1:-1]
    # Inverse depth is linear over a plane in pixels: a slanted floor is no edge.
    for before, here, after in (
        (inverse[1:-1, :-2], inverse[1:-1, 1:-1], inverse[1:-1, 2:]),
        (inverse[:-2, 1:-1], inverse[1:-1, 1:-1], inverse[2:, 1:-1]),
    ):
        smooth[1:-1, 1:-1] &= (before > 0) & (after > 0) & (np.abs(before + after - 2 * here) <= EDGE_JUMP * here)
    return Sketch(camera, step, np.log(np.where(valid, few, 1)).astype(np.float32), smooth, middle_of(depth))


def shared(points: Array, other_from_world: SE3, other: Sketch) -> Shared:
    """Finds what another view has where points of the world fall.

    Args:
        points: (N, 3) in the world.
        other_from_world: pose of the other view, in the unit of the points.
        other: the other view.
    """
    local = other_from_world @ points
    index = np.flatnonzero(local[:, 2] > 1e-9 * np.abs(local).max(initial=0))
    local = local[index]
    uv = other.camera.project(local)
    place = (uv - other.step // 2) / other.step
    height, width = other.smooth.shape
    inside = ((place >= 0) & (place < [width - 1, height - 1])).all(axis=1)
    index, local, uv, place = index[inside], local[inside], uv[inside], place[inside]
    corner = place.astype(int)
    part = place - corner
    log_depth, whole = np.zeros(len(index)), np.ones(len(index), bool)
    for dv, du in np.ndindex(2, 2):
        v, u = corner[:, 1] + dv, corner[:, 0] + du
        log_depth += np.abs(1 - du - part[:, 0]) * np.abs(1 - dv - part[:, 1]) * other.log_depth[v, u]
        whole &= other.smooth[v, u]
    log_depth = log_depth[whole]
    return Shared(np.log(local[whole, 2]), log_depth, other.terms(uv[whole], log_depth), index[whole])


def rays(camera: Camera, uv: Array) -> Array:
    """(N, 3) rays with z = 1 through pixels (N, 2)."""
    x, y = (uv[:, 0] - camera.cx) / camera.fx, (uv[:, 1] - camera.cy) / camera.fy
    return np.stack([x, y, np.ones(len(uv))], axis=1)
