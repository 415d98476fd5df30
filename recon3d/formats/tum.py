"""TUM trajectories: poses out, one row `t x y z qx qy qz qw` for each photo."""

import re
from collections.abc import Sequence
from pathlib import Path

from recon3d.formats.ply import one_line
from recon3d.geometry import View

TIME = re.compile(r"\d+\.\d+")


def write_tum(path: Path, views: Sequence[View], comments: Sequence[str] = ()) -> None:
    """Writes `world_from_cam` of photos: metres, the quaternion's w last, our camera axes (z forward).

    The first column is the photo's name where all names are times in seconds, in rising order, else 0, 1, 2 …; the name
    then stands in a comment above its row.

    Args:
        path: the file.
        views: in capture order.
        comments: for the head; made ASCII and one line each.
    """
    times = [view.name for view in views]
    timed = all(TIME.fullmatch(time) for time in times) and sorted(times, key=float) == times
    lines = [*(f"# {one_line(text)}" for text in comments), "# t x y z qx qy qz qw"]
    for number, view in enumerate(views):
        w, x, y, z = view.world_from_cam.quat_wxyz
        values = " ".join(f"{value:.9f}" for value in (*view.world_from_cam.t, x, y, z, w))
        lines += [] if timed else [f"# {one_line(view.name)}"]
        lines.append(f"{view.name if timed else number} {values}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
