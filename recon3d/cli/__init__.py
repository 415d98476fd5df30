"""The command line: options become settings, settings one stage, a stage one line."""

from recon3d.cli.app import app, main

# Each adds its commands, in the order that `recon3d --help` lists them.
# isort: off
from recon3d.cli import stages  # noqa: F401
from recon3d.cli import batch  # noqa: F401
from recon3d.cli import view  # noqa: F401
from recon3d.cli import export  # noqa: F401
from recon3d.cli import report  # noqa: F401
from recon3d.cli import cameras  # noqa: F401
from recon3d.cli import evaluate  # noqa: F401
from recon3d.cli import depth_models  # noqa: F401
from recon3d.cli import machine  # noqa: F401

__all__ = ["app", "main"]
