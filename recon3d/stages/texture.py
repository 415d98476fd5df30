"""Stage texture: the photos as a picture on the mesh."""

from recon3d.errors import InputError
from recon3d.files import replacing
from recon3d.formats.textured_glb import PICTURES, write_textured_glb
from recon3d.scene import Scene
from recon3d.stages.cloud import scale_comments
from recon3d.stages.frames import frames
from recon3d.stages.job import Found, Job, Outcome, run_stage, stage_key
from recon3d.stages.surface import surface_of
from recon3d.texture.bake import bake

VERSION = 2
SMALLEST, LARGEST = 64, 8192
"""Sizes that a texture may have [px]."""


def texture(scene: Scene, job: Job) -> Outcome:
    """Writes textured.glb.

    Raises:
        InputError: a size or a kind of picture that there isn't.
        StageError: the mesh is damaged.
    """
    settings = job.settings.texture
    if settings.size is not None and not SMALLEST <= settings.size <= LARGEST:
        raise InputError(f"texture.size: got {settings.size} px, wanted {SMALLEST} to {LARGEST}")
    if settings.picture not in PICTURES:
        raise InputError(f"texture.picture: got {settings.picture!r}, wanted one of {', '.join(PICTURES)}")
    key = stage_key("texture", VERSION, job.settings, [], scene)
    return run_stage(scene, "texture", key, job, lambda: _work(scene, job))


def _work(scene: Scene, job: Job) -> Found:
    settings = job.settings.texture
    baked = bake(surface_of(scene, "mesh.ply", "mesh"), lambda: frames(scene), settings.size, job.report)
    extras = {"scale": scale_comments(scene)[0]}
    with replacing(scene.file("textured.glb")) as temporary:
        write_textured_glb(temporary, baked.textured, extras, picture=settings.picture)
    gains = baked.exposure.gain.mean(axis=1)
    facts = {
        "triangles": len(baked.textured.mesh.triangles),
        "size_px": baked.atlas.size,
        "charts": baked.atlas.charts,
        "texel_m": round(1 / baked.atlas.density, 6),
        "seen_share": round(baked.seen, 4),
        "gains": [round(float(gains.min()), 3), round(float(gains.max()), 3)],
    }
    line = (
        f"{baked.atlas.size} px, {baked.atlas.charts} charts, {1000 / baked.atlas.density:.1f} mm a texel, "
        f"{100 * baked.seen:.1f} % seen by photos, exposures x {gains.min():.2f} to {gains.max():.2f}"
    )
    return line, facts, []
