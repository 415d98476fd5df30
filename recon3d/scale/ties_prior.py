"""Ties prior: depth of a whole photo from its ties alone, with an honest sigma, where no network says anything."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter
from scipy.sparse.linalg import SuperLU, splu

from recon3d.geometry.arrays import Array
from recon3d.scale.per_view import GATE
from recon3d.scale.ties import DEPTH_FLOOR, Ties

LONGER_SIDE = 64
"""Nodes of the grid along the longer side of the photo."""
MIN_TIES = 12
"""Ties below which nothing is said about a photo."""
TIE_SIGMA = 0.002
"""Relative error of a tie's depth that no triangulation goes below: ties stand on corners and at edges."""
BENDS = (0.01, 0.03, 0.1)
"""Standard deviations of the second difference of inverse depth from node to node, over its median; of these the one
that foretells held-out ties best is taken."""
FIRST_BEND = 0.02
"""The one that outliers are told by."""
EDGE = 0.1
"""Colour difference, of 0 to 1, between neighbouring nodes over which their link falls to 1/e: surfaces end there."""
LOOSE = 0.01
"""Share of its strength that a link keeps over any edge."""
SPREAD = 1.0
"""Standard deviation of a photo's mean inverse depth, over its median, before any tie is seen."""
ROUNDS = 2
"""Of telling outliers, as those tell others."""
FOLDS, PATCH = 4, 4
"""Ties of one patch of so many nodes squared are held out together, in so many turns."""
DRAWS, FEW_DRAWS = 48, 16
"""Fields drawn to measure a variance, to a relative error of √(2 / DRAWS); fewer where errors are compared with it."""
NEAR = 3.0
"""Ties around a place say within this many nodes (one standard deviation) how much they disagree there."""
ALIKE = 5.0
"""Ties that the disagreement everywhere counts for, beside those around a place."""
ASTRAY = 5.0
"""Held-out errors count up to this many sigma: beyond, ties are outliers."""
UNKNOWN = 0.5
"""Relative sigma from which there is no depth: it may be anything."""


