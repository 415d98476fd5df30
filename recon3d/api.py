"""The Python door: one call from photos to a scene."""

from collections.abc import Sequence
from pathlib import Path

from recon3d.depth.model import DepthModel
from recon3d.progress import Report, silent
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.chain import run as run_chain
from recon3d.stages.job import Job


def run(
    photos: str | Path | Sequence[str | Path],
    scene: str | Path,
    *,
    model: str | DepthModel | None = None,
    settings: Settings | None = None,
    device: str = "auto",
    report: Report = silent,
) -> Scene:
    """Reconstructs photos into a scene; what is up to date is left as it is.

    Args:
        photos: a folder, a glob, one photo, a video, or a list of them.
        scene: the folder to write, made where it isn't there; or the URL of one in a store, as text.
        model: a name of `recon3d models`, a local folder, "recorded", or a `DepthModel` (see `FunctionModel`);
            None = as the settings say.
        settings: every knob; None = the defaults.
        device: auto, cuda, mps or cpu.
        report: told of progress.

    Returns:
        The scene; its mesh is `scene.file("mesh.ply")`.

    Raises:
        InputError: something handed in can't be used.
        StageError: a stage could not reach a result.
    """
    settings = settings or Settings()
    if isinstance(model, str):
        settings = settings.replaced("depth", model=model, maps=None)
    handed_in = None if isinstance(model, str) else model
    for _ in run_chain(photos, scene, Job(settings, device, handed_in, report)):
        pass
    return Scene.open(scene)
