"""Command `view`."""

from pathlib import Path
from typing import Annotated

import typer

from recon3d.cli.app import app
from recon3d.cli.words import SceneArg, short
from recon3d.errors import InputError


@app.command()
def view(
    scene: SceneArg,
    web: Annotated[
        bool, typer.Option("--web", help="Write one HTML page instead, which opens in any browser.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="OUT.html", help="The page. [default: SCENE/view.html]")
    ] = None,
    screenshot: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Write a picture; needs no display.")
    ] = None,
    turntable: Annotated[
        Path | None,
        typer.Option(metavar="OUT.mp4", help="Write a film of one turn around the scene; needs no display."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Shows the mesh, the cloud and the cameras: in a window, as a page, a picture or a film."""
    if sum([web, screenshot is not None, turntable is not None]) > 1:
        raise InputError("got several of --web, --screenshot and --turntable, wanted one of them")
    if out and not web:
        raise InputError("got -o without --web, wanted both, or a name after --screenshot or --turntable")
    from recon3d.bars import bars
    from recon3d.scene import Scene
    from recon3d.stages.view import save_page, save_screenshot, save_turntable, show

    opened = Scene.open(scene)
    with bars() as report:
        if screenshot:
            save_screenshot(opened, screenshot, force=force)
            typer.echo(f"picture: {screenshot}")
        elif turntable:
            save_turntable(opened, turntable, report, force=force)
            typer.echo(f"film: {turntable}")
        elif web:
            page, bare = save_page(opened, report, out, force=force)
            if bare:
                names = short(", ".join(bare))
                typer.echo(f"  without their picture, which is missing or damaged in images/: {names}", err=True)
            typer.echo(f"page: {page}")
        else:
            show(opened, report, lambda text: typer.echo(short(text), err=True))
