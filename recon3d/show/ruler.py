"""The ruler between two points of the world, with the doubt that the world's size brings along."""

from dataclasses import dataclass

import numpy as np

from recon3d.geometry.arrays import Array


@dataclass(frozen=True, eq=False)
class Measured:
    """A length in the world.

    Attributes:
        start: (3,) [m].
        end: (3,) [m].
        scale_sigma: one standard deviation of the world's size over its size; 0 = given, 1 = nothing is known.
    """

    start: Array
    end: Array
    scale_sigma: float

    @property
    def length_m(self) -> float:
        """The distance [m]."""
        return float(np.linalg.norm(np.subtract(self.end, self.start)))

    @property
    def sigma_m(self) -> float:
        """One standard deviation by the doubt about the world's size alone [m]: the points count as exact."""
        return self.length_m * self.scale_sigma

    @property
    def text(self) -> str:
        """What the viewers write beside the line; the page's `ruler.js` writes the same."""
        if self.scale_sigma >= 1:
            return f"{self.length_m:.3f} units of unknown size"
        if self.scale_sigma == 0:
            return f"{self.length_m:.3f} m"
        return f"{self.length_m:.3f} m ± {self.sigma_m:.3f} m"
