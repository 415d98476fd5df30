"""Commands about the program itself: its settings, and what this machine has and lacks."""

from typing import Any

import typer

from recon3d.cli.app import app
from recon3d.settings import (
    CloudSettings,
    DepthSettings,
    FuseSettings,
    PhotosSettings,
    PosesSettings,
    RefineSettings,
    ScaleSettings,
)


@app.command()
def settings() -> None:
    """Lists every setting with its default and unit."""
    import dataclasses
    import inspect

    for section, kind in _SECTIONS.items():
        lines = inspect.getsource(kind).splitlines()
        for field in dataclasses.fields(kind):
            at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{field.name}:"))
            typer.echo(f"{section}.{field.name}={field.default}".ljust(36) + lines[at + 1].strip().strip('"'))


_SECTIONS: dict[str, Any] = {
    "photos": PhotosSettings,
    "poses": PosesSettings,
    "depth": DepthSettings,
    "scale": ScaleSettings,
    "refine": RefineSettings,
    "cloud": CloudSettings,
    "fuse": FuseSettings,
}


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
