"""A board of known size in the photos of a scene, found and measured in the unit of the poses."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from recon3d.errors import InputError, StageError
from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array
from recon3d.photos.boards import DICTIONARY, Board, find_boards, parse_size
from recon3d.photos.undistort import undistort_pixels
from recon3d.photos.working import load_working
from recon3d.progress import Report
from recon3d.scale.board_scale import Sighting, scale_of_board
from recon3d.scale.metric import MetricScale
from recon3d.scale.sketch import rays
from recon3d.scene import Scene
from recon3d.stages.poses import lenses


class _Greys(Mapping[str, Array]):
    """Photos in grey, decoded when asked for, so that one is in memory at a time."""

    def __init__(self, paths: Mapping[str, Path], report: Report) -> None:
        self._paths, self._report = paths, report

    def __getitem__(self, name: str) -> Array:
        self._report("board", list(self._paths).index(name) + 1, len(self._paths), name)
        grey: Array = np.rint(load_working(self._paths[name]) @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
        return grey

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def board_scale(scene: Scene, text: str, world_from_cam: Mapping[str, SE3], report: Report) -> MetricScale:
    """The metric scale by the board that the setting `scale.board` names.

    Args:
        scene: with `poses` done.
        text: the setting.
        world_from_cam: in the unit that is to be measured.
        report: told of progress.

    Raises:
        InputError: the setting names no board.
        StageError: the photos don't show it well enough.
    """
    board, calibrations = parse_board(text), lenses(scene)
    paths = {name: path for name, path in scene.photo_paths().items() if name in world_from_cam}
    views = find_boards(_Greys(paths, report), board)
    if not views:
        raise StageError(
            f"known board: none of {len(paths)} photos shows a {board}; count again (a chessboard by its inner "
            "corners, a ChArUco board by its squares), or give --known-distance"
        )
    return scale_of_board(
        [
            Sighting(
                view.board,
                rays(calibrations[name].camera, undistort_pixels(view.pixels.astype(np.float64), calibrations[name])),
                world_from_cam[name],
            )
            for name, view in views.items()
        ]
    )


def parse_board(text: str) -> Board:
    """Reads `KIND COLUMNSxROWS SQUARE_M [DICTIONARY]`, such as `chessboard 9x6 0.025`.

    Raises:
        InputError: the text is not of that form.
    """
    kind, size, square, dictionary = (*text.split(), *[""] * 4)[:4]
    try:
        metres = float(square)
    except ValueError as error:
        raise InputError(
            f"scale.board: got {text!r}, wanted KIND COLUMNSxROWS SQUARE_M, such as: chessboard 9x6 0.025, or: charuco "
            "5x7 0.04 APRILTAG_36h11"
        ) from error
    return Board(kind, *parse_size(size), square=metres, dictionary=dictionary or DICTIONARY)
