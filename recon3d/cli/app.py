"""The typer app: where commands are added, and how the program ends."""

import sys

import typer

from recon3d.cli.words import short
from recon3d.errors import Recon3dError

INTERRUPTED = 130
"""Exit code that typer ends with after Ctrl-C."""

app = typer.Typer(
    name="recon3d",
    help="Photos in, metric mesh out.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich's markup would swallow [px] and [m]
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Runs the app; errors that a user can act on become one line and exit code 1."""
    try:
        app()
    except Recon3dError as error:
        typer.echo(f"recon3d: {short(str(error), 2000)}", err=True)
        sys.exit(1)
    except SystemExit as ending:
        if ending.code == INTERRUPTED:
            typer.echo("recon3d: interrupted; the same command goes on from here", err=True)
        raise
