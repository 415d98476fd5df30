"""Surface errors: how near a mesh is to the truth, and how much of the truth it covers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from recon3d.errors import InputError
from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.parts import areas

BINS = 11
"""Bins of the histograms of distances: equal ones, and one for all beyond."""
BEYOND = 2.0
"""Where the equal bins end, of the largest threshold."""


@dataclass(frozen=True)
class SurfaceErrors:
    """Distances between two surfaces, both ways.

    Precision, recall and F-score: Knapitsch et al., Tanks and Temples, 2017, section 4. Accuracy and completeness: the
    means of Aanæs et al., Large-scale data for multiple-view stereopsis, IJCV 2016, section 4 (DTU), whose mean is the
    chamfer distance; other authors take medians, sums or squares.

    Normal consistency: Mescheder et al., Occupancy Networks, CVPR 2019, section 4: the mean of |n · n'| over points of
    one surface and their nearest of the other, both ways, and the mean of both.

    Attributes:
        thresholds_m: distances within which a point counts as right [m].
        precision: per threshold, share of the first surface within it of the second (the truth).
        recall: per threshold, share of the truth within it of the first.
        f_score: per threshold, the harmonic mean of both.
        accuracy_m: mean distance from the first surface to the truth [m].
        completeness_m: mean distance from the truth to the first [m].
        chamfer_m: mean of accuracy and completeness [m].
        normal_consistency: 0 to 1, 1 = parallel everywhere; None where one surface has no normals.
        histogram_edges_m: of the bins below [m]; the last bin holds what is farther, and has no upper edge.
        accuracy_histogram: per bin, share of the first surface that is so far from the truth.
        completeness_histogram: per bin, share of the truth that is so far from the first.
    """

    thresholds_m: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f_score: tuple[float, ...]
    accuracy_m: float
    completeness_m: float
    chamfer_m: float
    normal_consistency: float | None
    histogram_edges_m: tuple[float, ...]
    accuracy_histogram: tuple[float, ...]
    completeness_histogram: tuple[float, ...]


def sample_surface(mesh: Mesh, count: int = 200_000, seed: int = 0) -> Array:
    """Draws points uniformly by area.

    Args:
        mesh: with at least one triangle that has an area.
        count: points wanted.
        seed: equal seeds draw equal points.

    Returns:
        (count, 3) float64 [m].

    Raises:
        InputError: the mesh has no area.
    """
    return sample_with_normals(mesh, count, seed)[0]


def sample_with_normals(mesh: Mesh, count: int = 200_000, seed: int = 0) -> tuple[Array, Array]:
    """The points of `sample_surface`, and (count, 3) float64 unit normals of the triangles that they lie on."""
    total = np.cumsum(areas(mesh.vertices, mesh.triangles))
    if not len(total) or total[-1] <= 0:
        raise InputError(f"mesh: got {len(total)} triangles with no area to draw points from, wanted a surface")
    rng = np.random.default_rng(seed)
    chosen = np.searchsorted(total, rng.uniform(0, total[-1], count), side="right")
    chosen = np.minimum(chosen, len(total) - 1)
    u, v = rng.uniform(size=(2, count, 1))
    beyond = u + v > 1  # the other half of the parallelogram, folded back
    u, v = np.where(beyond, 1 - u, u), np.where(beyond, 1 - v, v)
    a, b, c = (mesh.vertices[mesh.triangles[chosen, corner]] for corner in range(3))
    points: Array = a + u * (b - a) + v * (c - a)
    faces = np.cross(b - a, c - a)
    normals: Array = faces / np.linalg.norm(faces, axis=1)[:, None]  # what is drawn has an area
    return points, normals


def surface_errors(
    points: Array,
    truth: Array,
    thresholds_m: Sequence[float],
    *,
    normals: Array | None = None,
    truth_normals: Array | None = None,
) -> SurfaceErrors:
    """Compares points drawn from two surfaces.

    Args:
        points: (N, 3) of the surface that is judged [m].
        truth: (M, 3) of the true one [m].
        thresholds_m: distances that make the F-scores [m].
        normals: (N, 3) unit normals of the points, turned either way.
        truth_normals: (M, 3) of the truth's.

    Raises:
        InputError: either has no points or some that are not finite, or a threshold is no distance.
    """
    limits = tuple(float(limit) for limit in thresholds_m)
    if not limits or not all(0 < limit < np.inf for limit in limits):
        raise InputError(f"thresholds: got {', '.join(map(str, limits)) or 'none'}, wanted metres > 0")
    for name, array in (("points", points), ("truth", truth)):
        if array.ndim != 2 or array.shape[1] != 3 or not len(array):
            raise InputError(f"{name}: got shape {array.shape}, wanted (N, 3) with N ≥ 1")
        if not np.isfinite(array).all():
            raise InputError(f"{name}: got NaN or infinite coordinates, wanted metres")
    to_truth, nearest_true = cKDTree(truth).query(points, workers=-1)
    from_truth, nearest = cKDTree(points).query(truth, workers=-1)
    precision = tuple(float((to_truth <= limit).mean()) for limit in limits)
    recall = tuple(float((from_truth <= limit).mean()) for limit in limits)
    f_score = tuple(2 * p * r / (p + r) if p + r else 0.0 for p, r in zip(precision, recall, strict=True))
    accuracy, completeness = float(to_truth.mean()), float(from_truth.mean())
    consistency = None
    if normals is not None and truth_normals is not None:
        ways = (normals, truth_normals[nearest_true]), (truth_normals, normals[nearest])
        consistency = float(np.mean([np.abs(np.einsum("nc,nc->n", one, other)).mean() for one, other in ways]))
    edges = np.linspace(0, BEYOND * max(limits), BINS)
    return SurfaceErrors(
        limits,
        precision,
        recall,
        f_score,
        accuracy,
        completeness,
        (accuracy + completeness) / 2,
        consistency,
        tuple(edges.tolist()),
        _shares(to_truth, edges),
        _shares(from_truth, edges),
    )


def _shares(distances: Array, edges: Array) -> tuple[float, ...]:
    """Per bin the share of distances that are in it; one more bin than edges - 1, for those beyond."""
    counts = np.histogram(distances, np.append(edges, np.inf))[0]
    return tuple((counts / len(distances)).tolist())
