"""Command `report`."""

from pathlib import Path
from typing import Annotated

import typer

from recon3d.cli.app import app
from recon3d.cli.telling import telling
from recon3d.cli.words import ConfigOpt, ForceOpt, JsonOpt, LogOpt, QuietOpt, SetOpt, VerboseOpt, settings_from
from recon3d.place import placed


@app.command()
def report(
    scene: Annotated[
        Path | None, typer.Argument(metavar="SCENE", parser=placed, help="The scene's folder, or a URL.")
    ] = None,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="SCENE_A SCENE_B", help="Put two scenes side by side.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="OUT.html", help="Of --compare. [default: SCENE_A/compare.html]"),
    ] = None,
    config: ConfigOpt = None,
    set: SetOpt = None,
    force: ForceOpt = False,
    log: LogOpt = None,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Writes report.html and metrics.json: whether each step helped, and what to do. Does no other stage."""
    if (scene is None) == (compare is None):
        raise typer.BadParameter("wanted a SCENE, or --compare SCENE_A SCENE_B")
    if scene and out:
        raise typer.BadParameter("-o is of --compare; the report of one scene is SCENE/report.html")
    with telling(scene, log=log, quiet=quiet, verbose=verbose, as_json=as_json) as tell:
        from recon3d.scene import Scene
        from recon3d.stages.chain import settings_of
        from recon3d.stages.report import report as report_stage
        from recon3d.stages.report_compare import compare as compare_scenes

        if scene:
            opened = Scene.open(scene)
            settings = settings_from(settings_of(opened), config, set)
            tell.all([report_stage(opened, tell.job(settings, force=force))])
        if compare:
            first, second = (Scene.open(root) for root in compare)
            both = tuple(settings_from(settings_of(side), config, set) for side in (first, second))
            tell.begin("compare")
            tell.line(f"compare: {compare_scenes((first, second), out, (both[0], both[1]), tell.report)}")
