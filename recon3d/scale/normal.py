"""Linear least squares over many small groups of unknowns, each tied to few others: sparse normal equations."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from recon3d.geometry.arrays import Array


class Normal:
    """Normal equations of unknowns that come in rows of `count`, in blocks of two rows."""

    def __init__(self, rows: int, count: int) -> None:
        self._blocks: dict[tuple[int, int], Array] = {}
        self._right = np.zeros((rows, count))

    def _block(self, a: int, b: int, values: Array) -> None:
        self._blocks[a, b] = self._blocks[a, b] + values if (a, b) in self._blocks else values

    def add(self, a: int, terms: Array, target: Array, weight: Array) -> None:
        """Wants terms @ x_a = target."""
        weighted = terms * weight[:, None]
        self._block(a, a, weighted.T @ terms)
        self._right[a] += weighted.T @ target

    def add_difference(self, a: int, b: int, ours: Array, theirs: Array, target: Array, weight: Array) -> None:
        """Wants ours @ x_a - theirs @ x_b = target."""
        self.add(a, ours, target, weight)
        self.add(b, -theirs, target, weight)
        cross = -(ours * weight[:, None]).T @ theirs
        self._block(a, b, cross)
        self._block(b, a, cross.T)

    def add_prior(self, a: int, guess: Array, sigma: Array) -> None:
        """Wants x_a = guess (count,), to within sigma (count,); inf = whatever."""
        self.add(a, np.eye(len(guess)), guess, sigma**-2.0)

    def add_likeness(self, a: int, b: int, sigma: Array) -> None:
        """Wants x_a = x_b, to within sigma (count,); inf = whatever."""
        unit = np.eye(len(sigma))
        self.add_difference(a, b, unit, unit, np.zeros(len(sigma)), sigma**-2.0)

    def solved(self) -> Array:
        """(rows, count) coefficients."""
        rows, count = self._right.shape
        where = np.array(list(self._blocks)) * count
        grid = np.indices((count, count)).reshape(2, -1)
        i, j = (where[:, axis, None] + grid[axis] for axis in (0, 1))
        values = np.stack(list(self._blocks.values())).reshape(len(where), -1)
        matrix = coo_matrix((values.ravel(), (i.ravel(), j.ravel())), shape=(rows * count, rows * count))
        solution: Array = spsolve(matrix.tocsc(), self._right.ravel()).reshape(rows, count)
        return solution
