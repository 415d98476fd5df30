"""A camera from the numbers of a file: the checks that every camera file goes through."""

from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.untrusted import floats
from recon3d.geometry.arrays import Array
from recon3d.geometry.camera import Camera

MAX_SIDE = 2**20
"""Images beyond this are a broken file [px]."""


def camera_of(values: dict[str, float]) -> Camera:
    """The camera of `values`, keyed as the fields of `Camera`.

    Raises:
        InputError: the numbers make no camera.
    """
    if not (1 <= values["width"] <= MAX_SIDE and 1 <= values["height"] <= MAX_SIDE):
        raise InputError(f"camera size: got {values['width']:g} x {values['height']:g} px, wanted 1 to {MAX_SIDE} each")
    sides: Any = {key: int(values[key]) if values[key].is_integer() else values[key] for key in ("width", "height")}
    return Camera(**{**values, **sides})


def camera_of_K(K: Array, width: float, height: float) -> Camera:
    """The camera of a 3x3 matrix that `check_K` let pass.

    Args:
        K: (3, 3) [px], pixel centres at integers.
        width: of the image it is of [px].
        height: the same [px].

    Raises:
        InputError: the numbers make no camera.
    """
    values = {"width": float(width), "height": float(height)}
    return camera_of(values | {"fx": float(K[0, 0]), "fy": float(K[1, 1]), "cx": float(K[0, 2]), "cy": float(K[1, 2])})


def check_K(K: Array, where: str) -> None:
    """Refuses a (3, 3) matrix that is no K: not finite, transposed, or with skew."""
    if not np.isfinite(K).all():
        raise InputError(f"{where}: K holds NaN or infinite numbers, wanted a 3x3 matrix [px]")
    if not np.allclose(K[2], [0, 0, 1], atol=1e-6):
        hint = "; is K transposed?" if np.allclose(K[:, 2], [0, 0, 1], atol=1e-6) else ""
        raise InputError(f"{where}: got last row {_row(K[2])} of K, wanted 0 0 1{hint}")
    if abs(K[1, 0]) > 1e-6 or abs(K[0, 1]) > 1e-3 * abs(K[0, 0]):
        raise InputError(
            f"{where}: got skew {K[0, 1]:g} (and {K[1, 0]:g} below it) in K, wanted 0 0: square to the axes"
        )


def K_of_words(words: list[str], where: str) -> Array:
    """The (3, 3) K in the words of a text: the 9 of a 3x3 matrix, the 16 of a 4x4 one, or fx fy cx cy."""
    values = np.array(floats(words[:17], where))
    if len(words) == 4:
        fx, fy, cx, cy = values
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    if len(words) == 9:
        return values.reshape(3, 3)
    if len(words) == 16:
        square = values.reshape(4, 4)
        if not np.array_equal(square[[0, 1, 2, 3, 3, 3, 3], [3, 3, 3, 0, 1, 2, 3]], [0, 0, 0, 0, 0, 0, 1]):
            raise InputError(f"{where}: got a 4x4 matrix that is no K, wanted 0 0 0 1 in the last row and column")
        return square[:3, :3]
    hint = " (12: a 3x4 projection matrix holds a pose as well)" if len(words) == 12 else ""
    raise InputError(
        f"{where}: got {len(words)} numbers{hint}, wanted the 9 of a 3x3 K, or fx fy cx cy, or a camera JSON"
    )


def _row(values: Array) -> str:
    return " ".join(f"{x:g}" for x in values)
