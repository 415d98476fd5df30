"""Calibration from photos of a board, and the boards to print: photos in, a camera file and its picture out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
from PIL import Image

from recon3d.errors import InputError, StageError
from recon3d.files import replacing, write_json
from recon3d.formats.camera_file import calibration_as_json
from recon3d.geometry.arrays import Array
from recon3d.photos.board_bundle import LENS_MODELS, BoardView
from recon3d.photos.boards import DICTIONARY, Board, find_boards, guess_board, parse_size
from recon3d.photos.calibrate import LensReport, calibrate
from recon3d.photos.find import find_photos, scene_names
from recon3d.photos.lens_fit import Held
from recon3d.photos.read import read_photo
from recon3d.photos.watchdog import answered
from recon3d.progress import Report, silent
from recon3d.settings import PhotosSettings
from recon3d.show.board_page import DPI, as_picture, draw_page, fitting_square
from recon3d.show.calibration_picture import draw_calibration
from recon3d.stages.job import Outcome

PAGES = (".pdf", ".png")
"""Endings of a board's page."""


@dataclass(frozen=True)
class BoardOptions:
    """What the user says of the board.

    Attributes:
        kind: a key of `recon3d.photos.boards.KINDS`.
        size: columns x rows, such as 9x6; None = guessed (chessboards), or the one that is printed by default.
        square: [m]; None = 1 (the camera does not depend on it), or the largest that fits the paper.
        marker: side of a ChArUco marker [m]; None = ¾ of the square.
        dictionary: of the ChArUco markers.
    """

    kind: str = "chessboard"
    size: str | None = None
    square: float | None = None
    marker: float | None = None
    dictionary: str = DICTIONARY


@dataclass(frozen=True)
class CalibrateOptions:
    """How to calibrate.

    Attributes:
        detector: one of `recon3d.photos.boards.DETECTORS`.
        model: a key of `LENS_MODELS`; None = chosen by held-out views.
        held: parameters that stay as they are.
        keep_outliers: don't drop views that don't fit the others.
    """

    detector: str = "auto"
    model: str | None = None
    held: Held = field(default_factory=Held)
    keep_outliers: bool = False


PRINTED = {"chessboard": "9x6", "charuco": "11x8", "circles": "9x6", "asymmetric-circles": "4x11"}
"""Sizes that are printed where none is named."""


def calibrate_photos(
    photos: str | Path | Sequence[str | Path],
    out: Path,
    board: BoardOptions,
    options: CalibrateOptions,
    report: Report = silent,
) -> Outcome:
    """Calibrates the camera that took the photos; writes its camera file and, beside it, the picture of it.

    Raises:
        InputError: no photos, photos of several sizes, an unknown option.
        StageError: the board is not seen, or its poses don't determine the camera.
    """
    if out.suffix.lower() != ".json":
        raise InputError(f"{out}: got the ending {out.suffix!r}, wanted a camera file that ends in .json")
    if options.model is not None and options.model not in LENS_MODELS:
        raise InputError(f"--model: got {options.model!r}, wanted one of {', '.join(LENS_MODELS)}")
    wanted = _board(board) if board.size or board.kind != "chessboard" else None
    greys = _Greys(_named(photos), report)
    size, unreadable = _one_size(greys)
    if wanted is None:
        guess = guess_board(greys)
        if guess is None:
            raise StageError(
                f"calibration: no chessboard of a common size in {len(greys)} photos; name it, such as --board 9x6 "
                "(inner corners, not squares), or another --type: charuco, circles, asymmetric-circles"
            )
        wanted = _board(BoardOptions(size=f"{guess.columns}x{guess.rows}", square=board.square))
    views = find_boards(greys, wanted, options.detector)
    absent = [name for name in greys if name not in views]
    if not views:
        raise StageError(
            f"calibration: no photo of {len(greys)} shows a {wanted}; count again (a chessboard by its inner corners, "
            "not its squares), and show the whole board with a white rim, sharp and evenly lit"
        )
    found = calibrate(
        list(views.values()), size, model=options.model, held=options.held, keep_outliers=options.keep_outliers
    )
    facts = _facts(found, wanted, views, absent, unreadable)
    camera = calibration_as_json(found.fit.calibration)
    picture = out.with_suffix(".png")
    with replacing(picture) as temporary:
        Image.fromarray(draw_calibration(found)).save(temporary)
    write_json(out, {**camera, "evidence": facts})
    return Outcome("calibrate", _line(found, len(greys), out, picture), {**camera, **facts}, (), fresh=True)


def print_board(out: Path, board: BoardOptions, paper: str) -> Outcome:
    """Writes a page with a board, to scale.

    Raises:
        InputError: the board doesn't fit the paper, or the file is neither PDF nor PNG.
    """
    if out.suffix.lower() not in PAGES:
        raise InputError(f"{out}: got the ending {out.suffix!r}, wanted one of {', '.join(PAGES)}")
    page, drawn = _page(board, paper)
    with replacing(out) as temporary:
        if out.suffix.lower() == ".pdf":
            as_picture(page).save(temporary, resolution=DPI)
        else:
            as_picture(page).save(temporary, dpi=(DPI, DPI))
    facts = {"board": str(drawn), "square_m": drawn.square, "paper": paper}
    line = (
        f"{out}: {drawn}, square {drawn.square * 1000:g} mm, on {paper}; print at 100 %, then measure a square; "
        f"with photos of it: recon3d calibrate PHOTOS {_options(drawn)} -o CAMERA.json"
    )
    return Outcome("board", line, facts, (), fresh=True)


