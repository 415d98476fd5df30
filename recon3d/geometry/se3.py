"""Rigid transforms between frames."""

from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array, checked

ORTHONORMAL_TOLERANCE = 1e-3
"""Largest |R Rᵀ - I| taken as rounding of a file with few digits; beyond it the input is refused."""


@dataclass(frozen=True, eq=False)
class SE3:
    """Maps source coordinates to target coordinates: `p_target = R @ p_source + t`.

    A rotation within rounding of orthonormal is projected onto the nearest rotation at birth.

    Attributes:
        R: (3, 3) float64 rotation, det = +1.
        t: (3,) float64 translation [m]; the source origin seen in the target frame.

    Raises:
        InputError: the numbers are no rigid transform (NaN, scaled, sheared, mirrored).
    """

    R: Array
    t: Array

    def __post_init__(self) -> None:
        R = checked("rotation", self.R, np.float64, (3, 3))
        t = checked("translation", self.t, np.float64, (3,))
        if not (np.isfinite(R).all() and np.isfinite(t).all()):
            raise InputError("pose: got NaN or infinite numbers, wanted a rigid transform")
        error = float(np.abs(R @ R.T - np.eye(3)).max())
        if error > ORTHONORMAL_TOLERANCE:
            scale = float(np.cbrt(abs(np.linalg.det(R))))
            raise InputError(
                f"pose: got a 3x3 part that is not a rotation (|R Rᵀ - I| = {error:.2g}, scale {scale:.3g}), "
                "wanted a rigid transform; remove scale and shear from the pose"
            )
        if np.linalg.det(R) < 0:
            raise InputError("pose: got a reflection (det = -1), wanted a rotation; an axis is flipped")
        if error > 1e-12:
            u, _, vt = np.linalg.svd(R)
            R = checked("rotation", u @ vt, np.float64, (3, 3))
        object.__setattr__(self, "R", R)
        object.__setattr__(self, "t", t)

    @classmethod
    def identity(cls) -> "SE3":
        """The transform that changes nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_matrix(cls, matrix: Array) -> "SE3":
        """From a (4, 4) or (3, 4) matrix; a fourth row must be 0 0 0 1."""
        matrix = np.asarray(matrix, np.float64)
        if matrix.shape not in ((4, 4), (3, 4)):
            raise InputError(f"pose: got a matrix of shape {matrix.shape}, wanted (4, 4) or (3, 4)")
        if matrix.shape == (4, 4) and not np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-6):
            raise InputError(f"pose: got bottom row {matrix[3].tolist()}, wanted 0 0 0 1; is the matrix transposed?")
        return cls(matrix[:3, :3], matrix[:3, 3])

    @classmethod
    def from_quat_wxyz(cls, quat: Array, t: Array) -> "SE3":
        """From a unit quaternion (w, x, y, z) and a translation (3,) [m]."""
        quat = checked("quaternion", quat, np.float64, (4,))
        norm = float(np.linalg.norm(quat))
        if not abs(norm - 1) < 1e-2:
            raise InputError(f"quaternion: got norm {norm:.4g}, wanted 1")
        w, x, y, z = quat / norm
        R = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        return cls(R, np.asarray(t, np.float64))

    @property
    def quat_wxyz(self) -> Array:
        """(4,) float64 unit quaternion (w, x, y, z) of the rotation, w ≥ 0."""
        from scipy.spatial.transform import Rotation

        x, y, z, w = Rotation.from_matrix(self.R).as_quat(canonical=True)
        return np.array([w, x, y, z])

    @property
    def matrix(self) -> Array:
        """(4, 4) float64."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.R
        matrix[:3, 3] = self.t
        return matrix

    def inverse(self) -> "SE3":
        """The transform the other way: `a_from_b.inverse()` is `b_from_a`."""
        return SE3(self.R.T, -self.R.T @ self.t)

    def scaled(self, factor: float) -> "SE3":
        """The same transform where lengths are `factor` times as large."""
        return SE3(self.R, self.t * factor)

    def __matmul__(self, other):  # type: ignore[no-untyped-def]
        """`a_from_b @ b_from_c` is `a_from_c`; `a_from_b @ points_b`, (..., 3), are the points in a."""
        if isinstance(other, SE3):
            return SE3(self.R @ other.R, self.R @ other.t + self.t)
        return other @ self.R.T.astype(other.dtype, copy=False) + self.t.astype(other.dtype, copy=False)
