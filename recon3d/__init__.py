"""recon3d: photos in, metric mesh out."""

import zlib  # noqa: F401  first of all: pycolmap exports a zlib of its own that corrupts the heap of whoever binds to it
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recon3d.api import run
    from recon3d.depth.model import DepthModel, DepthPrediction, FunctionModel
    from recon3d.errors import InputError, Recon3dError, StageError
    from recon3d.geometry import SE3, Calibration, Camera, Frame, Mesh, PointCloud
    from recon3d.scene import Scene
    from recon3d.settings import Settings

__version__ = "0.1.0"
__all__ = [
    "SE3",
    "Calibration",
    "Camera",
    "DepthModel",
    "DepthPrediction",
    "Frame",
    "FunctionModel",
    "InputError",
    "Mesh",
    "PointCloud",
    "Recon3dError",
    "Scene",
    "Settings",
    "StageError",
    "run",
]

_HOMES = {
    "run": "api",
    "DepthModel": "depth.model",
    "DepthPrediction": "depth.model",
    "FunctionModel": "depth.model",
    "InputError": "errors",
    "Recon3dError": "errors",
    "StageError": "errors",
    "Scene": "scene",
    "Settings": "settings",
}


def __getattr__(name: str) -> object:
    """Imports a public name when it is first used, so that `import recon3d` stays quick."""
    if name not in __all__:
        raise AttributeError(f"module 'recon3d' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"recon3d.{_HOMES.get(name, 'geometry')}"), name)
