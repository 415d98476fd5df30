"""Commands about the program itself: its settings, and what this machine has and lacks."""

from itertools import pairwise
from typing import get_type_hints

import typer

from recon3d.cli.app import app
from recon3d.settings import Settings


@app.command()
def settings() -> None:
    """Lists every setting with its default and unit."""
    import ast
    import inspect

    for section, kind in get_type_hints(Settings).items():
        (body,) = ast.parse(inspect.getsource(kind)).body
        assert isinstance(body, ast.ClassDef)
        for field, text in pairwise(body.body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                name, meaning = ast.unparse(field.target), " ".join(ast.literal_eval(text.value).split())
                typer.echo(f"{section}.{name}={getattr(kind, name)}".ljust(36) + meaning)


@app.command()
def doctor() -> None:
    """Says what this machine has and lacks, with the fix for each."""
    from recon3d.doctor import findings

    found = list(findings())
    for finding in found:
        typer.echo(
            f"{'ok  ' if finding.good else 'LACK'}  {finding.what}" + (f"  → {finding.fix}" if finding.fix else "")
        )
    if not all(finding.good for finding in found):
        raise typer.Exit(1)
