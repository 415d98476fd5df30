"""Command `export`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from recon3d.bars import bars
from recon3d.cli.app import app
from recon3d.cli.words import JsonOpt, SceneArg, short

NAMES = (
    "mesh: ply, glb, obj, usd, stl, blend; texture: textured-glb, textured-obj; cloud: cloud-ply, las, laz, splats; "
    "photos: colmap, colmap-text, nerfstudio, tum, depth-png, depth-exr"
)


@app.command()
def export(
    scene: SceneArg,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help=f"{NAMES}.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="OUT", help="The file or folder to write. [default: in SCENE/export]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: JsonOpt = False,
) -> None:
    """Writes the mesh, the cloud, the cameras or the depth as files of other programs."""
    from recon3d.scene import Scene
    from recon3d.stages.export import export as export_scene

    with bars() as report:
        made = export_scene(Scene.open(scene), to, out, force=force, report=report)
    typer.echo(json.dumps(made.facts, indent=1, ensure_ascii=False) if as_json else short(made.line, 2000))
