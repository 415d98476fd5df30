"""Depth maps out: uint16 millimetres as PNG, float metres as EXR."""

from pathlib import Path

import numpy as np
import OpenEXR
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from recon3d.formats.depth_map import NONE_UINT16
from recon3d.geometry.arrays import Array

MAX_PNG_M = 65.534
"""Farthest depth that millimetres in 16 bits hold [m]; 65535 is taken by other tools to be none."""


def write_depth_png(path: Path, depth: Array, comment: str = "") -> int:
    """Writes depth as a PNG of uint16 millimetres, 0 = none. What is too far for it becomes none, and never wraps.

    Args:
        path: the file.
        depth: (H, W) float32 [m], 0 = none.
        comment: kept in the file.

    Returns:
        How many pixels had a depth that the format can't hold.
    """
    steps = np.rint(depth.astype(np.float64) * 1000)
    steps[(depth > 0) & (steps == 0)] = 1  # nearer than half a millimetre is still something
    beyond = ~(steps < NONE_UINT16)
    steps[beyond] = 0
    notes = PngInfo()
    if comment:
        notes.add_text("Comment", comment.encode("latin-1", "replace").decode("latin-1"))
    Image.fromarray(steps.astype(np.uint16)).save(path, format="PNG", pnginfo=notes)
    return int(np.count_nonzero(beyond))


def write_depth_exr(path: Path, depth: Array, comment: str = "") -> None:
    """Writes depth as an EXR of one channel, Z: float32 metres along z, 0 = none.

    Args:
        path: the file.
        depth: (H, W) float32 [m].
        comment: kept in the file.

    Raises:
        OSError: the file can't be written.
    """
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, "comments": comment}
    channels = {"Z": OpenEXR.Channel(np.ascontiguousarray(depth, np.float32))}
    try:
        OpenEXR.File(header, channels).write(str(path))
    except RuntimeError as error:
        raise OSError(f"EXR: {error}") from error
