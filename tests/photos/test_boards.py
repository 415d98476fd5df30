"""Boards come off the printer at their size, are found where they are, and a camera file comes out of their photos."""

import functools
import json

import cv2
import numpy as np
import pytest
from commands import command
from PIL import Image

from recon3d.errors import InputError
from recon3d.formats.camera_file import read_camera
from recon3d.photos.boards import KINDS, Board, find_boards, guess_board, parse_size
from recon3d.show.board_page import DOTS_PER_MM, PAPERS, draw_page, fitting_square

SIZE = (640, 480)
K = np.array([[620.0, 0, 322.0], [0, 620.0, 238.0], [0, 0, 1]])
BOARDS = {
    "chessboard": Board("chessboard", 9, 6, 0.024),
    "charuco": Board("charuco", 9, 6, 0.024),
    "circles": Board("circles", 7, 6, 0.024),
    "asymmetric-circles": Board("asymmetric-circles", 4, 9, 0.02),
}
POSES = [(0.0, 0.0, 0.0), (0.5, 0.1, 0.05), (-0.4, 0.3, -0.05), (0.1, 0.55, 0.0), (0.1, -0.5, 0.08), (0.4, -0.35, 0.0)]


@functools.cache
def printed(kind):
    """The page, softened a little as a print is, and the dot where its first corner lies."""
    board = BOARDS[kind]
    page = draw_page(board, "A4")
    top, left = np.argwhere(page[: -20 * DOTS_PER_MM] == 0).min(axis=0)  # above the text: the drawing touches its box
    square = board.square * 1000 * DOTS_PER_MM
    nearest = {"circles": square, "asymmetric-circles": np.sqrt(2) * square}
    inset = {"chessboard": square, "charuco": 0.0}.get(kind, nearest.get(kind, 0) / 4)
    return cv2.blur(page, (9, 9)), np.array([left, top]) + inset - 0.5


def photo(kind, turn, *, distance=0.42):
    """A photo of the printed page, and where it shows the board's corners: (H, W) uint8, (N, 2).

    Drawn at three times the size and reduced by areas: each pixel is the mean of what it sees.
    """
    board = BOARDS[kind]
    page, first = printed(kind)
    metre = 1000 * DOTS_PER_MM
    page_from_board = np.array([[metre, 0, first[0]], [0, metre, first[1]], [0, 0, 1]])
    R = cv2.Rodrigues(np.array(turn))[0]
    t = [0, 0, distance] - R @ (board.corners.min(axis=0) + board.corners.max(axis=0)) / 2
    large = np.array([[3, 0, 1], [0, 3, 1], [0, 0, 1]])
    warp = large @ K @ np.column_stack([R[:, :2], t]) @ np.linalg.inv(page_from_board)
    drawn = cv2.warpPerspective(page, warp, (3 * SIZE[0], 3 * SIZE[1]), borderValue=255)
    points = board.corners @ R.T + t
    return cv2.resize(drawn, SIZE, interpolation=cv2.INTER_AREA), (points / points[:, 2:] @ K.T)[:, :2]


def misses(view, truth):
    """(N, 2) px; a board may be numbered from any of its corners, so each pixel is held against the nearest truth."""
    distances = np.linalg.norm(view.pixels[:, None] - truth, axis=-1)
    nearest = distances.argmin(axis=1)
    assert len(set(nearest)) == len(view.pixels)
    return view.pixels - truth[nearest]


@pytest.mark.parametrize(
    ("kind", "detector", "bias_px", "rms_px"),
    [
        ("chessboard", "auto", 0.02, 0.1),
        ("chessboard", "sector", 0.05, 0.25),
        ("charuco", "auto", 0.02, 0.15),
        ("circles", "auto", 0.05, 0.15),
        ("asymmetric-circles", "auto", 0.1, 0.2),
    ],
)
def test_corners_are_found_where_they_are(kind, detector, bias_px, rms_px):
    """A bias of half a pixel would be another pixel convention; a circle's middle is not quite its centre's image."""
    shots = {str(i): photo(kind, turn) for i, turn in enumerate(POSES)}
    views = find_boards({name: grey for name, (grey, _) in shots.items()}, BOARDS[kind], detector)
    assert len(views) == len(POSES)
    off = np.concatenate([misses(view, shots[name][1]) for name, view in views.items()])
    assert np.abs(off.mean(axis=0)).max() < bias_px
    assert np.sqrt((off**2).sum(axis=1).mean()) < rms_px


