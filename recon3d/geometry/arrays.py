"""Checked, read-only arrays: how frozen values hold numpy data."""

from typing import Any

import numpy as np
import numpy.typing as npt

from recon3d.errors import InputError

Array = npt.NDArray[Any]
Shape = tuple[int | str, ...]


def checked(name: str, value: npt.ArrayLike, dtype: npt.DTypeLike, shape: Shape) -> Array:
    """Returns `value` as a read-only array of `dtype`, its shape checked.

    Args:
        name: how errors call it.
        value: what was handed in; copied only when it has to be converted or is writable.
        dtype: the dtype wanted.
        shape: one int (exact) or letter (any length) per axis.

    Raises:
        InputError: the shape differs, or the values don't convert.
    """
    try:
        array = np.asarray(value, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: got values that are not {np.dtype(dtype).name}: {error}") from error
    fits = array.ndim == len(shape) and all(
        isinstance(want, str) or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(axis) for axis in shape)
        raise InputError(f"{name}: got shape {array.shape}, wanted ({wanted})")
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array
