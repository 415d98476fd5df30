"""Colours where no photo shows the surface, and around the charts."""

import cv2
import numpy as np
from scipy.sparse import coo_matrix

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array

ROUNDS = 200
"""Times that vertices without photos take the mean of what their neighbours differ by."""
FADE = 40.0
"""Distance from the seen texels at which the vertices alone say the colour [px]."""


def fill_vertices(mesh: Mesh, colors: Array, seen: Array) -> Array:
    """Colours of vertices: those that photos give, and the mesh's own elsewhere, shifted to meet them.

    Args:
        mesh: with the colours of its vertices.
        colors: (V, 3) in 0 to 255 by the photos.
        seen: (V,) bool where they are known.

    Returns:
        (V, 3) float32 in 0 to 255.
    """
    own = mesh.colors.astype(np.float32)
    shift = np.where(seen[:, None], colors - own, 0).astype(np.float32)
    if seen.all() or not seen.any():
        return own + shift
    count = len(mesh.vertices)
    rows = np.concatenate([mesh.triangles, np.roll(mesh.triangles, 1, axis=1)]).ravel()
    columns = np.concatenate([np.roll(mesh.triangles, 1, axis=1), mesh.triangles]).ravel()
    graph = coo_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(count, count)).tocsr()
    unseen = ~seen
    graph = graph[unseen]
    degree = np.asarray(graph.sum(axis=1)).reshape(-1, 1)
    known = seen.astype(np.float32)[:, None]
    for _ in range(ROUNDS):
        reach = graph @ known
        shift[unseen] = np.where(reach > 0, (graph @ (shift * known)) / np.maximum(reach, 1e-6), 0)
        known[unseen] = np.where(degree > 0, np.maximum(known[unseen], reach > 0), 0)
    return own + shift


def fill_unseen(texture: Array, prior: Array, seen: Array, covered: Array) -> None:
    """Gives texels that no photo shows what is believed there, shifted to meet the seen ones beside them.

    Args:
        texture: (S, S, 3) uint8 by the photos; changed in place.
        prior: (S, S, 3) uint8 by the colours of the vertices.
        seen: (S, S) bool, texels that a photo shows.
        covered: (S, S) bool, texels of charts.
    """
    gap = covered & ~seen
    if not gap.any():
        return
    shift = np.zeros((np.count_nonzero(gap), 3))
    if seen.any():
        away, nearest = cv2.distanceTransformWithLabels(
            (~seen).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        shift_of = np.zeros((int(nearest.max()) + 1, 3), np.int16)
        shift_of[nearest[seen]] = texture[seen].astype(np.int16) - prior[seen]
        shift = shift_of[nearest[gap]] * np.clip(1 - away[gap] / FADE, 0, 1)[:, None]
    texture[gap] = np.rint(np.clip(prior[gap] + shift, 0, 255))


def fill_around(texture: Array, covered: Array) -> Array:
    """Gives each texel outside all charts the colour of the nearest inside, so that mip levels take in nothing else.

    Args:
        texture: (S, S, 3) uint8.
        covered: (S, S) bool, texels of charts.
    """
    if covered.all() or not covered.any():
        return texture
    _, nearest = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    color_of = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    color_of[nearest[covered]] = texture[covered]
    return np.asarray(color_of[nearest])
