"""Finds calibration boards in photos, to a fraction of a pixel."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array
from recon3d.photos.board_bundle import BoardView

KINDS = {
    "chessboard": "inner corners",
    "charuco": "squares",
    "circles": "circles",
    "asymmetric-circles": "circles",
}
"""Kinds of boards, and what their columns and rows count."""

DETECTORS = ("auto", "classic", "sector")
"""For chessboards. classic: OpenCV's well-known recipe, with its 11 px window; sector: the localised Radon transform
(Duda & Frese 2018); auto: the classic search with a window that fits the squares, or the sector-based one where that
finds more boards."""

MARKER_SHARE = 0.75
"""A ChArUco marker's side as a share of the square's, where nothing else is said."""
DICTIONARY = "5X5_100"

GUESSES = (
    *((9, 6), (8, 6), (7, 6), (6, 5), (8, 5), (7, 5), (7, 4), (6, 4), (5, 4), (6, 6), (7, 7)),
    *((8, 7), (9, 7), (10, 7), (9, 8), (10, 8), (11, 8), (11, 7), (10, 6), (12, 8), (12, 9), (13, 9)),
)
"""Chessboards that are tried where none is named, in inner corners."""

_SEARCH_SIDE = 1600
"""Boards are searched for in photos of at most this side [px], then refined in the full photo."""
_GUESS_SIDE = 640
_GUESS_PHOTOS = 5
_WINDOW = 0.35
"""Half the sub-pixel window as a share of the shortest side of a square in the photo: a larger one sees the next
corner and is drawn to it."""
_CLASSIC_WINDOW = 11
_MIN_CORNERS = 8
"""A ChArUco board of which fewer corners are seen is left out."""
_CLASSIC_FLAGS = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-3)


_Found = tuple[Array, Array] | None
"""Indices (N,) into the board's corners and their pixels (N, 2)."""
_Finder = Callable[[Array, "Board"], _Found]


@dataclass(frozen=True)
class Board:
    """A flat calibration board.

    Attributes:
        kind: one of `KINDS`.
        columns: across, counted as `KINDS` says.
        rows: down.
        square: side of a square, or the distance of circles [m]; of asymmetric circles, half that within a row. The
            camera does not depend on it.
        marker: side of a ChArUco marker [m]; None = `MARKER_SHARE` of the square.
        dictionary: of the ChArUco markers, as OpenCV names it after "DICT_".
    """

    kind: str
    columns: int
    rows: int
    square: float = 1.0
    marker: float | None = None
    dictionary: str = DICTIONARY

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"board type: got {self.kind!r}, wanted one of {', '.join(KINDS)}")
        if not (3 <= self.columns <= 100 and 3 <= self.rows <= 100):
            raise InputError(f"board: got {self.columns}x{self.rows} {KINDS[self.kind]}, wanted 3x3 to 100x100")
        if not 0 < self.square < float("inf"):
            raise InputError(f"board square: got {self.square:g} m, wanted more than 0")
        if self.marker is not None and not 0 < self.marker < self.square:
            raise InputError(f"board marker: got {self.marker:g} m, wanted less than the square ({self.square:g} m)")
        if not hasattr(cv2.aruco, f"DICT_{self.dictionary}"):
            raise InputError(f"board dictionary: got {self.dictionary!r}, wanted a name such as 4X4_50 or 5X5_100")
        if self.kind == "charuco" and self.columns * self.rows // 2 > len(self._markers().bytesList):
            raise InputError(
                f"board: {self.columns}x{self.rows} squares need {self.columns * self.rows // 2} markers, the "
                f"dictionary {self.dictionary} has {len(self._markers().bytesList)}; choose a larger one"
            )

    def __str__(self) -> str:
        return f"{self.kind} of {self.columns}x{self.rows} {KINDS[self.kind]}"

    @property
    def corners(self) -> Array:
        """(N, 3) its corners or circle centres, row by row, z = 0 [m]."""
        if self.kind == "charuco":
            return np.asarray(self.as_charuco().getChessboardCorners(), np.float64)
        grid = np.zeros((self.rows, self.columns, 3))
        grid[..., 0] = np.arange(self.columns)
        grid[..., 1] = np.arange(self.rows)[:, None]
        if self.kind == "asymmetric-circles":
            grid[..., 0] = 2 * grid[..., 0] + grid[..., 1] % 2
        return grid.reshape(-1, 3) * self.square

    def as_charuco(self, scale: float = 1.0) -> cv2.aruco.CharucoBoard:
        """OpenCV's board, its lengths times `scale`."""
        marker = self.marker if self.marker is not None else MARKER_SHARE * self.square
        size = (self.columns, self.rows)
        return cv2.aruco.CharucoBoard(size, self.square * scale, marker * scale, self._markers())

    def _markers(self) -> cv2.aruco.Dictionary:
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, f"DICT_{self.dictionary}"))


def parse_size(text: str) -> tuple[int, int]:
    """Columns and rows of a text such as 9x6.

    Raises:
        InputError: it says anything else.
    """
    columns, cross, rows = text.lower().replace("×", "x").partition("x")
    if not (cross and columns.strip().isdecimal() and rows.strip().isdecimal()):
        raise InputError(f"--board: got {text!r}, wanted columns x rows, such as 9x6")
    return int(columns), int(rows)


