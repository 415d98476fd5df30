"""What a dry run tells: a table for people, or facts as JSON."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recon3d.cli.words import short

if TYPE_CHECKING:
    from recon3d.cli.telling import Telling
    from recon3d.stages.dry_run import DryRun


def tell_dry_run(found: "DryRun", root: Path, tell: "Telling") -> None:
    """Says what a run would do."""
    if tell.as_json:
        typer.echo(json.dumps(_facts(found, root), indent=1, ensure_ascii=False))
        return
    for line in _lines(found, root):
        tell.line(line)
    for reason in found.intake.unreadable[:5]:
        tell.aside(f"can't be read: {short(reason)}")


def _lines(found: "DryRun", root: Path) -> list[str]:
    intake = found.intake
    names = "photos" if intake.count != 1 else "photo"
    at_most = "at most " if intake.films else ""
    lines = [
        f"{at_most}{intake.count} {names}, {_sizes(intake.taken)}, worked on at {_sizes(intake.working)}; "
        f"{intake.capture.format}, camera from {' and '.join(sorted({one.camera for one in intake.ones}))}"
        + (", poses given" if intake.has_poses else "")
        + (f"; {len(intake.unreadable)} can't be read" if intake.unreadable else "")
    ]
    lines.append(f"{'stage':8} {'':11} {'disk':>9} {'time':>9} {'memory':>9}")
    for stage, state in found.states.items():
        one = found.estimates.get(stage)
        cells = (size(one.disk_bytes), duration(one.seconds), size(one.memory_bytes)) if one else ("", "", "")
        lines.append(f"{stage:8} {state:11} {cells[0]:>9} {cells[1]:>9} {cells[2]:>9}".rstrip())
    if not found.pace:
        return [*lines, f"nothing to do: {root} is up to date"]
    total = size(found.disk_bytes), duration(found.seconds), size(found.memory_bytes)
    lines.append(f"{'total':8} {'':11} {total[0]:>9} {total[1]:>9} {total[2]:>9}")
    room = f"{size(found.most_bytes)} at most at a time, {size(found.free_bytes)} free on the disk of {root}"
    lines.append(f"disk: {room}" + ("" if found.fits else ": TOO LITTLE"))
    lines.append(
        f"estimated from {found.pace.took_s:.0f} s of work on this machine, times as if nothing else ran: in all "
        "within a factor of 2 or so, a stage within 3; nothing was written"
    )
    return lines


def _facts(found: "DryRun", root: Path) -> dict[str, object]:
    intake = found.intake
    return {
        "photos": {
            "count": intake.count,
            "taken": _counted(intake.taken),
            "working": _counted(intake.working),
            "format": intake.capture.format,
            "cameras": sorted({one.camera for one in intake.ones}),
            "has_poses": intake.has_poses,
            "films": _counted(intake.films),
            "unreadable": intake.unreadable,
        },
        "stages": {
            stage: {"state": state}
            | (
                {
                    "disk_bytes": round(one.disk_bytes),
                    "passing_bytes": round(one.passing_bytes),
                    "seconds": round(one.seconds, 1),
                    "core_s": round(one.core_s, 1),
                    "memory_bytes": round(one.memory_bytes),
                }
                if (one := found.estimates.get(stage))
                else {}
            )
            for stage, state in found.states.items()
        },
        "total": {
            "disk_bytes": round(found.disk_bytes),
            "most_bytes": round(found.most_bytes),
            "seconds": round(found.seconds, 1),
            "memory_bytes": round(found.memory_bytes),
        },
        "scene": str(root),
        "free_bytes": found.free_bytes,
        "fits": found.fits,
        "measured_s": round(found.pace.took_s, 1) if found.pace else 0.0,
    }


def _counted(sizes: "Counter[tuple[int, int]]") -> list[dict[str, int]]:
    return [{"width": width, "height": height, "count": count} for (width, height), count in sizes.most_common()]


def _sizes(sizes: "Counter[tuple[int, int]]") -> str:
    """Such as "4000 x 3000 px", and how many other sizes there are."""
    ((width, height), _), *others = sizes.most_common()
    return f"{width} x {height} px" + (f" and {len(others)} other sizes" if others else "")


def size(amount: float) -> str:
    """Bytes, to two digits: 31 MB, 4.2 GB."""
    for unit, least in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if amount >= 0.995 * least:
            return f"{amount / least:.1f} {unit}" if amount < 9.95 * least else f"{amount / least:.0f} {unit}"
    return f"{amount / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """To two digits or so: 5 s, 12 min, 3.4 h."""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"
