"""Stage cloud: all kept depths as one coloured point cloud."""

from recon3d.files import replacing
from recon3d.formats.ply import write_cloud
from recon3d.fusion.cloud import cloud_of
from recon3d.fusion.plan import voxel_of
from recon3d.scene import Scene
from recon3d.stages.frames import frames
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key

VERSION = 1


def cloud(scene: Scene, job: Job) -> Outcome:
    """Writes cloud.ply, one point per voxel.

    Raises:
        StageError: no depth is left.
    """
    key = stage_key("cloud", VERSION, job.settings, [], scene)
    return run_stage(scene, "cloud", key, job, lambda: _work(scene, job))


def _work(scene: Scene, job: Job) -> Found:
    voxel = job.settings.cloud.voxel_size
    if voxel is None:
        voxel = voxel_of(frames(scene))
    points = cloud_of(frames(scene, "cloud", job.report), voxel)
    with replacing(scene.file("cloud.ply")) as temporary:
        write_cloud(temporary, points, scale_comments(scene))
    facts = {"points": len(points.points), "voxel_size_m": voxel}
    return f"{len(points.points)} points, one per {1000 * voxel:.1f} mm cube", facts, []


def scale_comments(scene: Scene) -> list[str]:
    """What an output's metadata says of the metric scale."""
    facts = scene.facts("scale")
    return [f"unit metre; scale {facts['source']}, one sigma {100 * facts['relative_sigma']:.2f} percent"]
