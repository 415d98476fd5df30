"""The frames of a refined scene, one at a time."""

from collections.abc import Iterator, Sequence

from recon3d.files import load_array
from recon3d.geometry import Frame
from recon3d.progress import Report, each, silent
from recon3d.scene import Scene


def frames(
    scene: Scene, title: str = "", report: Report = silent, names: Sequence[str] | None = None
) -> Iterator[Frame]:
    """Photos with the depth that is fused, in the metric world; read one by one. All of them, or those of `names`."""
    cameras, world_from_cam = scene.cameras(), scene.world_from_cam()
    for name in each(list(cameras) if names is None else names, title, report):
        depth = load_array(scene.refined_path(name))
        sigma = load_array(scene.refined_sigma_path(name))
        yield Frame(name, scene.image(name), depth, sigma, cameras[name], world_from_cam[name])
