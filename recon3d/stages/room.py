"""Room: what a stage is sure to write is known to fit on SCENE's disk before it begins."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from recon3d.errors import StageError
from recon3d.geometry import Camera
from recon3d.scene import Scene
from recon3d.signals import Signal

if TYPE_CHECKING:
    from recon3d.refine.photometric import Pass  # and torch, which not every stage needs

RESERVE = 2**20
"""For the manifest and the checksums [bytes]."""
COMPRESSING = ("btrfs", "zfs", "bcachefs", "f2fs", "ntfs3")
"""Kinds of disks that may hold more than their free space, as they can compress: nothing is refused there."""


def map_bytes(camera: Camera) -> int:
    """What one map of a photo takes, (H, W) float32."""
    return 4 * camera.width * camera.height


def matched_bytes(camera: Camera, how: "Pass") -> int:
    """What a photometric pass leaves of a photo, (2, h, w) float32."""
    width, height = (max(1, round(side * how.share)) for side in (camera.width, camera.height))
    return 2 * 4 * width * height


def _depth_missing(scene: Scene) -> int:
    """A map of each photo that has none; what a model says of its sigma comes on top."""
    paths = (scene.bare.depth_path, scene.bare.disparity_path)
    return sum(
        map_bytes(camera) for name, camera in scene.cameras().items() if not any(scene.has(of(name)) for of in paths)
    )


def refined_missing(scene: Scene) -> int:
    """Depth and sigma of each photo that isn't refined."""
    missing = (camera for name, camera in scene.cameras().items() if not scene.has(scene.bare.refined_path(name)))
    return 2 * sum(map(map_bytes, missing))


LEAST: dict[str, Callable[[Scene], int]] = {"depth": _depth_missing, "refine": refined_missing}
"""By stage what it will write at least, beside what is there [bytes]. What the other stages write depends on what the
photos show, so that nothing is sure."""


def check_stage(scene: Scene, stage: str) -> None:
    """Refuses a stage that is sure to fill the disk.

    Args:
        scene: with the stage claimed: what was made with other settings is gone.
        stage: that is about to begin.

    Raises:
        StageError: there is too little room.
    """
    if stage in LEAST:
        check_room(scene.root, LEAST[stage](scene), stage)


def check_matching(scene: Scene, names: Iterable[str], passes: "Iterable[Pass]") -> None:
    """The same within `refine`: what the passes leave stands until all photos are refined.

    Args:
        scene: with `refine` claimed.
        names: photos that are matched.
        passes: in their order.

    Raises:
        StageError: there is too little room.
    """
    cameras, matched = scene.cameras(), list(names)
    missing = sum(
        matched_bytes(cameras[name], how)
        for number, how in enumerate(passes)
        for name in matched
        if not scene.has(scene.bare.matched_path(number, name))
    )
    check_room(scene.root, missing + refined_missing(scene), "refine")


def outlook(scene: Scene, passes: "Iterable[Pass]") -> list[Signal]:
    """What to tell of the disk right after `init`: whether it will hold the maps if all photos are placed.

    Args:
        scene: with its photos.
        passes: that depth will be matched in.
    """
    how = list(passes)
    cameras = [calibration.camera for calibration in scene.calibrations().values()]
    wanted = sum(3 * map_bytes(camera) + sum(matched_bytes(camera, one) for one in how) for camera in cameras)
    folders = ("depth", "disparity", "refined", "matched")
    there = sum(path.stat().st_size for folder in folders for path in scene.file(folder).rglob("*.npy"))
    free = shutil.disk_usage(scene.root).free
    if wanted - there + RESERVE <= free or _may_compress(scene.root):
        return []
    text = f"depth and refine write up to {told(wanted - there)} to {scene.root}, whose disk has {told(free)} free"
    return [Signal("SMALL_DISK", text)]


def check_room(folder: Path, least: int, stage: str) -> None:
    """Refuses to write what the disk doesn't hold.

    Args:
        folder: where it is to go.
        least: what is sure to be written [bytes].
        stage: that writes it.

    Raises:
        StageError: says how much is wanted, how much there is, and where.
    """
    free = shutil.disk_usage(folder).free
    if not least or least + RESERVE <= free or _may_compress(folder):
        return
    raise StageError(
        f"{stage}: writes {told(least)} or more to {folder}, whose disk has {told(free)} free; nothing was begun: free "
        f"{told(least + RESERVE - free)}, move the scene to a larger disk, or lower photos.max_side"
    )


def told(size: float) -> str:
    """Bytes for people, rounded up in the last digit shown: 31 MB, 4.2 GB."""
    for unit, least in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= least:
            return f"{size / least:.1f} {unit}" if size < 10 * least else f"{size / least:.0f} {unit}"
    return f"{size / 1e3:.0f} kB"


def _may_compress(folder: Path) -> bool:
    """Whether the disk may hold more than its free space; where that isn't known it doesn't."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    places = {Path(where.replace("\\040", " ")): kind for _, where, kind, *_ in map(str.split, lines)}
    there = folder.resolve()
    return next((places[place] in COMPRESSING for place in (there, *there.parents) if place in places), False)
