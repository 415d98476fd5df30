"""Command `batch`."""

import json
import shlex
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recon3d.cli.app import app
from recon3d.cli.telling import Telling, telling
from recon3d.cli.words import (
    OPTION_SETTINGS,
    ConfigOpt,
    DeviceOpt,
    EngineOpt,
    ForceOpt,
    JsonOpt,
    LogOpt,
    ModelOpt,
    QuietOpt,
    SetOpt,
    one_line,
    settings_from,
    short,
)
from recon3d.errors import InputError, StageError
from recon3d.settings import Settings

if TYPE_CHECKING:
    from recon3d.stages.batch_row import Result
    from recon3d.stages.batch_rows import Defaults, Row

MOST_TOLD = 50
"""Things that are wrong with a table, of which more are only counted."""
MOST_CHARACTERS = 2000
"""Of a line about a row."""


@app.command()
def batch(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="JOBS.csv",
            help="A row a scene: columns photos and scene; others called as the options of run, or section.key.",
        ),
    ],
    model: ModelOpt = None,
    device: DeviceOpt = "auto",
    engine: EngineOpt = None,
    jobs: Annotated[int, typer.Option(min=1, help="Rows at a time; they share the cores.")] = 1,
    timeout_min: Annotated[
        float | None, typer.Option("--timeout-min", min=0.0, help="A row that takes longer is ended [min].")
    ] = None,
    config: ConfigOpt = None,
    set: SetOpt = None,
    force: ForceOpt = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Check the table, and say what each row would run.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="TABLE.csv", help="Write the table of results there too.")
    ] = None,
    log: LogOpt = None,
    quiet: QuietOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Many scenes: what run does, for each row of a table; a row that fails doesn't keep the others from being done.

    Paths in the table start from its own folder, and options are for rows that say nothing else. What a row says goes
    to SCENE.log.
    """
    with telling(None, log=None, quiet=quiet, verbose=False, as_json=as_json) as tell:
        from recon3d.engine.choice import engine_for
        from recon3d.stages.batch import Way, run_rows
        from recon3d.stages.batch_row import Result
        from recon3d.stages.batch_rows import Defaults
        from recon3d.stages.batch_said import facts, lines, write_results

        with engine_for(engine, None, device):  # said now, not by each row
            pass
        if jobs > 1 and engine not in (None, "in-process"):
            raise InputError(f"--jobs {jobs}: goes without --engine {engine}, which takes all workers for one row")
        if out and out.resolve() == table.resolve():
            raise InputError(f"-o {out}: is the table of jobs itself; name another file")
        base = settings_from(Settings(), config, set)
        rows = _rows(table, Defaults(table.absolute().parent, base, model, device, OPTION_SETTINGS), tell)
        given = {"--config": config, "--engine": engine, "--log": log}
        common = [f"{option}={value}" for option, value in given.items() if value]
        common += [f"--set={assignment}" for assignment in set or []] + (["--force"] if force else [])
        if dry:
            for row in rows:
                tell.line(one_line(shlex.join(["recon3d", *row.command(common)])))
            if as_json:
                typer.echo(json.dumps({row.number: row.command(common) for row in rows}, indent=1, ensure_ascii=False))
            return
        results = {row.number: Result(row) for row in rows}

        def told(result: Result) -> None:
            results[result.row.number] = result
            tell.aside(short(_line(result, rows), MOST_CHARACTERS))
            if out:
                write_results(out, list(results.values()))

        if out:
            write_results(out, list(results.values()))
        try:
            run_rows(rows, Way(tuple(common), jobs, None if timeout_min is None else 60 * timeout_min), told)
        finally:
            ended = list(results.values())
            tell.line("\n".join(map(one_line, lines(ended))))
            if as_json:
                typer.echo(json.dumps([facts(result) for result in ended], indent=1, ensure_ascii=False))
        bad = [result.row.name for result in ended if result.is_bad]
        if bad:
            raise StageError(
                f"{len(bad)} of {len(rows)} rows failed: {', '.join(bad[:5])}{', …' if len(bad) > 5 else ''}; what "
                "they said stands in SCENE.log; the same command goes on with what is missing"
            )


def _rows(path: Path, defaults: "Defaults", tell: Telling) -> "list[Row]":
    """The rows of a table with which nothing is wrong; else says all that is."""
    from recon3d.formats.csv_table import read_table
    from recon3d.stages.batch_check import wrong_with
    from recon3d.stages.batch_rows import rows_of

    rows, wrong = rows_of(read_table(path), defaults)
    wrong += wrong_with(rows, tell.report)
    for number, why in sorted(wrong, key=itemgetter(0))[:MOST_TOLD]:
        typer.echo(f"  {short(f'row {number}, {why}', MOST_CHARACTERS)}", err=True)
    if wrong:
        more = f" (the first {MOST_TOLD} are above)" if len(wrong) > MOST_TOLD else ""
        raise InputError(f"{path}: {len(wrong)} thing{'s' if len(wrong) > 1 else ''} wrong{more}; no row was begun")
    return rows


def _line(result: "Result", rows: "list[Row]") -> str:
    """What a row begins or ends with."""
    which = f"row {result.row.number} ({rows.index(result.row) + 1} of {len(rows)}), {result.row.name}"
    if result.end == "running":
        return f"{which}: begins (log: {result.row.log})"
    return f"{which}: {result.end} after {result.seconds:.1f} s" + (f": {result.error}" if result.error else "")
