"""Stage fuse: all kept depths as one clean mesh."""

from recon3d.files import replacing
from recon3d.formats.glb import write_glb
from recon3d.formats.ply import write_mesh
from recon3d.fusion.clean import clean
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import plan_fusion
from recon3d.fusion.single_view import single_view_mesh
from recon3d.fusion.tsdf import fuse as fuse_frames
from recon3d.scene import Scene
from recon3d.signals import Signal
from recon3d.stages.cloud import scale_comments
from recon3d.stages.frames import frames
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key

VERSION = 1


def fuse(scene: Scene, job: Job) -> Outcome:
    """Writes mesh.ply and mesh.glb; of one photo a single-view mesh, cut at depth edges.

    Raises:
        InputError: the voxel size that was set needs more memory than allowed.
        StageError: no surface came out.
    """
    key = stage_key("fuse", VERSION, job.settings, [], scene)
    return run_stage(scene, "fuse", key, job, lambda: _work(scene, job))


def _work(scene: Scene, job: Job) -> Found:
    settings = job.settings.fuse
    signals = []
    if len(scene.names()) == 1:
        mesh, how = single_view_mesh(next(frames(scene)), job.settings.refine), ["single view, cut at depth edges"]
    else:
        plan = plan_fusion(frames(scene), settings)
        if settings.truncation is not None and plan.truncation < plan.noise_m:
            text = f"truncation {plan.truncation:.3g} m, and depths are off by {plan.noise_m:.3g} m"
            signals.append(Signal("TRUNC_LT_RESIDUAL", text))
        mesh, how = fuse_frames(frames(scene), plan, job.device, job.report), list(plan.reasons)
    mesh = in_order(clean(mesh, settings.min_component))
    with replacing(scene.file("mesh.ply")) as temporary:
        write_mesh(temporary, mesh, scale_comments(scene))
    with replacing(scene.file("mesh.glb")) as temporary:
        write_glb(temporary, mesh, {"scale": scale_comments(scene)[0]})
    size = mesh.vertices.max(axis=0) - mesh.vertices.min(axis=0)
    facts = {
        "vertices": len(mesh.vertices),
        "triangles": len(mesh.triangles),
        "size_m": [round(float(side), 4) for side in size],
        "plan": how,
    }
    across = " x ".join(f"{side:.2f}" for side in size)
    return f"{len(mesh.triangles)} triangles, {across} m; {'; '.join(how)}", facts, signals
