"""`make audit` tells what is known, what is not, and when nothing could be asked; pip-audit is played by a script."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[2] / "tools" / "audit.py"
GOOD = {"name": "numpy", "version": "2.4.6", "vulns": []}
BAD = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "description": "…"}]}
UNKNOWN = {"name": "ours", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([GOOD], 0, "0 known vulnerabilities in 1"),
        ([GOOD, UNKNOWN], 0, "such as ours"),
        ([GOOD, BAD], 1, "old 1.0: PYSEC-1; fixed in: 1.1"),
        ([UNKNOWN], 3, "of 1 packages nothing could be found out"),
        (None, 3, "no source of advisories can be reached"),
    ],
)
def test_findings_and_failures_have_their_own_exit_codes(packages, code, words, tmp_path):
    program = tmp_path / "pip-audit"
    answer = (
        "echo 'connection refused' >&2; exit 1"
        if packages is None
        else f"echo '{json.dumps({'dependencies': packages})}'"
    )
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    line = [sys.executable, "-S", str(AUDIT), str(program), "constraints.txt"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == code and words in done.stdout + done.stderr
