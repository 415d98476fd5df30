"""Commands of the stages: a whole run, or one stage with what is missing before it."""

import shlex

from recon3d.cli.app import app
from recon3d.cli.telling import telling
from recon3d.cli.words import (
    CameraOpt,
    ConfigOpt,
    DepthOpt,
    DeviceOpt,
    DistanceOpt,
    DryOpt,
    EngineOpt,
    ForceOpt,
    FormatOpt,
    JsonOpt,
    LensOpt,
    LevelOpt,
    LogOpt,
    MetricFromOpt,
    ModelOpt,
    OutOpt,
    PhotosArg,
    PosesOpt,
    QuietOpt,
    SceneArg,
    SetOpt,
    ShardOpt,
    VerboseOpt,
    scene_for,
    settings_from,
    source,
)
from recon3d.place import told
from recon3d.settings import Settings


@app.command()
def run(
    photos: PhotosArg,
    out: OutOpt = None,
    model: ModelOpt = None,
    metric_from: MetricFromOpt = None,
    camera: CameraOpt = None,
    poses: PosesOpt = None,
    depth: DepthOpt = None,
    format: FormatOpt = None,
    calibrate_lens: LensOpt = None,
    known_distance: DistanceOpt = None,
    level: LevelOpt = None,
    device: DeviceOpt = "auto",
    engine: EngineOpt = None,
    config: ConfigOpt = None,
    set: SetOpt = None,
    force: ForceOpt = False,
    dry: DryOpt = False,
    log: LogOpt = None,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Everything: photos to mesh.ply and mesh.glb; what is up to date is left as it is."""
    root = out or scene_for(photos)
    with telling(root, log=log, quiet=quiet, verbose=verbose, as_json=as_json) as tell:
        from recon3d.engine.choice import engine_for
        from recon3d.stages.chain import run as run_chain

        options = {"model": model, "camera": camera, "poses": poses, "depth": depth, "format": format}
        options |= {"metric_from": metric_from, "calibrate_lens": calibrate_lens}
        settings = settings_from(Settings(), config, set, **options, known_distance=known_distance, level=level)
        if dry:
            from recon3d.cli.dry_run import tell_dry_run
            from recon3d.stages.dry_run import dry_run

            tell_dry_run(dry_run(source(photos), root, tell.job(settings, device, force=force)), root, tell)
            return
        with engine_for(engine, None, device) as chosen:
            tell.all(run_chain(source(photos), root, tell.job(settings, device, force=force, engine=chosen)))
        meshes = f"{told(root / 'mesh.ply')}  {told(root / 'mesh.glb')}"
        tell.line(f"mesh: {meshes}   look: recon3d view {shlex.quote(told(root))}")


@app.command()
def init(
    photos: PhotosArg,
    out: OutOpt = None,
    camera: CameraOpt = None,
    format: FormatOpt = None,
    config: ConfigOpt = None,
    set: SetOpt = None,
    force: ForceOpt = False,
    log: LogOpt = None,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Takes photos into a scene: upright, at the working size, with their cameras."""
    root = out or scene_for(photos)
    with telling(root, log=log, quiet=quiet, verbose=verbose, as_json=as_json) as tell:
        from recon3d.stages.init import init as init_stage

        settings = settings_from(Settings(), config, set, camera=camera, format=format)
        tell.all([init_stage(source(photos), root, tell.job(settings, force=force))])


def _stage_command(stage: str, text: str) -> None:
    """Adds the command of one stage."""

    def command(
        scene: SceneArg,
        model: ModelOpt = None,
        metric_from: MetricFromOpt = None,
        poses: PosesOpt = None,
        depth: DepthOpt = None,
        calibrate_lens: LensOpt = None,
        known_distance: DistanceOpt = None,
        level: LevelOpt = None,
        device: DeviceOpt = "auto",
        engine: EngineOpt = None,
        shard: ShardOpt = None,
        config: ConfigOpt = None,
        set: SetOpt = None,
        force: ForceOpt = False,
        log: LogOpt = None,
        quiet: QuietOpt = False,
        verbose: VerboseOpt = False,
        as_json: JsonOpt = False,
    ) -> None:
        with telling(scene, log=log, quiet=quiet, verbose=verbose, as_json=as_json) as tell:
            from recon3d.engine.choice import engine_for
            from recon3d.scene import Scene
            from recon3d.stages.chain import run_to, settings_of

            opened = Scene.open(scene)
            options = {"model": model, "poses": poses, "depth": depth, "calibrate_lens": calibrate_lens}
            options |= {"metric_from": metric_from}
            base = settings_of(opened)
            settings = settings_from(base, config, set, **options, known_distance=known_distance, level=level)
            with engine_for(engine, shard, device) as chosen:
                tell.all(run_to(opened, stage, tell.job(settings, device, force=force, engine=chosen)))

    command.__doc__ = f"{text} Does what is missing before it; settings go on from the scene's last."
    app.command(name=stage)(command)


_stage_command("poses", "Where each photo stood; undistorts the photos.")
_stage_command("depth", "Depth of each photo, predicted or recorded.")
_stage_command("scale", "Scale of each view, metric scale, levelled world.")
_stage_command("refine", "Keeps the depths that views agree on.")
_stage_command("cloud", "Writes cloud.ply.")
_stage_command("fuse", "Fuses the depths into one surface, fused.ply.")
_stage_command("mesh", "Cleans the fused surface: mesh.ply and mesh.glb.")
_stage_command("texture", "Puts the photos onto the mesh as a texture: textured.glb; no part of a run.")