def _options(board: Board) -> str:
    """The options that tell `recon3d calibrate` of a board."""
    options = f"--type {board.kind} --board {board.columns}x{board.rows} --square {board.square:g}"
    if board.kind != "charuco":
        return options
    marker = f" --marker {board.marker:g}" if board.marker else ""
    return options + marker + (f" --dictionary {board.dictionary}" if board.dictionary != DICTIONARY else "")


class _Greys(Mapping[str, Array]):
    """Photos as (H, W) uint8 grey, read when they are asked for: all of them at once need not fit into memory."""

    def __init__(self, paths: Mapping[str, Path], report: Report) -> None:
        self._paths = dict(paths)
        self._report = report

    def __getitem__(self, name: str) -> Array:
        path = self._paths[name]
        photo = answered(
            lambda: read_photo(path, max_megapixels=PhotosSettings.max_megapixels), path, PhotosSettings.timeout_s
        )
        self._report("photos", list(self._paths).index(name) + 1, len(self._paths), name)
        grey: Array = cv2.cvtColor(photo.image, cv2.COLOR_RGB2GRAY)
        return grey

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def leave_out(self, name: str) -> None:
        """Forgets a photo."""
        del self._paths[name]


def _named(photos: str | Path | Sequence[str | Path]) -> dict[str, Path]:
    """Paths by the name of their file, or by the name that the scene would give them where two are called the same."""
    paths = find_photos(photos)
    names = {path: name for name, path in scene_names(paths).items()}
    once = len({path.name for path in paths}) == len(paths)
    return {path.name if once else names[path]: path for path in paths}


def _one_size(greys: _Greys) -> tuple[tuple[int, int], dict[str, str]]:
    """The size of all photos [px]; those that can't be read are left out, with the reason by name."""
    sizes: dict[tuple[int, int], list[str]] = {}
    unreadable = {}
    for name in list(greys):
        try:
            height, width = greys[name].shape
        except InputError as error:
            unreadable[name] = str(error)
            greys.leave_out(name)
            continue
        sizes.setdefault((width, height), []).append(name)
    if not sizes:
        raise InputError(f"none of {len(unreadable)} photos can be read; the first: {next(iter(unreadable.values()))}")
    if len(sizes) > 1:
        groups = sorted(sizes.items(), key=lambda item: -len(item[1]))
        listed = "; ".join(
            f"{len(names)} of {width} x {height} px ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for (width, height), names in groups
        )
        raise InputError(
            f"calibration: got photos of several sizes: {listed}; wanted one camera, one size, all upright or all "
            "sideways; calibrate each on its own"
        )
    return next(iter(sizes)), unreadable


def _board(options: BoardOptions) -> Board:
    columns, rows = parse_size(options.size or PRINTED.get(options.kind, "9x6"))
    square = 1.0 if options.square is None else options.square
    return Board(options.kind, columns, rows, square, options.marker, options.dictionary)


def _page(options: BoardOptions, paper: str) -> tuple[Array, Board]:
    board = _board(options)
    if options.square is None:
        square = fitting_square(board.kind, board.columns, board.rows, paper)
        board = Board(board.kind, board.columns, board.rows, square, options.marker, board.dictionary)
    return draw_page(board, paper), board


def _facts(
    found: LensReport, board: Board, views: Mapping[str, BoardView], absent: list[str], unreadable: Mapping[str, str]
) -> dict[str, Any]:
    used = zip(found.views, found.fit.view_rms_px.tolist(), strict=True)
    return {
        "lens_model": found.fit.model,
        "board": str(board),
        "square_m": board.square,
        "boards_found": len(views),
        "not_found": absent,
        "unreadable": dict(unreadable),
        "dropped_rms_px": {name: round(rms, 4) for name, rms in found.dropped.items()},
        "view_rms_px": {view.name: round(rms, 4) for view, rms in used},
        "sigma": {name: float(f"{sigma:.4g}") for name, sigma in found.fit.sigmas.items()},
        "corner_sigma_px": round(found.corner_sigma_px, 3) if found.corner_sigma_px < float("inf") else None,
        "held_out_rms_px": {model: round(error, 4) for model, error in found.held_out_px.items()},
        "coverage": round(found.coverage, 4),
        "tilt_deg": round(found.tilt_deg, 2),
        "warnings": [*found.warnings, *_of_photos(found, views, unreadable)],
    }


def _of_photos(found: LensReport, views: Mapping[str, BoardView], unreadable: Mapping[str, str]) -> list[str]:
    told = [f"left out: {reason}" for reason in unreadable.values()]
    if found.dropped:
        listed = ", ".join(f"{name} ({rms:.2f} px)" for name, rms in found.dropped.items())
        told.append(f"dropped {len(found.dropped)} of {len(views)} views that don't fit the others: {listed}")
    return told


def _line(found: LensReport, photos: int, out: Path, picture: Path) -> str:
    camera = found.fit.calibration.camera
    sigmas = found.fit.sigmas
    numbers = ", ".join(f"{name} {getattr(camera, name):.2f} ± {sigmas[name]:.2f}" for name in ("fx", "fy", "cx", "cy"))
    return (
        f"{out}: {found.fit.model}, {numbers} px, rms {found.fit.calibration.rms_px:.3f} px, "
        f"{len(found.views)} of {photos} photos, corners in {found.coverage:.0%} of the image; picture: {picture}"
    )
