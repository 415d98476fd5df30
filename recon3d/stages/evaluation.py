"""What an evaluation answers: facts for programs, a table for people; shared by depth, trajectory and mesh."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.scene import Scene


@dataclass(frozen=True)
class Evaluation:
    """Errors, and what they are errors of.

    Attributes:
        facts: every figure and every choice that made it; units in the names; fit for JSON.
        lines: the same for people, in short.
        notes: what the reader should know before believing the figures.
    """

    facts: dict[str, Any]
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


def is_scene(path: Path) -> bool:
    """Whether a SCENE stands there, rather than a file or another folder."""
    return Scene.is_at(path)


def scene_poses(path: Path) -> dict[str, SE3]:
    """The final poses of a scene, in its metric world.

    Raises:
        InputError: it has none yet.
    """
    scene = Scene.open(path)
    if not scene.is_done("scale"):
        raise InputError(f"{path}: no metric poses there yet; make them with: recon3d scale {path}")
    return scene.world_from_cam()


def table(columns: Sequence[str], rows: Mapping[str, Sequence[float]], digits: int = 4) -> list[str]:
    """Lines of figures: a name and one number for each column.

    Args:
        columns: their titles.
        rows: the numbers by the row's name.
        digits: after the point.
    """
    widths = [max(len(column), 10) + 2 for column in columns]
    left = max(map(len, rows)) + 2
    head = " " * left + "".join(f"{column:>{width}}" for column, width in zip(columns, widths, strict=True))
    body = [
        f"{name:<{left}}" + "".join(f"{value:>{width}.{digits}f}" for value, width in zip(values, widths, strict=True))
        for name, values in rows.items()
    ]
    return [head, *body]


def listed(names: Sequence[str], limit: int = 3) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
