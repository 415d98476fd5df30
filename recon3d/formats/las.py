"""LAS and LAZ files: point clouds out, as surveyors' and GIS programs read them."""

from pathlib import Path

import laspy
import lazrs
import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.surface import PointCloud

STEP_M = 0.0001
"""Coordinates are whole multiples of this [m]."""
CREATION = 90
"""Where the file has the day and year it was made on; 0 = not said."""
POINT_FORMAT = 7
"""LAS 1.4's points with colour; the GPS time in them is 0."""


def write_las(path: Path, cloud: PointCloud, comment: str = "") -> None:
    """Writes a cloud as LAS 1.4, compressed where the name ends in .laz: z up, steps of 0.1 mm, colours as 16 bits.

    Args:
        path: the file.
        cloud: what to write [m].
        comment: kept as a record of user "recon3d"; in UTF-8.

    Raises:
        InputError: the cloud is empty, or wider than the format's 32 bits reach (429 km).
        OSError: the file can't be written.
    """
    if not len(cloud.points):
        raise InputError(f"{path}: the cloud is empty (0 points), wanted something to write")
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    offset = np.round((low + high) / 2)
    steps = np.rint((cloud.points - offset) / STEP_M)
    if np.abs(steps).max() >= 2**31:
        raise InputError(f"{path}: the cloud is {max(high - low):.0f} m wide, wanted at most {2**32 * STEP_M:.0f} m")
    header = laspy.LasHeader(version="1.4", point_format=POINT_FORMAT)
    header.offsets, header.scales = offset, np.full(3, STEP_M)
    header.system_identifier, header.generating_software = "recon3d", "recon3d"
    if comment:
        record = comment.encode("utf-8")
        header.vlrs.append(laspy.VLR("recon3d", 1, "unit and scale", record))
    las = laspy.LasData(header)
    for axis, name in enumerate("XYZ"):
        setattr(las, name, steps[:, axis].astype(np.int32))
    for band, name in enumerate(("red", "green", "blue")):
        setattr(las, name, cloud.colors[:, band].astype(np.uint16) * 257)
    try:
        las.write(str(path), do_compress=path.suffix.lower() == ".laz")
    except lazrs.LazrsError as error:
        raise OSError(f"LAZ: {error}") from error
    with path.open("r+b") as file:
        file.seek(CREATION)
        file.write(bytes(4))  # equal work gives equal bytes
