"""Agreement between views: what photos and their depths say about each other, without any truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array
from recon3d.refine.normals import normals_of

PARALLEL = 0.87
"""Cosine of the angle between two normals up to which surfaces are parallel: 30 degrees."""
DOUBLE = 5.0
"""Two parallel surfaces between one and this many tolerances apart are taken for one that is seen twice."""


@dataclass(frozen=True, eq=False)
class Look:
    """A view, thinned.

    Attributes:
        grey: (H, W) float32 brightness, 0 to 255.
        depths: by the name of a step, (H, W) float32 [m], 0 = none.
        camera: of all these.
        world_from_cam: its pose [m].
    """

    grey: Array
    depths: Mapping[str, Array]
    camera: Camera
    world_from_cam: SE3


@dataclass(frozen=True, eq=False)
class Seen:
    """Where the points of one view fall in another.

    Attributes:
        points: (H, W, 3) float32 in the other camera's frame [m]; z is the point's own depth there.
        uv: (H, W, 2) float32 [px] of the other view; outside of it where `inside` is False.
        inside: (H, W) bool: the pixel has depth, and the other view's frame holds its point.
    """

    points: Array
    uv: Array
    inside: Array

    @property
    def z(self) -> Array:
        """(H, W) float32: how far the points are from the other camera, along its z [m]."""
        z: Array = self.points[..., 2]
        return z

    @classmethod
    def of(cls, look: Look, step: str, other: Look) -> "Seen":
        """The points of a view at its depth of a step, in another view."""
        depth = look.depths[step]
        points = look.camera.backproject(depth)
        other_from_cam = other.world_from_cam.inverse() @ look.world_from_cam
        local = points @ other_from_cam.R.T.astype(np.float32) + other_from_cam.t.astype(np.float32)
        z = local[..., 2]
        ahead = (depth > 0) & (z > 1e-6)
        camera, safe = other.camera, np.where(ahead, z, np.float32(1))
        u = np.float32(camera.fx) * local[..., 0] / safe + np.float32(camera.cx)
        v = np.float32(camera.fy) * local[..., 1] / safe + np.float32(camera.cy)
        inside = ahead & (u > -0.5) & (u < camera.width - 0.5) & (v > -0.5) & (v < camera.height - 0.5)
        return cls(local, np.stack([u, v], axis=-1), inside)

    def nearest(self, values: Array) -> Array:
        """(H, W, …) what a map of the other view has at the nearest pixel; 0 where the point is outside."""
        u, v = (np.where(self.inside, np.rint(self.uv[..., axis]), 0).astype(np.intp) for axis in (0, 1))
        found: Array = values[v, u]
        found[~self.inside] = 0
        return found

    def between(self, values: Array) -> Array:
        """(H, W) float32 what a map of the other view has there, interpolated between its pixels."""
        found: Array = cv2.remap(
            values, self.uv[..., 0], self.uv[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return found


@dataclass(frozen=True, eq=False)
class Compared:
    """The depths of one view beside those of others.

    Attributes:
        gap: (H, W) float32 [m]: how far each depth is from what other views have there, NaN where none has. Of
            several views the middle one counts: one that sees another thing, before or behind, does not.
        agree: places where two views show parallel surfaces that are one within the tolerance.
        double: places where they show two.
    """

    gap: Array
    agree: int
    double: int


def compared(look: Look, step: str, others: Sequence[Look], *, agree_relative: float, agree_m: float) -> Compared:
    """Compares the depths of a view with those of others, and counts where they show one wall twice.

    Of the pixels whose point another view looks at, two kinds are counted, if the surfaces of both are parallel: those
    within the tolerance of each other along the normal, and those where the other view looks through the point at a
    surface one to `DOUBLE` tolerances behind it. Over all views, double / (agree + double) is the double-wall index of
    the depths: 0 where all show one surface. A surface before the point may well hide it, and is not counted: two
    sheets that agree are met from both views, two that don't from one, and count twice.

    Args:
        look: the view.
        step: whose depths are compared.
        others: views of the same things.
        agree_relative: tolerance as a share of the depth.
        agree_m: tolerance to add to that [m].
    """
    agree = double = 0
    found = []
    normals = _normals(look, step)
    for other in others:
        seen = Seen.of(look, step, other)
        theirs = seen.nearest(other.depths[step])
        known = theirs > 0
        behind = theirs - seen.z
        found.append(np.where(known, np.abs(behind), np.float32(np.nan)))
        rays = seen.points[known] @ other.world_from_cam.R.T.astype(np.float32)  # as long as the point is far
        z, behind, mine = seen.z[known], behind[known], normals[known]
        along = np.abs(behind / z * np.einsum("nc,nc->n", rays, mine))
        tolerance = agree_relative * z + agree_m
        near = along <= DOUBLE * tolerance
        parallel = np.einsum("nc,nc->n", mine, seen.nearest(_normals(other, step))[known]) > PARALLEL
        agree += int(np.count_nonzero(parallel & (along <= tolerance)))
        double += 2 * int(np.count_nonzero(parallel & near & (behind > 0) & (along > tolerance)))
    return Compared(_middle(found) if found else np.full(look.grey.shape, np.nan, np.float32), agree, double)


def _normals(look: Look, step: str) -> Array:
    """(H, W, 3) float32 in the world."""
    normals: Array = normals_of(look.depths[step], look.camera) @ look.world_from_cam.R.T.astype(np.float32)
    return normals


def _middle(gaps: Sequence[Array]) -> Array:
    """(H, W) the lower median of the maps that have a number there, else NaN."""
    ranked = np.sort(np.stack(gaps), axis=0)  # NaN last
    count = np.isfinite(ranked).sum(axis=0)
    middle: Array = np.take_along_axis(ranked, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    return middle


def photo_errors(
    look: Look, steps: Sequence[str], others: Sequence[Look], *, agree_relative: float, agree_m: float
) -> list[dict[str, float]]:
    """Paints a photo from other photos through its depth, and compares.

    The same pixels are compared for all steps: those that are inside the other photo at every step's depth, and that
    the other photo sees at the last step's. Exposure is taken out by the median difference of a pair.

    Args:
        look: the photo that is painted.
        steps: whose depths are used; the last one says what is hidden.
        others: the photos that it is painted from.
        agree_relative: the last step's depths of both photos agree within this share of the depth
        agree_m: and this [m].

    Returns:
        Per photo that shows anything of this one, by step, the mean difference in brightness, of 255 levels.
    """
    found = []
    for other in others:
        seen = {step: Seen.of(look, step, other) for step in steps}
        last = seen[steps[-1]]
        theirs = last.nearest(other.depths[steps[-1]])
        both = (theirs > 0) & (np.abs(theirs - last.z) <= agree_relative * last.z + agree_m)
        for one in seen.values():
            both &= one.inside
        if np.count_nonzero(both) < 100:  # too few to speak for a photo
            continue
        errors = {}
        for step, one in seen.items():
            difference = one.between(other.grey)[both] - look.grey[both]
            errors[step] = float(np.mean(np.abs(difference - np.median(difference))))
        found.append(errors)
    return found
