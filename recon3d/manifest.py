"""The stages of a scene: their order, the files of each, and what a manifest of them looks like."""

from pathlib import Path
from typing import Any, TypeGuard

from recon3d.errors import InputError
from recon3d.signals import ADVICE

SCHEMA = 1
MANIFEST = "scene.json"
OUTPUTS: dict[str, tuple[str, ...]] = {
    "init": ("photos", "calibration.json", "capture.json"),
    "poses": ("sparse", "images", "masks", "cameras.json"),
    "depth": ("depth", "disparity"),
    "scale": ("scales.json", "poses.json"),
    "refine": ("refined", "matched"),
    "cloud": ("cloud.ply",),
    "fuse": ("fused.ply", "tiles"),
    "mesh": ("mesh.ply", "mesh.glb"),
    "report": ("report.html", "metrics.json"),
    "texture": ("textured.glb",),
}
"""The stages in their order, and the files that each alone writes."""

ON_DEMAND = ("texture",)
"""Stages that a run leaves out: they are done when they are asked for by name."""

MAYBE = ("masks", "depth", "disparity", "matched", "tiles")
"""Outputs that not every scene has: masks where a lens left a border, depth or disparity by the model, matched and
tiles while `refine` and `fuse` work."""

CHECKED = ("init", "poses", "depth", "scale", "refine", "fuse")
"""Stages whose files others build on: they must be what was written; a mesh or a cloud is the user's to change."""

UPSTREAM = {
    "poses": "init",
    "depth": "poses",
    "scale": "depth",
    "refine": "scale",
    "cloud": "refine",
    "fuse": "refine",
    "mesh": "fuse",
    "report": "mesh",
    "texture": "mesh",
}


def check_place(root: Path) -> None:
    """Looks at where a scene is to be made.

    Raises:
        InputError: something else stands there.
    """
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; SCENE is a folder: name another with -o")
    if root.is_dir() and any(path for path in root.iterdir() if not path.name.startswith(".tmp-")):
        raise InputError(f"{root}: holds files that are not a scene's; name an empty or new folder with -o")


def is_manifest(data: Any) -> TypeGuard[dict[str, Any]]:
    """Whether what a manifest holds is of the kinds that are read from it."""
    if not isinstance(data, dict) or not isinstance(data.get("stages"), dict):
        return False
    entries, signals = data["stages"].values(), data.get("signals")
    if data.get("schema") != SCHEMA:  # said by itself
        return True
    return (
        all(isinstance(e, dict) and all(isinstance(e.get(k, {}), dict) for k in ("settings", "facts")) for e in entries)
        and isinstance(signals, list)
        and all(isinstance(s, dict) and {"stage", "code", "message", "photos"} <= s.keys() for s in signals)
        and all(
            isinstance(s["photos"], list) and str(s["code"]) in ADVICE and str(s["stage"]) in OUTPUTS for s in signals
        )
    )
