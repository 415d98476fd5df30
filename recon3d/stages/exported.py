"""What every export shares: what it says of itself, and the photos of a scene with their cameras and files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon3d.errors import StageError
from recon3d.geometry import Mesh, View
from recon3d.geometry.arrays import Array
from recon3d.scene import Scene

UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        line: what is in it, in one line.
        facts: the numbers of it.
    """

    line: str
    facts: dict[str, Any]

    @classmethod
    def of_mesh(cls, mesh: Mesh, *, cameras: int = 0) -> "Exported":
        """Of a mesh, with cameras perhaps."""
        across, size = _across(mesh.vertices)
        line = f"{len(mesh.triangles)} triangles, {across}"
        facts = {"vertices": len(mesh.vertices), "triangles": len(mesh.triangles), "size_m": size}
        return (
            cls(f"{line}, {counted(cameras, 'camera')}", facts | {"cameras": cameras}) if cameras else cls(line, facts)
        )

    @classmethod
    def of_points(cls, points: Array) -> "Exported":
        """Of (N, 3) points."""
        across, size = _across(points)
        return cls(f"{len(points)} points, {across}", {"points": len(points), "size_m": size})

    def at(self, to: str, path: Path, size: int) -> "Exported":
        """The same, with format, place and bytes."""
        facts = {"format": to, "path": str(path), **self.facts, "bytes": size}
        return Exported(f"{to}: {self.line}, {_amount(size)}: {path}", facts)


def views_of(scene: Scene) -> list[View]:
    """The registered photos with their cameras, in capture order."""
    world_from_cam = scene.world_from_cam()
    return [View(name, camera, world_from_cam[name]) for name, camera in scene.cameras().items()]


def picture_paths(scene: Scene) -> dict[str, Path]:
    """The undistorted photo of each registered one.

    Raises:
        StageError: one is gone.
    """
    paths = {name: scene.image_path(name) for name in scene.names()}
    gone = [name for name, path in paths.items() if not path.is_file()]
    if gone:
        shown = ", ".join(gone[:3]) + (", …" if len(gone) > 3 else "")
        raise StageError(
            f"{scene.file('images')}: {len(gone)} of {len(paths)} photos are gone ({shown}); make them again with: "
            f"recon3d poses {scene.place}"
        )
    return paths


def counted(count: int, noun: str) -> str:
    """As people say it: 1 photo, 2 photos."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _across(points: Array) -> tuple[str, list[float]]:
    size = points.max(axis=0) - points.min(axis=0)
    return " x ".join(f"{side:.2f}" for side in size) + " m", [round(float(side), 4) for side in size]


def _amount(size: float) -> str:
    """Bytes as people read them."""
    unit = 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {UNITS[unit]}"
