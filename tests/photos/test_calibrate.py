"""A camera comes out of board corners as it went in, with honest figures beside it; bad sets are named."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from recon3d.errors import InputError, StageError
from recon3d.formats.camera_file import read_camera
from recon3d.geometry import Calibration, Camera
from recon3d.photos.board_bundle import LENS_MODELS, BoardView
from recon3d.photos.boards import Board, find_boards
from recon3d.photos.calibrate import CELLS, calibrate, cells
from recon3d.photos.lens_fit import Held, fit_lens, ray_sigma_px
from recon3d.photos.read import read_photo
from recon3d.photos.undistort import distort_pixels, undistort_pixels

SIZE = (1280, 960)
TRUE = {
    "pinhole": Calibration(Camera(*SIZE, 1000.0, 1003.0, 652.0, 471.0), "pinhole"),
    "opencv4": Calibration(Camera(*SIZE, 1000.0, 1003.0, 652.0, 471.0), "opencv", (-0.25, 0.07, 1e-3, -5e-4)),
    "opencv5": Calibration(Camera(*SIZE, 900.0, 903.0, 652.0, 471.0), "opencv", (-0.3, 0.14, 1e-3, -5e-4, -0.04)),
    "opencv8": Calibration(
        Camera(*SIZE, 700.0, 702.0, 645.0, 474.0), "opencv", (0.6, 0.12, 2e-4, -3e-4, 0.01, 0.95, 0.3, 0.04)
    ),
    "fisheye": Calibration(Camera(*SIZE, 600.0, 601.0, 645.0, 474.0), "fisheye", (0.02, -0.015, 0.006, -0.001)),
}


def drawn(points_cam, lens):
    """(N, 2) where the lens draws points; NaN where the pinhole part of it looks away."""
    rays = points_cam[:, :2] / points_cam[:, 2:]
    camera = lens.camera
    pixels = distort_pixels(rays * [camera.fx, camera.fy] + [camera.cx, camera.cy], lens)
    pixels[points_cam[:, 2] <= 0] = np.nan
    return pixels


def shots(lens, *, count=60, noise_px=0.1, seed=0, tilt_deg=40.0, near=20, columns=16, rows=12):
    """Views of a board that is tilted every way and aimed at the image's edges most; only corners inside it count."""
    random = np.random.default_rng(seed)
    board = Board("chessboard", columns, rows, 0.025).corners
    camera = lens.camera
    views = []
    while len(views) < count:
        axis = random.normal(size=3) * [1, 1, 0.3]
        turn = cv2.Rodrigues(axis / np.linalg.norm(axis) * np.radians(random.uniform(0.3, 1) * tilt_deg))[0]
        aim = undistort_pixels(random.beta(0.7, 0.7, (1, 2)) * [camera.width, camera.height], lens)[0]
        ray = np.append((aim - [camera.cx, camera.cy]) / [camera.fx, camera.fy], 1.0)
        points = (board - board.mean(axis=0)) @ turn.T + ray / np.linalg.norm(ray) * random.uniform(0.25, 0.4)
        if (points[:, 2] < 0.05).any():
            continue
        pixels = drawn(points, lens)
        inside = (pixels >= 0).all(axis=1) & (pixels <= [camera.width - 1, camera.height - 1]).all(axis=1)
        if inside.sum() >= near:
            noisy = pixels[inside] + random.normal(scale=noise_px, size=(inside.sum(), 2))
            views.append(BoardView(f"{len(views):03d}.jpg", board[inside], noisy))
    return views


def curve_error_px(found, true):
    """Largest difference, over the image, between where the two lenses draw the same ray."""
    camera = true.camera
    u, v = np.meshgrid(np.linspace(0, camera.width - 1, 33), np.linspace(0, camera.height - 1, 25))
    pixels = np.column_stack([u.ravel(), v.ravel()])
    pinhole = undistort_pixels(pixels, true)
    rays = np.column_stack([(pinhole - [camera.cx, camera.cy]) / [camera.fx, camera.fy], np.ones(len(pinhole))])
    assert np.isfinite(rays).all()
    return float(np.abs(drawn(rays, found) - pixels).max())


