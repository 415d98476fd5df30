"""Command `view`."""

from pathlib import Path
from typing import Annotated

import typer

from recon3d.cli.app import app
from recon3d.cli.words import SceneArg


@app.command()
def view(
    scene: SceneArg,
    screenshot: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Write a picture; needs no display.")
    ] = None,
) -> None:
    """Shows the mesh, the cloud and the cameras."""
    from recon3d.scene import Scene
    from recon3d.stages.view import save_screenshot, show

    opened = Scene.open(scene)
    if screenshot:
        save_screenshot(opened, screenshot)
        typer.echo(f"picture: {screenshot}")
    else:
        show(opened)
