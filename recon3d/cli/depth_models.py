"""Command `models`: which depth models there are, and fetching one."""

from typing import Annotated

import typer

from recon3d.bars import bars
from recon3d.cli.app import app

models_app = typer.Typer(help="Depth models: which there are, and fetching one.", rich_markup_mode=None)
app.add_typer(models_app, name="models")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """Lists the depth models and what is cached."""
    if context.invoked_subcommand:
        return
    from recon3d.depth.hub import is_cached
    from recon3d.depth.models import MODELS

    for spec in MODELS.values():
        state = "ready" if is_cached(spec) else f"fetch: recon3d models fetch {spec.name}"
        low, high = spec.range_m
        typer.echo(f"{spec.name:12}  {low:g}-{high:g} m  {spec.licence:10}  {spec.size:>8}  {spec.note}  ({state})")
    typer.echo("Also: a local folder in transformers' format, and recorded (a capture's own depth maps).")


@models_app.command()
def fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="A name that recon3d models lists.")]) -> None:
    """Downloads the weights of a model."""
    from recon3d.depth.models import fetch_model

    with bars() as report:
        folder = fetch_model(name, report)
    typer.echo(f"{name}: {folder}")