@pytest.mark.parametrize("model", LENS_MODELS)
def test_a_known_lens_comes_back(model):
    """Noise of 0.1 px a corner leaves 0.07 px in fx by the fit's own account: 0.1 % and 0.2 px are several sigmas."""
    true = TRUE[model]
    fit = fit_lens(shots(true), SIZE, model, Held())
    for name in ("fx", "fy", "cx", "cy"):
        got, wanted = getattr(fit.calibration.camera, name), getattr(true.camera, name)
        assert got == pytest.approx(wanted, rel=1e-3), name
    assert curve_error_px(fit.calibration, true) < 0.2
    assert fit.calibration.rms_px == pytest.approx(0.1 * np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("model", ["pinhole", "opencv4", "opencv5", "fisheye"])
def test_exact_corners_give_the_exact_lens(model):
    fit = fit_lens(shots(TRUE[model], count=8, noise_px=0), SIZE, model, Held())
    np.testing.assert_allclose(fit.calibration.camera.K, TRUE[model].camera.K, atol=1e-3)
    assert fit.calibration.distortion == pytest.approx(TRUE[model].distortion, abs=1e-4)


def test_standard_deviations_are_those_of_repeated_noise():
    """The errors of 20 repetitions, in sigmas: their rms is 1 ± 0.15; below 1.6 and above 0.5 for every parameter."""
    true = TRUE["opencv4"]
    values = np.array([*true.camera.K[[0, 1, 0, 1], [0, 1, 2, 2]], *true.distortion])
    scores = []
    for seed in range(20):
        fit = fit_lens(shots(true, count=8, columns=9, rows=6, seed=seed), SIZE, "opencv4", Held())
        found = [*fit.calibration.camera.K[[0, 1, 0, 1], [0, 1, 2, 2]], *fit.calibration.distortion]
        scores.append((np.array(found) - values) / list(fit.sigmas.values()))
    spread = np.sqrt(np.mean(np.square(scores), axis=0))
    assert (spread > 0.5).all() and (spread < 1.6).all(), spread


@pytest.mark.parametrize("model", ["opencv4", "fisheye"])
def test_the_lens_that_drew_the_photos_is_chosen(model):
    """A simpler model would leave several pixels; a richer one foretells no better."""
    report = calibrate(shots(TRUE[model], count=10, columns=9, rows=6), SIZE)
    assert report.fit.model == model
    assert report.held_out_px[model] < 0.2
    assert report.held_out_px.get("pinhole", np.inf) > 1  # a pinhole may not explain a fisheye at all


def test_held_parameters_stay():
    fit = fit_lens(shots(TRUE["opencv5"], count=8), SIZE, "opencv5", Held(aspect=True, principal_point=True, k3=True))
    camera = fit.calibration.camera
    assert camera.fx == camera.fy
    assert (camera.cx, camera.cy) == (639.5, 479.5)
    assert fit.calibration.distortion[4] == 0
    assert [name for name, sigma in fit.sigmas.items() if sigma == 0] == ["cx", "cy", "k3"]


def test_a_view_that_does_not_fit_is_dropped_by_name():
    views = shots(TRUE["opencv4"], count=12, columns=9, rows=6)
    random = np.random.default_rng(1)
    bent = views[4].pixels + random.normal(scale=3.0, size=views[4].pixels.shape)
    views[4] = BoardView("bent.jpg", views[4].board, bent)
    report = calibrate(views, SIZE)
    assert list(report.dropped) == ["bent.jpg"] and report.dropped["bent.jpg"] > 2
    assert len(report.views) == 11 and report.fit.model == "opencv4"
    assert report.fit.calibration.camera.fx == pytest.approx(1000, rel=2e-3)
    kept = calibrate(views, SIZE, model="opencv4", keep_outliers=True)
    assert not kept.dropped and kept.fit.calibration.rms_px > 3 * report.fit.calibration.rms_px


def one_pose(tilt_deg):
    """Six photos of a board that is only shifted, never turned."""
    lens = TRUE["pinhole"]
    board = Board("chessboard", 9, 6, 0.025).corners
    turn = cv2.Rodrigues(np.array([np.radians(tilt_deg), 0.0, 0.0]))[0]
    random = np.random.default_rng(2)
    views = []
    for i in range(6):
        points = (board - board.mean(axis=0)) @ turn.T + [*random.uniform(-0.05, 0.05, 2), 0.4 + 0.02 * i]
        views.append(BoardView(f"{i}.jpg", board, drawn(points, lens) + random.normal(scale=0.1, size=(54, 2))))
    return views


@pytest.mark.parametrize("tilt_deg", [0, 30])
def test_boards_all_in_one_pose_are_no_calibration(tilt_deg):
    with pytest.raises(StageError, match="all in one pose|focal length open"):
        calibrate(one_pose(tilt_deg), SIZE, model="opencv4")


def test_two_views_are_too_few():
    with pytest.raises(StageError, match="got 2 photos that show the board, wanted at least 3"):
        calibrate(shots(TRUE["pinhole"], count=2), SIZE)


def test_what_the_photos_leave_open_is_said():
    """Boards in the middle only, hardly tilted: the corners of the image, and the focal length, are guesses."""
    random = np.random.default_rng(3)
    lens, board = TRUE["opencv4"], Board("chessboard", 9, 6, 0.025).corners
    views = []
    for i in range(4):
        turn = cv2.Rodrigues(random.uniform(-0.15, 0.15, 3))[0]
        points = (board - board.mean(axis=0)) @ turn.T + [0, 0, 0.6]
        views.append(BoardView(f"{i}.jpg", board, drawn(points, lens) + random.normal(scale=0.1, size=(54, 2))))
    report = calibrate(views, SIZE, model="opencv5", held=Held(aspect=True))
    said = " ".join(report.warnings)
    assert "corners cover" in said and "4 views are few" in said and "fx is known to" in said
    assert "distortion at the image's corners" in said


def test_rays_between_the_corners_are_surer_than_those_outside():
    views = shots(TRUE["opencv5"], count=10)
    middle = [
        BoardView(view.name, view.board[inside], view.pixels[inside])
        for view in views
        if (inside := (np.abs(view.pixels - [640, 480]) < [400, 300]).all(axis=1)).sum() > 20
    ]
    fit = fit_lens(middle, SIZE, "opencv5", Held())
    sigmas = ray_sigma_px(fit, np.array([[0.0, 0, 1], [0.3, 0, 1], [0.9, 0.6, 1]]))
    assert sigmas[1] < 0.3 * sigmas[2]


def test_cells_count_each_corner_once():
    edge = np.array([[-0.5, -0.5], [SIZE[0] - 0.5, SIZE[1] - 0.5], [640.0, 480.0]])
    counts = cells([BoardView("a", np.zeros((3, 3)), edge)], SIZE)
    assert counts.shape == CELLS[::-1]
    assert counts.sum() == 3 and counts[0, 0] == 1 and counts[-1, -1] == 1


def test_an_unknown_model_is_refused():
    with pytest.raises(InputError, match="got 'kannala', wanted one of pinhole"):
        fit_lens(shots(TRUE["pinhole"], count=3), SIZE, "kannala", Held())


@pytest.fixture(scope="module")
def left(shared):
    folder = shared / "data" / "calib_left"
    return {
        path.name: cv2.cvtColor(read_photo(path, max_megapixels=1).image, cv2.COLOR_RGB2GRAY)
        for path in sorted(folder.glob("*.jpg"))
    }


def test_opencv_s_recipe_gives_opencv_s_reference(left):
    """`left_intrinsics.yml`: the same 13 boards, the classic detector with its 11 px window, fx = fy."""
    views = find_boards(left, Board("chessboard", 9, 6, 0.025), "classic")
    assert len(views) == 13
    report = calibrate(list(views.values()), (640, 480), model="opencv5", held=Held(aspect=True), keep_outliers=True)
    camera = report.fit.calibration.camera
    assert camera.fx == camera.fy == pytest.approx(535.92, abs=1)
    assert (camera.cx, camera.cy) == pytest.approx((342.28, 235.57), abs=1.5)
    assert report.fit.calibration.rms_px <= 0.41
    assert report.fit.view_rms_px[1] > 1  # left02: the window reaches the next corner


def test_a_window_that_fits_the_squares_halves_the_error(left):
    views = find_boards(left, Board("chessboard", 9, 6, 0.025))
    report = calibrate(list(views.values()), (640, 480), held=Held(aspect=True))
    assert len(report.views) == 13 and not report.dropped
    assert report.fit.calibration.rms_px < 0.2


def test_the_fit_is_opencv_s_own_optimum(left):
    """Same corners, same model, another solver: `cv2.calibrateCamera` ends in the same place."""
    views = list(find_boards(left, Board("chessboard", 9, 6, 0.025)).values())
    fit = fit_lens(views, (640, 480), "opencv5", Held())
    boards = [view.board.astype(np.float32) for view in views]
    pixels = [view.pixels.astype(np.float32) for view in views]
    rms, K, distortion, _, _ = cv2.calibrateCamera(boards, pixels, (640, 480), None, None)
    assert fit.calibration.rms_px == pytest.approx(rms, abs=1e-5)
    np.testing.assert_allclose(fit.calibration.camera.K, K, atol=0.01)
    assert fit.calibration.distortion == pytest.approx(distortion.ravel(), abs=1e-3)


def test_the_camera_file_that_ships_is_what_the_photos_say(left):
    ours = read_camera(Path(__file__).parents[2] / "calib" / "opencv-left.json")
    views = find_boards(left, Board("chessboard", 9, 6, 0.025))
    made = calibrate(list(views.values()), (640, 480)).fit.calibration
    np.testing.assert_allclose(made.camera.K, ours.camera.K, atol=0.01)
    assert made.distortion == pytest.approx(ours.distortion, abs=1e-4)


@pytest.mark.parametrize("name", ["opencv-left", "opencv-right"])
def test_camera_files_that_ship_can_be_read(name):
    calibration = read_camera(Path(__file__).parents[2] / "calib" / f"{name}.json")
    assert (calibration.camera.width, calibration.camera.height) == (640, 480)
    assert calibration.model == "opencv" and calibration.rms_px < 0.2
