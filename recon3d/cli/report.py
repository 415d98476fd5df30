"""Command `report`."""

from pathlib import Path
from typing import Annotated

import typer

from recon3d.bars import bars
from recon3d.cli.app import app
from recon3d.cli.words import ConfigOpt, ForceOpt, JsonOpt, SetOpt, print_json, settings_from, told


@app.command()
def report(
    scene: Annotated[Path | None, typer.Argument(metavar="SCENE", help="The scene's folder.")] = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="SCENE_A SCENE_B", help="Put two scenes side by side.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="OUT.html", help="Of --compare. [default: SCENE_A/compare.html]"),
    ] = None,
    config: ConfigOpt = None,
    set: SetOpt = None,
    force: ForceOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Writes report.html and metrics.json: whether each step helped, and what to do. Does no other stage."""
    from recon3d.scene import Scene
    from recon3d.stages.chain import settings_of
    from recon3d.stages.job import Job
    from recon3d.stages.report import report as report_stage

    if (scene is None) == (compare is None):
        raise typer.BadParameter("wanted a SCENE, or --compare SCENE_A SCENE_B")
    if scene and out:
        raise typer.BadParameter("-o is of --compare; the report of one scene is SCENE/report.html")
    if scene:
        opened = Scene.open(scene)
        with bars() as tell:
            job = Job(settings_from(settings_of(opened), config, set), "auto", None, tell, force)
            outcomes = told([report_stage(opened, job)], as_json)
        print_json(outcomes, as_json)
    if compare:
        from recon3d.stages.report_compare import compare as compare_scenes

        first, second = (Scene.open(root) for root in compare)
        settings = tuple(settings_from(settings_of(side), config, set) for side in (first, second))
        with bars() as tell:
            line = compare_scenes((first, second), out, (settings[0], settings[1]), tell)
        typer.echo(f"compare: {line}")