def find_boards(greys: Mapping[str, Array], board: Board, detector: str = "auto") -> dict[str, BoardView]:
    """The board in each photo that shows it.

    Args:
        greys: (H, W) uint8 by photo name; each is asked for once, or twice where both detectors are tried.
        board: what to look for; a ChArUco board may be seen in part.
        detector: one of `DETECTORS`.

    Returns:
        Views by photo name, in the order of `greys`; without those where it is not found.
    """
    if detector not in DETECTORS:
        raise InputError(f"detector: got {detector!r}, wanted one of {', '.join(DETECTORS)}")
    if board.kind != "chessboard":
        find = _find_charuco if board.kind == "charuco" else _find_circles
        return _views(greys, board, find)
    if detector == "sector":
        return _views(greys, board, _find_by_sectors)
    if detector == "classic":
        return _views(greys, board, _find_classic)
    found = _views(greys, board, _find_fitted)
    if len(found) == len(greys):
        return found
    by_sectors = _views(greys, board, _find_by_sectors)
    return by_sectors if len(by_sectors) > len(found) else found


def guess_board(greys: Mapping[str, Array]) -> Board | None:
    """The chessboard that most photos show, of common sizes; None where no photo shows one.

    A part of a board is found as a smaller board: of the sizes that half as many photos show, the largest counts.
    """
    counts: Counter[tuple[int, int]] = Counter()
    names = list(greys)
    for at in np.unique(np.linspace(0, len(names) - 1, _GUESS_PHOTOS).astype(int)) if names else ():
        small, _ = _shrunk(greys[names[at]], _GUESS_SIDE)
        counts.update(size for size in GUESSES if cv2.findChessboardCorners(small, size, flags=_CLASSIC_FLAGS)[0])
    if not counts:
        return None
    usual = max(counts.values())
    columns, rows = max((size for size, n in counts.items() if 2 * n >= usual), key=lambda size: size[0] * size[1])
    return Board("chessboard", columns, rows)


def _views(greys: Mapping[str, Array], board: Board, find: _Finder) -> dict[str, BoardView]:
    corners = board.corners
    views = {}
    for name, grey in greys.items():
        found = find(grey, board)
        if found is not None:
            ids, pixels = found
            views[name] = BoardView(name, corners[ids], pixels)
    return views


def _find_classic(grey: Array, board: Board) -> _Found:
    return _refined(grey, board, _searched(grey, board), _CLASSIC_WINDOW)


def _find_fitted(grey: Array, board: Board) -> _Found:
    pixels = _searched(grey, board)
    if pixels is None:
        return None
    grid = pixels.reshape(board.rows, board.columns, 2)
    shortest = min(float(np.linalg.norm(np.diff(grid, axis=axis), axis=-1).min()) for axis in (0, 1))
    return _refined(grey, board, pixels, max(2, int(_WINDOW * shortest)))


def _searched(grey: Array, board: Board) -> Array | None:
    """(N, 2) corners to a pixel or two, by the classic search."""
    small, scale = _shrunk(grey, _SEARCH_SIDE)
    found, pixels = cv2.findChessboardCorners(small, (board.columns, board.rows), flags=_CLASSIC_FLAGS)
    return _enlarged(pixels, scale) if found else None


def _refined(grey: Array, board: Board, pixels: Array | None, window: int) -> _Found:
    if pixels is None:
        return None
    start = np.ascontiguousarray(pixels[:, None], np.float32)
    sharp = cv2.cornerSubPix(grey, start, (window, window), (-1, -1), _STOP)
    return np.arange(len(pixels)), sharp.reshape(-1, 2)


def _find_by_sectors(grey: Array, board: Board) -> _Found:
    small, scale = _shrunk(grey, _SEARCH_SIDE)
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
    found, pixels = cv2.findChessboardCornersSB(small, (board.columns, board.rows), flags=flags)
    return (np.arange(len(pixels)), _enlarged(pixels, scale)) if found else None


def _find_charuco(grey: Array, board: Board) -> _Found:
    pixels, ids, _, _ = cv2.aruco.CharucoDetector(board.as_charuco()).detectBoard(grey)
    if pixels is None or len(pixels) < _MIN_CORNERS:
        return None
    ids = ids.ravel()
    spread = np.linalg.svd(board.corners[ids, :2] - board.corners[ids, :2].mean(axis=0), compute_uv=False)
    if spread[1] < 0.1 * spread[0]:  # corners of one line fix no pose
        return None
    return ids, pixels.reshape(-1, 2)


def _find_circles(grey: Array, board: Board) -> _Found:
    small, scale = _shrunk(grey, _SEARCH_SIDE)
    blobs = cv2.SimpleBlobDetector.Params()
    blobs.maxArea = small.size / (board.columns * board.rows)  # OpenCV's own limit is made for small photos
    symmetric = board.kind == "circles"
    kind = cv2.CALIB_CB_SYMMETRIC_GRID if symmetric else cv2.CALIB_CB_ASYMMETRIC_GRID
    for flags in (kind, kind | cv2.CALIB_CB_CLUSTERING):
        size = (board.columns, board.rows)
        found, pixels = cv2.findCirclesGrid(small, size, flags=flags, blobDetector=cv2.SimpleBlobDetector.create(blobs))
        if found:
            return np.arange(len(pixels)), _enlarged(pixels, scale)
    return None


def _shrunk(grey: Array, side: int) -> tuple[Array, float]:
    """The photo at no more than `side` px, and by how much it was shrunk."""
    scale = min(1.0, side / max(grey.shape))
    if scale == 1.0:
        return grey, 1.0
    size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA), scale


def _enlarged(pixels: Array, scale: float) -> Array:
    """(N, 2) pixels of the shrunk photo in the full one."""
    return np.asarray((pixels.reshape(-1, 2).astype(np.float64) + 0.5) / scale - 0.5)
