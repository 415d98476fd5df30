"""Command `models`: which depth models there are, and fetching one."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from recon3d.bars import bars
from recon3d.cli.app import app
from recon3d.cli.words import JsonOpt

if TYPE_CHECKING:
    from recon3d.depth.models import ModelSpec

models_app = typer.Typer(help="Depth models: which there are, and fetching one.", rich_markup_mode=None)
app.add_typer(models_app, name="models")

_HEADINGS = ("name", "predicts", "range", "licence", "download", "memory", "here", "good for")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: JsonOpt = False) -> None:
    """Lists the depth models and what is cached."""
    if context.invoked_subcommand:
        return
    from recon3d.depth.hub import is_cached
    from recon3d.depth.models import MODELS

    if as_json:
        rows = [{**vars(spec), "is_cached": is_cached(spec)} for spec in MODELS.values()]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = [_HEADINGS, *(_row(spec, is_cached(spec)) for spec in MODELS.values())]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo(
        "Fetch one with: recon3d models fetch NAME. * = not for commercial use, or unclear: read its licence first.\n"
        "Disparity becomes metric by structure from motion, or by a metric model: --metric-from NAME.\n"
        "Also: a local folder in transformers' format, recorded (a capture's own depth maps), and ties (no network:\n"
        "the points that photos share, interpolated; textureless parts stay empty)."
    )


def _row(spec: "ModelSpec", cached: bool) -> tuple[str, ...]:
    """The cells of one model, as `_HEADINGS`."""
    reach = "" if spec.range_m is None else f"{spec.range_m[0]:g}-{spec.range_m[1]:g} m"
    licence = spec.licence if spec.commercial else f"{spec.licence} *"
    download = spec.size if spec.repository else "none"
    memory = f"{spec.memory_bytes / 1e9:.2f} GB"
    return spec.name, spec.kind, reach, licence, download, memory, "yes" if cached else "no", spec.note


@models_app.command()
def fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="A name that recon3d models lists.")]) -> None:
    """Downloads the weights of a model, after telling their licence."""
    from recon3d.depth.models import MODELS, fetch_model, licence_notice

    if name in MODELS:
        spec = MODELS[name]
        typer.echo(licence_notice(spec) or f"{name}: licence of the weights: {spec.licence}", err=True)
    with bars() as report:
        folder = fetch_model(name, report)
    typer.echo(f"{name}: {folder}")
