"""Stage mesh: the fused surface as a clean mesh."""

import dataclasses

from recon3d.errors import StageError
from recon3d.files import replacing
from recon3d.formats.glb import write_glb
from recon3d.formats.ply import write_mesh
from recon3d.mesh.change import Change
from recon3d.mesh.clean import clean
from recon3d.scene import Scene
from recon3d.stages.cloud import scale_comments
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key
from recon3d.stages.surface import surface_of

VERSION = 5


def mesh(scene: Scene, job: Job) -> Outcome:
    """Writes mesh.ply and mesh.glb.

    Raises:
        StageError: the fused surface is damaged.
    """
    key = stage_key("mesh", VERSION, job.settings, [], scene)
    return run_stage(scene, "mesh", key, job, lambda: _work(scene, job))


def _work(scene: Scene, job: Job) -> Found:
    settings, is_fused = job.settings.mesh, "surface_voxels" in scene.facts("fuse")
    if (
        settings.normals is None
    ):  # one photo's depth has normals over many pixels; its triangles show the sensor's steps
        settings = dataclasses.replace(settings, normals=is_fused)
    cleaned, changes = clean(surface_of(scene, "fused.ply", "fuse"), settings, job.report)
    if is_fused:
        changes.insert(0, Change("surface_voxels", **scene.facts("fuse")["surface_voxels"]))
    if not len(cleaned.triangles):
        raise StageError(
            f"{scene.file('fused.ply')}: none of its triangles has an area; the poses may be wrong, or fuse.voxel_size "
            "too small"
        )
    with replacing(scene.file("mesh.ply")) as temporary:
        write_mesh(temporary, cleaned, scale_comments(scene))
    with replacing(scene.file("mesh.glb")) as temporary:
        write_glb(temporary, cleaned, {"scale": scale_comments(scene)[0]})
    size = cleaned.vertices.max(axis=0) - cleaned.vertices.min(axis=0)
    facts = {
        "vertices": len(cleaned.vertices),
        "triangles": len(cleaned.triangles),
        "size_m": [round(float(side), 4) for side in size],
        "changes": {change.what: {"before": change.before, "after": change.after} for change in changes},
    }
    across = " x ".join(f"{side:.2f}" for side in size)
    told = [str(change) for change in changes if change.before != change.after]
    return "; ".join([f"{len(cleaned.triangles)} triangles, {across} m", *told]), facts, []
