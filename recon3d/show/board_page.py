"""Draws calibration boards on a page of paper, to scale."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array
from recon3d.photos.boards import Board

PAPERS = {"A4": (210.0, 297.0), "Letter": (215.9, 279.4)}
"""Width and height, upright [mm]."""

DOTS_PER_MM = 20
"""Every paper and every square of whole twentieths of a millimetre is a whole number of dots."""
DPI = DOTS_PER_MM * 25.4

_MARGIN_MM = 12.0
_TEXT_MM = 8.0
_CIRCLE_SHARE = 0.5
"""A circle's diameter as a share of the distance to its nearest neighbour."""


def fitting_square(kind: str, columns: int, rows: int, paper: str) -> float:
    """The largest square that fits the paper, in whole millimetres [m].

    Raises:
        InputError: no such paper, or too many squares for it.
    """
    across, down = _extent(Board(kind, columns, rows))
    width, height = _room(across, down, paper)
    square_mm = int(min(width / across, height / down))
    if square_mm < 3:
        raise InputError(f"board: {columns}x{rows} squares on {paper} would be smaller than 3 mm, wanted fewer of them")
    return square_mm / 1000


def draw_page(board: Board, paper: str) -> Array:
    """The page, turned so that the board fits best, with a line that says what it is.

    Args:
        board: its square is drawn to scale, rounded to 1/20 mm.
        paper: a key of `PAPERS`.

    Returns:
        (H, W) uint8 at `DPI`; black is 0.

    Raises:
        InputError: no such paper, or the board doesn't fit.
    """
    across, down = _extent(board)
    width, height = _room(across, down, paper)
    mm = board.square * 1000
    if across * mm > width or down * mm > height:
        raise InputError(
            f"board: got squares of {mm:g} mm, {across * mm:g} x {down * mm:g} mm in all, for {paper} with "
            f"{width:g} x {height:g} mm of room; wanted at most {int(min(width / across, height / down))} mm"
        )
    dots = round(mm * DOTS_PER_MM)
    drawn = _drawn(board, dots)
    sides = [round(side * DOTS_PER_MM) for side in _page(across, down, paper)]
    page = np.full((sides[1], sides[0]), 255, np.uint8)
    top = round(_MARGIN_MM * DOTS_PER_MM)
    left = (sides[0] - drawn.shape[1]) // 2
    page[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    return _labelled(page, _label(board, dots / DOTS_PER_MM, paper))


def as_picture(page: Array) -> Image.Image:
    """The page in black and white, as Pillow saves it: a PDF with `resolution=DPI` is to scale."""
    return Image.fromarray(page).convert("1", dither=Image.Dither.NONE)


def _extent(board: Board) -> tuple[float, float]:
    """Width and height of the drawing, in squares."""
    if board.kind == "chessboard":
        return board.columns + 1, board.rows + 1
    if board.kind == "asymmetric-circles":
        return 2 * board.columns + 1, board.rows + 1
    return board.columns, board.rows


def _page(across: float, down: float, paper: str) -> tuple[float, float]:
    """Width and height of the paper as it is turned [mm]."""
    if paper not in PAPERS:
        raise InputError(f"paper: got {paper!r}, wanted one of {', '.join(PAPERS)}")
    width, height = PAPERS[paper]
    return (height, width) if across > down else (width, height)


def _room(across: float, down: float, paper: str) -> tuple[float, float]:
    width, height = _page(across, down, paper)
    return width - 2 * _MARGIN_MM, height - 2 * _MARGIN_MM - _TEXT_MM


def _drawn(board: Board, dots: int) -> Array:
    """(H, W) uint8: the board alone, `dots` per square."""
    across, down = (round(side * dots) for side in _extent(board))
    if board.kind == "charuco":
        scaled = board.as_charuco(dots / board.square)
        return np.asarray(scaled.generateImage((across, down), marginSize=0, borderBits=1))
    if board.kind == "chessboard":
        v, u = np.mgrid[: board.rows + 1, : board.columns + 1]
        squares = np.where((u + v) % 2, 255, 0).astype(np.uint8)
        return np.kron(squares, np.ones((dots, dots), np.uint8))
    drawn = np.full((down, across), 255, np.uint8)
    nearest = np.sqrt(2) if board.kind == "asymmetric-circles" else 1.0
    border = 1.0 if board.kind == "asymmetric-circles" else 0.5
    radius = round(_CIRCLE_SHARE * nearest * dots / 2 * 16)
    for x, y, _ in board.corners / board.square:
        centre = (round((x + border) * dots * 16) - 8, round((y + border) * dots * 16) - 8)
        cv2.circle(drawn, centre, radius, 0, cv2.FILLED, shift=4)
    return drawn


def _label(board: Board, square_mm: float, paper: str) -> str:
    measures = {"circles": "centres {} mm apart", "asymmetric-circles": "rows {} mm apart"}
    text = f"{board}, {measures.get(board.kind, 'squares of {} mm').format(f'{square_mm:g}')}"
    if board.kind == "charuco":
        marker = board.as_charuco().getMarkerLength() * 1000
        text += f", markers {marker:g} mm, DICT_{board.dictionary}"
    return f"recon3d: {text}. Print on {paper} at 100 % (no fit to page), glue it flat, then measure."


def _labelled(page: Array, text: str) -> Array:
    picture = Image.fromarray(page)
    font = ImageFont.load_default(size=3.2 * DOTS_PER_MM)
    room = page.shape[1] - 2 * _MARGIN_MM * DOTS_PER_MM
    length = font.getlength(text)
    if length > room:
        font = ImageFont.load_default(size=3.2 * DOTS_PER_MM * room / length)
    place = (_MARGIN_MM * DOTS_PER_MM, page.shape[0] - (_MARGIN_MM + _TEXT_MM / 2) * DOTS_PER_MM)
    ImageDraw.Draw(picture).text(place, text, fill=0, font=font)
    return np.asarray(picture)
