"""Checks pinned dependencies for known vulnerabilities: `audit.py PIP_AUDIT CONSTRAINTS`.

Exit 0: none known; 1: some, which are listed; 3: no source of advisories could be reached, so nothing is known.
"""

import json
import subprocess
import sys
from pathlib import Path

NOTHING_KNOWN = 3


def main() -> int:
    """Runs pip-audit and tells its findings apart from its failures, for which it has one exit code."""
    program, constraints = sys.argv[1:]
    line = [
        program,
        "--requirement",
        constraints,
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
        "--progress-spinner=off",
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (done.stderr.strip().splitlines() or [f"pip-audit ended with code {done.returncode}"])[-1]
        sys.stderr.write(f"audit: no source of advisories can be reached, so nothing was checked: {reason}\n")
        return NOTHING_KNOWN
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    found = [(package, flaw) for package in packages for flaw in package.get("vulns", ())]
    for package, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "none yet"
        sys.stdout.write(f"{package['name']} {package['version']}: {flaw['id']}; fixed in: {fixed}\n")
    known = len(packages) - len(unknown)
    sys.stdout.write(
        f"audit: {len(found)} known vulnerabilities in {known} of the packages of {Path(constraints).name}\n"
    )
    if unknown:
        sys.stdout.write(f"audit: of {len(unknown)} packages nothing could be found out, such as {unknown[0]}\n")
    if packages and not known:
        return NOTHING_KNOWN
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
