"""Runs the command line inside the test's own process: as a user would, without starting Python and torch again."""

import contextlib
import io
import subprocess
import sys

from recon3d.cli import main


def command(*arguments):
    """What `recon3d ARGUMENTS…` prints and exits with; an exception that is a bug comes through."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["recon3d", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code = 0
    except SystemExit as ending:
        code = ending.code or 0
    finally:
        sys.argv = before
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