def test_a_charuco_board_seen_in_part_counts():
    grey, truth = photo("charuco", POSES[1])
    grey[:, :280] = 128
    view = find_boards({"part": grey}, BOARDS["charuco"])["part"]
    assert 8 <= len(view.pixels) < len(truth)
    assert (view.pixels[:, 0] > 280).all()


def test_large_photos_are_searched_small_and_refined_large():
    grey, truth = photo("chessboard", POSES[1])
    large = cv2.resize(grey, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    view = find_boards({"large": large}, BOARDS["chessboard"])["large"]
    off = np.linalg.norm(view.pixels[:, None] - ((truth + 0.5) * 3 - 0.5), axis=-1).min(axis=1)
    assert off.max() < 0.5


def test_a_photo_without_the_board_has_no_view():
    noise = np.random.default_rng(0).integers(0, 255, (120, 160), np.uint8)
    photos = {"noise": noise, "board": photo("chessboard", POSES[0])[0], "white": np.full(SIZE[::-1], 255, np.uint8)}
    assert list(find_boards(photos, BOARDS["chessboard"])) == ["board"]
    assert list(find_boards(photos, BOARDS["circles"])) == []


def test_the_board_is_guessed_and_not_a_part_of_it():
    photos = {str(i): photo("chessboard", turn)[0] for i, turn in enumerate(POSES[:2])}
    guess = guess_board(photos)
    assert (guess.columns, guess.rows) == (9, 6)
    assert guess_board({"white": np.full((120, 160), 255, np.uint8)}) is None


@pytest.mark.parametrize(("kind", "paper"), list(zip(KINDS, [*PAPERS, *PAPERS], strict=True)))
def test_a_page_is_to_scale(kind, paper):
    """The drawing's box, in whole dots: so many squares as the board has."""
    square = fitting_square(kind, 7, 5, paper)
    page = draw_page(Board(kind, 7, 5, square), paper)
    assert sorted(page.shape) == sorted(round(side * DOTS_PER_MM) for side in PAPERS[paper])
    ink = np.argwhere(page[: -20 * DOTS_PER_MM] == 0)
    height, width = np.ptp(ink, axis=0) + 1
    across, down = {
        "chessboard": (8, 6),
        "charuco": (7, 5),
        "circles": (6.5, 4.5),
        "asymmetric-circles": (13 + np.sqrt(2) / 2, 4 + np.sqrt(2) / 2),
    }[kind]
    tolerance = 3 if "circles" in kind else 0.001  # dots: circles are smooth at their rims
    assert (width, height) == pytest.approx(
        (across * square * 1000 * DOTS_PER_MM, down * square * 1000 * DOTS_PER_MM), abs=tolerance
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Board("hexagons", 9, 6), "got 'hexagons', wanted one of chessboard"),
        (lambda: Board("chessboard", 2, 6), "got 2x6 inner corners, wanted 3x3"),
        (lambda: Board("chessboard", 9, 6, 0.0), "got 0 m, wanted more than 0"),
        (lambda: Board("charuco", 9, 6, 0.02, 0.03), "got 0.03 m, wanted less than the square"),
        (lambda: Board("charuco", 9, 6, 0.02, None, "9X9"), "got '9X9'"),
        (lambda: Board("charuco", 30, 20), "need 300 markers"),
        (lambda: parse_size("9 by 6"), "got '9 by 6', wanted columns x rows"),
        (lambda: find_boards({}, Board("chessboard", 9, 6), "magic"), "got 'magic', wanted one of auto"),
        (lambda: draw_page(Board("chessboard", 9, 6, 0.05), "A4"), "wanted at most 2"),
        (lambda: draw_page(Board("chessboard", 9, 6, 0.02), "A3"), "got 'A3', wanted one of A4, Letter"),
        (lambda: fitting_square("chessboard", 100, 100, "A4"), "smaller than 3 mm"),
    ],
)
def test_what_can_t_be_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Six photos of the printed ChArUco board."""
    folder = tmp_path_factory.mktemp("photos")
    for i, turn in enumerate(POSES):
        Image.fromarray(photo("charuco", turn)[0]).save(folder / f"p{i}.png")
    return folder


CHARUCO = ("--type", "charuco", "--board", "9x6", "--square", "0.024", "--model", "pinhole")


def test_photos_in_and_a_camera_file_out(photos, tmp_path):
    """K within 1 %: six photos with corners good to 0.1 px."""
    out = tmp_path / "new" / "camera.json"
    done = command("calibrate", photos, *CHARUCO, "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"calibrate: {out}: pinhole, fx 6") and "6 of 6 photos" in done.stdout
    calibration = read_camera(out)
    np.testing.assert_allclose(calibration.camera.K, K, rtol=0.01)
    evidence = json.loads(out.read_text())["evidence"]
    assert list(evidence["view_rms_px"]) == [f"p{i}.png" for i in range(6)]
    assert 0 < evidence["coverage"] < 1 and evidence["sigma"]["fx"] > 0
    with Image.open(out.with_suffix(".png")) as picture:
        assert picture.size[0] == 960
    again = command("calibrate", photos, *CHARUCO, "-o", tmp_path / "again.json")
    assert again.returncode == 0 and (tmp_path / "again.json").read_bytes() == out.read_bytes()


def test_photos_of_several_sizes_are_named(photos, tmp_path):
    for path in photos.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    Image.new("L", (480, 640)).save(tmp_path / "sideways.png")
    done = command("calibrate", tmp_path, *CHARUCO, "-o", tmp_path / "camera.json")
    assert done.returncode == 1
    assert "6 of 640 x 480 px" in done.stderr and "1 of 480 x 640 px (sideways.png)" in done.stderr
    assert not (tmp_path / "camera.json").exists()


def test_a_broken_photo_is_left_out_and_the_others_go_on(photos, tmp_path):
    for path in photos.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken.png").write_bytes((photos / "p0.png").read_bytes()[:300])
    Image.new("L", SIZE, 200).save(tmp_path / "wall.png")
    done = command("calibrate", tmp_path, *CHARUCO, "-o", tmp_path / "out" / "camera.json", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)["calibrate"]
    assert list(facts["unreadable"]) == ["broken.png"] and facts["not_found"] == ["wall.png"]
    assert "left out" in done.stderr and "broken.png" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--board", "7x4"), "no photo of 3 shows a chessboard of 7x4 inner corners; count again"),
        ((), "no chessboard of a common size in 3 photos; name it"),
    ],
)
def test_a_board_that_is_never_seen_is_told_with_advice(tmp_path, options, message):
    for i in range(3):
        Image.new("L", (160, 120), 200).save(tmp_path / f"{i}.png")
    done = command("calibrate", tmp_path, *options, "-o", tmp_path / "camera.json")
    assert done.returncode == 1 and message in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "camera.yaml"), "got the ending '.yaml', wanted a camera file that ends in .json"),
        (("-o", "camera.json", "--model", "kannala"), "--model: got 'kannala', wanted one of pinhole"),
        (("-o", "camera.json", "--board", "nine"), "--board: got 'nine'"),
    ],
)
def test_wrong_options_are_named_before_photos_are_read(photos, options, message):
    done = command("calibrate", photos, *options)
    assert done.returncode == 1 and message in done.stderr


def test_the_board_command_writes_pages_of_the_paper_s_size(tmp_path):
    done = command("board", "--board", "7x5", "--square", "0.03", "--paper", "Letter", "-o", tmp_path / "board.pdf")
    assert done.returncode == 0 and "square 30 mm, on Letter" in done.stdout
    assert "recon3d calibrate PHOTOS --type charuco --board 7x5 --square 0.03 -o" in done.stdout  # not its default
    box = (tmp_path / "board.pdf").read_bytes().partition(b"/MediaBox [")[2].partition(b"]")[0]
    assert [float(x) for x in box.split()] == pytest.approx([0, 0, 11 * 72, 8.5 * 72])  # points, on its side
    assert command("board", "--type", "circles", "-o", tmp_path / "board.png").returncode == 0
    with Image.open(tmp_path / "board.png") as page:
        assert page.info["dpi"] == pytest.approx((508, 508), abs=0.1)
    done = command("board", "-o", tmp_path / "board.svg")
    assert done.returncode == 1 and "wanted one of .pdf, .png" in done.stderr
