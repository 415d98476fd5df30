"""Commands for cameras: calibrate one from photos of a board, print a board."""

from pathlib import Path
from typing import Annotated

import typer

from recon3d.cli.app import app
from recon3d.cli.telling import telling
from recon3d.cli.words import JsonOpt, LogOpt, PhotosArg, QuietOpt, VerboseOpt, short, source

BoardTypeOpt = Annotated[str, typer.Option("--type", help="chessboard, charuco, circles or asymmetric-circles.")]
BoardSizeOpt = Annotated[
    str | None, typer.Option("--board", metavar="9x6", help="Inner corners, ChArUco squares or circles.")
]
SquareOpt = Annotated[float | None, typer.Option(help="Side of a square, or distance of circles [m].")]
MarkerOpt = Annotated[float | None, typer.Option(help="Side of a ChArUco marker [m]. [default: 3/4 of a square]")]
DictionaryOpt = Annotated[str, typer.Option(help="ChArUco markers, as OpenCV names them after DICT_.")]


@app.command()
def calibrate(
    photos: PhotosArg,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="CAMERA.json", help="Camera file; NAME.png beside it.")],
    board: BoardSizeOpt = None,
    type: BoardTypeOpt = "chessboard",
    square: SquareOpt = None,
    marker: MarkerOpt = None,
    dictionary: DictionaryOpt = "5X5_100",
    detector: Annotated[str, typer.Option(help="For chessboards: auto, classic (OpenCV's recipe) or sector.")] = "auto",
    model: Annotated[
        str | None,
        typer.Option(help="pinhole, opencv4, opencv5, opencv8 or fisheye. [default: chosen by held-out views]"),
    ] = None,
    fix_aspect: Annotated[bool, typer.Option("--fix-aspect", help="Keep fx = fy.")] = False,
    fix_principal_point: Annotated[
        bool, typer.Option("--fix-principal-point", help="Keep cx, cy in the image centre.")
    ] = False,
    fix_k3: Annotated[bool, typer.Option("--fix-k3", help="Keep k3 = 0.")] = False,
    keep_outliers: Annotated[bool, typer.Option("--keep-outliers", help="Drop no view.")] = False,
    log: LogOpt = None,
    quiet: QuietOpt = False,
    verbose: VerboseOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """A camera file from photos of a calibration board."""
    with telling(None, log=log, quiet=quiet, verbose=verbose, as_json=as_json) as tell:
        from recon3d.photos.lens_fit import Held
        from recon3d.stages.calibrate import BoardOptions, CalibrateOptions, calibrate_photos

        options = CalibrateOptions(detector, model, Held(fix_aspect, fix_principal_point, fix_k3), keep_outliers)
        wanted = BoardOptions(type, board, square, marker, dictionary)
        tell.begin("calibrate")
        (made,) = tell.all([calibrate_photos(source(photos), out, wanted, options, tell.report)])
        for warning in made.facts["warnings"]:
            tell.aside(short(warning))


@app.command()
def board(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="BOARD.pdf", help="PDF or PNG.")],
    type: BoardTypeOpt = "charuco",
    board: BoardSizeOpt = None,
    square: SquareOpt = None,
    marker: MarkerOpt = None,
    dictionary: DictionaryOpt = "5X5_100",
    paper: Annotated[str, typer.Option(help="A4 or Letter.")] = "A4",
    as_json: JsonOpt = False,
) -> None:
    """A calibration board to print, to scale."""
    from recon3d.stages.calibrate import BoardOptions, print_board

    with telling(None, log=None, quiet=False, verbose=False, as_json=as_json) as tell:
        tell.all([print_board(out, BoardOptions(type, board, square, marker, dictionary), paper)])
