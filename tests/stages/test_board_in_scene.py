"""A board of known size in a scene's photos."""

import cv2
import numpy as np
import pytest
from synthetic import look_at

from recon3d.errors import InputError, StageError
from recon3d.files import write_json
from recon3d.formats.camera_file import calibration_as_json
from recon3d.geometry import Calibration, Camera
from recon3d.photos.boards import Board
from recon3d.progress import silent
from recon3d.scene import Scene
from recon3d.stages.board import board_scale, parse_board

CAMERA = Camera.from_fov(640, 480, np.radians(60))
SQUARE = 0.03
UNIT = 0.2
"""Metres that a unit of the poses is."""
POSES = {
    name: look_at([x, -0.25, 0.35], [0.1, 0.07, 0]) for name, x in {"a": -0.1, "b": 0.1, "c": 0.25, "none": 9.0}.items()
}


def drawn(pose):
    """A photo of a chessboard of 9x6 inner corners on the ground, its first inner corner at the origin."""
    dots = 20
    squares = np.add.outer(np.arange(7), np.arange(10)) % 2 == 0
    page = np.full((9 * dots, 12 * dots), 255, np.uint8)
    page[dots:-dots, dots:-dots][np.kron(squares, np.ones((dots, dots), bool))] = 0
    metres = SQUARE / dots
    # The first inner corner lies between pixels: half a pixel before the first one of its square.
    plane_from_page = np.array(
        [[metres, 0, -(2 * dots - 0.5) * metres], [0, metres, -(2 * dots - 0.5) * metres], [0, 0, 1]]
    )
    cam_from_world = pose.inverse()
    page_to_photo = CAMERA.K @ np.column_stack([cam_from_world.R[:, :2], cam_from_world.t]) @ plane_from_page
    return cv2.warpPerspective(page, page_to_photo, (640, 480), flags=cv2.INTER_AREA, borderValue=200)


@pytest.fixture
def scene(tmp_path):
    scene = Scene.create(tmp_path / "scene")
    scene.file("photos").mkdir()
    camera = calibration_as_json(Calibration(CAMERA))
    write_json(scene.file("calibration.json"), dict.fromkeys(POSES, camera))
    write_json(scene.file("cameras.json"), dict.fromkeys(POSES, camera | {"lens": camera}))
    for name, pose in POSES.items():
        image = np.full((480, 640), 128, np.uint8) if name == "none" else drawn(pose)
        cv2.imwrite(str(scene.file("photos") / f"{name}.png"), image)
    return scene


def poses(*names):
    return {name: POSES[name].scaled(1 / UNIT) for name in names}


def test_a_board_in_the_photos_says_how_large_a_unit_is(scene):
    found = board_scale(scene, f"chessboard 9x6 {SQUARE}", poses("a", "b", "c", "none"), silent)
    # Corners are found to 0.1 px of some 300 px that the board takes up.
    assert (found.factor, found.source) == (pytest.approx(UNIT, rel=0.003), "known board")
    assert found.relative_sigma < 0.005


def test_a_board_that_is_in_one_photo_is_not_enough(scene):
    with pytest.raises(StageError, match="got 1 photos"):
        board_scale(scene, f"chessboard 9x6 {SQUARE}", poses("a", "none"), silent)


def test_a_board_that_is_nowhere_is_told(scene):
    with pytest.raises(StageError, match="none of 1 photos shows a chessboard of 9x6"):
        board_scale(scene, f"chessboard 9x6 {SQUARE}", poses("none"), silent)


def test_boards_are_named_by_kind_size_and_square():
    assert parse_board("chessboard 9x6 0.025") == Board("chessboard", 9, 6, square=0.025)
    tags = parse_board("charuco 5x7 0.04 APRILTAG_36h11")
    assert (tags.kind, tags.square, tags.dictionary) == ("charuco", 0.04, "APRILTAG_36h11")


@pytest.mark.parametrize(
    "text", ["", "chessboard", "chessboard 9x6", "chessboard 9x6 large", "table 9x6 0.02", "charuco 9 0.1"]
)
def test_what_is_no_board_is_told(text):
    with pytest.raises(InputError, match="board"):
        parse_board(text)