def ties_prior(ties: Ties, image: Array) -> tuple[Array, Array]:
    """Interpolates the ties' depth over their photo.

    Inverse depth, which is linear over a plane, is sought on a coarse grid as the most likely field that bends little,
    but over edges of the photo's colours freely (a thin plate; Terzopoulos 1986), and passes the ties as near as they
    are sure. Ties that the others don't foretell pull as weakly as they are off. How much it bends is chosen, and how
    large its sigma is, by ties that are held out: where those around a place were foretold badly, sigma is large. With
    the distance to ties it grows as the field's own posterior says, whose variance is that of fields drawn from it
    (Papandreou and Yuille 2010).

    Args:
        ties: of the photo.
        image: (H, W, 3) uint8.

    Returns:
        Depth (H, W) float32 in the unit of the ties, and its standard deviation, the same; both 0 where so little is
        known that depth could be anything, and all over with fewer than `MIN_TIES` ties.
    """
    height, width = image.shape[:2]
    if len(ties.z) < MIN_TIES:
        return np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    middle = float(np.median(ties.z))
    plate = _Plate.of(ties, middle / ties.z, image)
    sure = plate.outliers_weakened()
    bend, foretold = min(((bend, plate.foretell(bend, sure)) for bend in BENDS), key=lambda pair: pair[1].typical)
    factor = _factor(plate.precision(bend, sure))
    field = plate.solved(factor, sure)
    sigma = plate.sigma(factor, bend, sure, DRAWS) * np.sqrt(plate.disagreement(foretold))
    sigma = np.hypot(sigma, TIE_SIGMA * field)
    field, sigma = (
        cv2.resize(nodes.reshape(plate.shape).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        for nodes in (field, sigma)
    )
    known = sigma < UNKNOWN * field  # which is above 0 there
    depth = np.divide(np.float32(middle), field, out=np.zeros_like(field), where=known)
    return depth, np.divide(sigma * depth, field, out=np.zeros_like(field), where=known)


@dataclass(frozen=True, eq=False)
class _Foretold:
    """What was said of the ties without them: how far off (N,), that over its sigma, and the median relative error."""

    off: Array
    error: Array
    typical: float


@dataclass(frozen=True, eq=False)
class _Plate:
    """A thin plate over a photo, and the ties that hold it.

    Attributes:
        shape: nodes of the grid, rows and columns.
        bends: (B, nodes) sparse, weighted second differences; divided by a bend they are of variance 1.
        at: (N, nodes) sparse, bilinear weights: what the plate has at the ties.
        near: (N,) inverse depth of the ties over its median.
        noise: (N,) standard deviation of `near`.
        place: (N, 2) row and column of the ties in the grid.
    """

    shape: tuple[int, int]
    bends: sparse.csr_array
    at: sparse.csr_array
    near: Array
    noise: Array
    place: Array

    @classmethod
    def of(cls, ties: Ties, near: Array, image: Array) -> "_Plate":
        """The plate of a photo (H, W, 3) uint8."""
        size = np.array(image.shape[:2])
        rows, columns = np.maximum(np.rint(size * min(1.0, LONGER_SIDE / size.max())).astype(int), 3)
        shape = (int(rows), int(columns))
        place = (ties.uv[:, ::-1] + 0.5) * (np.array(shape) / size) - 0.5
        place = np.clip(place, 0, np.array(shape) - 1)
        # The weight of a tie is how well it is triangulated, against DEPTH_FLOOR.
        noise = near * np.hypot(TIE_SIGMA, DEPTH_FLOOR * np.sqrt(1 / ties.weight - 1))
        small = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float64) / 255
        return cls(shape, _bends(small), _bilinear(place, shape), near, noise, place)

    def precision(self, bend: float, sure: Array) -> sparse.csc_array:
        """(nodes, nodes) inverse covariance of the field, given ties of weights `sure` (N,) [1 / variance]."""
        nodes = self.at.shape[1]
        bending = self.bends.T @ self.bends / bend**2
        pull = sparse.eye_array(nodes) / (SPREAD**2 * nodes)
        return sparse.csc_array(bending + self.at.T @ (self.at.multiply(sure[:, None])) + pull)

    def solved(self, factor: SuperLU, sure: Array) -> Array:
        """(nodes,) the most likely field."""
        nodes = self.at.shape[1]
        return np.asarray(factor.solve(self.at.T @ (sure * self.near) + 1 / (SPREAD**2 * nodes)))

    def sigma(self, factor: SuperLU, bend: float, sure: Array, draws: int) -> Array:
        """(nodes,) standard deviation of the field, by that many fields drawn."""
        rng, nodes = np.random.default_rng(0), self.at.shape[1]
        drawn = self.bends.T @ rng.standard_normal((self.bends.shape[0], draws)) / bend
        drawn += self.at.T @ (np.sqrt(sure)[:, None] * rng.standard_normal((len(sure), draws)))
        drawn += rng.standard_normal((nodes, draws)) / (SPREAD * np.sqrt(nodes))
        found: Array = np.sqrt(np.mean(factor.solve(drawn) ** 2, axis=1))
        return found

    def outliers_weakened(self) -> Array:
        """(N,) weights of the ties [1 / variance]: one that the others don't foretell is as unsure as it is off."""
        sure = 1 / self.noise**2
        for _ in range(ROUNDS):
            foretold = self.foretell(FIRST_BEND, sure)
            astray = np.abs(foretold.error) > GATE
            sure = np.where(astray, 1 / np.maximum(self.noise, foretold.off) ** 2, 1 / self.noise**2)
        return sure

    def foretell(self, bend: float, sure: Array) -> _Foretold:
        """Leaves out the ties of some patches at a time, and compares them with the field without them."""
        patch = (self.place // PATCH).astype(int)
        fold = (patch[:, 0] * 3 + patch[:, 1] * 5 + patch[:, 0] * patch[:, 1]) % FOLDS
        found, sigma = np.empty(len(sure)), np.empty(len(sure))
        for held in range(FOLDS):
            out = fold == held
            kept = np.where(out, 0.0, sure)
            factor = _factor(self.precision(bend, kept))
            found[out] = (self.at @ self.solved(factor, kept))[out]
            sigma[out] = (self.at @ self.sigma(factor, bend, kept, FEW_DRAWS))[out]
        error = found - self.near
        return _Foretold(
            np.abs(error), error / np.hypot(sigma, self.noise), float(np.median(np.abs(error) / self.near))
        )

    def disagreement(self, foretold: _Foretold) -> Array:
        """(nodes,) by what to multiply the variance so that it is as large as the errors around each node."""
        squared = np.minimum(foretold.error**2, ASTRAY**2)
        everywhere = float(np.mean(squared))
        ties, errors = (
            gaussian_filter((self.at.T @ values).reshape(self.shape), NEAR) * (2 * np.pi * NEAR**2)
            for values in (np.ones(len(squared)), squared)
        )
        grown: Array = (errors + ALIKE * everywhere) / (ties + ALIKE)
        return grown.ravel()


def _factor(precision: sparse.csc_array) -> SuperLU:
    """Of a symmetric, positive definite matrix; the order of elimination is one for those."""
    return splu(precision, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _bilinear(place: Array, shape: tuple[int, int]) -> sparse.csr_array:
    """(N, nodes) weights of the four nodes around each place (N, 2), row and column."""
    corner = np.minimum(place.astype(int), np.array(shape) - 2)
    part = place - corner
    rows, columns, values = [], [], []
    for dv, du in np.ndindex(2, 2):
        rows.append(np.arange(len(place)))
        columns.append((corner[:, 0] + dv) * shape[1] + corner[:, 1] + du)
        values.append(np.abs(1 - dv - part[:, 0]) * np.abs(1 - du - part[:, 1]))
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array(entries, shape=(len(place), shape[0] * shape[1]))


def _bends(image: Array) -> sparse.csr_array:
    """(B, nodes) second differences over an image (h, w, 3) in 0 to 1 of one pixel a node, weak over its edges."""
    height, width = image.shape[:2]
    index = np.arange(height * width).reshape(height, width)
    right = np.exp(-np.abs(np.diff(image, axis=1)).max(axis=2) / EDGE) + LOOSE
    down = np.exp(-np.abs(np.diff(image, axis=0)).max(axis=2) / EDGE) + LOOSE
    terms = (
        (np.minimum(right[:, :-1], right[:, 1:]), (index[:, :-2], index[:, 1:-1], index[:, 2:]), (1, -2, 1)),
        (np.minimum(down[:-1], down[1:]), (index[:-2], index[1:-1], index[2:]), (1, -2, 1)),
        (
            np.sqrt(2) * np.minimum(np.minimum(right[:-1], right[1:]), np.minimum(down[:, :-1], down[:, 1:])),
            (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]),
            (1, -1, -1, 1),
        ),
    )
    parts = []
    for strength, nodes, signs in terms:
        count = strength.size
        entries = np.concatenate([sign * strength.ravel() for sign in signs])
        places = np.tile(np.arange(count), len(nodes)), np.concatenate([node.ravel() for node in nodes])
        parts.append(sparse.csr_array((entries, places), shape=(count, height * width)))
    return sparse.csr_array(sparse.vstack(parts))
