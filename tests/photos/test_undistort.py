import cv2
import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.geometry.camera import Calibration, Camera
from recon3d.photos.undistort import distort_pixels, pinhole_of, undistort, undistort_pixels

CAMERA = Camera(160, 120, 130.0, 128.0, 81.0, 57.5)

LENSES = {
    "barrel": Calibration(CAMERA, "opencv", (-0.25, 0.08, 0.001, -0.002)),
    "pincushion": Calibration(CAMERA, "opencv", (0.12, 0.02, 0.0, 0.001, 0.01)),
    "rational": Calibration(CAMERA, "opencv", (0.4, 0.1, 0.0005, 0.0003, 0.02, 0.6, 0.2, 0.03)),
    "fisheye": Calibration(CAMERA, "fisheye", (0.05, -0.02, 0.004, -0.001)),
    "equidistant": Calibration(CAMERA, "fisheye", (0.0, 0.0, 0.0, 0.0)),
}


@pytest.fixture(params=LENSES)
def lens(request):
    return LENSES[request.param]


def grid(width=160, height=120, step=1):
    u, v = np.meshgrid(np.arange(0, width, step), np.arange(0, height, step))
    return np.stack([u.ravel(), v.ravel()], axis=-1).astype(np.float64)


def distorted_by_definition(pixels, calibration):
    """The equations of OpenCV's manual, one by one."""
    c, k = calibration.camera, calibration.distortion
    x, y = (pixels[:, 0] - c.cx) / c.fx, (pixels[:, 1] - c.cy) / c.fy
    r = np.hypot(x, y)
    if calibration.model == "fisheye":
        theta = np.arctan(r)
        bent = theta * (1 + k[0] * theta**2 + k[1] * theta**4 + k[2] * theta**6 + k[3] * theta**8)
        scale = np.where(r > 0, bent / np.where(r > 0, r, 1), 1)
        x, y = x * scale, y * scale
    else:
        k1, k2, p1, p2, k3, k4, k5, k6 = (*k, *[0.0] * (8 - len(k)))
        scale = (1 + k1 * r**2 + k2 * r**4 + k3 * r**6) / (1 + k4 * r**2 + k5 * r**4 + k6 * r**6)
        x, y = (
            x * scale + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2),
            y * scale + p1 * (r**2 + 2 * y**2) + 2 * p2 * x * y,
        )
    return np.stack([c.fx * x + c.cx, c.fy * y + c.cy], axis=-1)


def test_distortion_follows_the_definition(lens):
    np.testing.assert_allclose(distort_pixels(grid(), lens), distorted_by_definition(grid(), lens), atol=1e-9)


def test_undistorting_undoes_distorting(lens):
    pixels = grid(step=7)
    there = distort_pixels(pixels, lens)
    np.testing.assert_allclose(undistort_pixels(there, lens), pixels, atol=1e-3)
    back = undistort_pixels(pixels, lens)
    found = np.isfinite(back).all(axis=-1)
    assert found.mean() > 0.9
    np.testing.assert_allclose(distort_pixels(back[found], lens), pixels[found], atol=0.01)


def test_the_principal_point_stays(lens):
    point = np.array([[CAMERA.cx, CAMERA.cy]])
    np.testing.assert_allclose(distort_pixels(point, lens), point, atol=1e-9)
    np.testing.assert_allclose(undistort_pixels(point, lens), point, atol=1e-6)


@pytest.mark.parametrize("calibration", [Calibration(CAMERA), Calibration(CAMERA, "opencv", (0.0, 0.0, 0.0, 0.0))])
def test_a_pinhole_changes_nothing(calibration):
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    out, camera, mask = undistort(image, calibration)
    assert out is image and camera == CAMERA and mask is None
    np.testing.assert_array_equal(distort_pixels(grid(), calibration), grid())
    np.testing.assert_array_equal(undistort_pixels(grid(), calibration), grid())


def test_a_fisheye_without_coefficients_is_no_pinhole():
    assert np.abs(distort_pixels(grid(), LENSES["equidistant"]) - grid()).max() > 5


def scenery(pixels):
    """A smooth picture of the scene in pinhole pixels; its shortest wave is 24 px, so that sampling loses nothing."""
    u, v = pixels[:, 0], pixels[:, 1]
    waves = [np.sin(u / 4.0) * np.cos(v / 5.0), np.sin((u + v) / 6.0), np.cos(u / 7.0 - v / 4.5)]
    return 128 + 100 * np.stack(waves, axis=-1)


def test_an_undistorted_photo_is_what_a_pinhole_sees(lens):
    """The photo is drawn through the lens; half a pixel of shift would be an error of up to 12.

    Rounding to whole numbers twice alone is 0.41 rms.
    """
    behind = undistort_pixels(grid(), lens)
    photo = np.rint(np.nan_to_num(scenery(behind))).astype(np.uint8).reshape(120, 160, 3)
    image, camera, mask = undistort(photo, lens)
    assert camera == CAMERA and image.dtype == np.uint8 and image.shape == photo.shape
    wanted = scenery(grid()).reshape(120, 160, 3)
    seen = np.full((120, 160), True) if mask is None else mask == 255
    inner = cv2.erode(seen.astype(np.uint8), np.ones((9, 9)), borderValue=0) > 0  # the filter reaches over the border
    assert inner.mean() > 0.5
    assert np.abs(image.astype(float) - wanted)[inner].max() < 2.5
    assert np.sqrt(np.square(image.astype(float) - wanted)[inner].mean()) < 0.55


def test_the_mask_is_where_the_lens_saw(lens):
    image, _, mask = undistort(np.full((120, 160, 3), 200, np.uint8), lens)
    where = distorted_by_definition(grid(), lens).reshape(120, 160, 2)
    inside = ((where > -0.499) & (where < [159.499, 119.499])).all(axis=-1)
    outside = ((where < -0.501) | (where > [159.501, 119.501])).any(axis=-1)
    seen = np.full((120, 160), True) if mask is None else mask == 255
    assert seen[inside].all() and not seen[outside].any()
    assert (image[seen] == 200).all() and (image[~seen] == 0).all()
    assert mask is None or (mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255})


def test_a_barrel_lens_sees_everything_and_a_pincushion_lens_does_not():
    image = np.zeros((120, 160, 3), np.uint8)
    assert undistort(image, LENSES["barrel"])[2] is None
    assert undistort(image, LENSES["pincushion"])[2] is not None


def test_beyond_the_fold_of_the_lens_curve_nothing_is_seen():
    """r - 0.5 r³ turns back at r = 0.816: what lies beyond would be drawn a second time, mirrored."""
    folding = Calibration(Camera(200, 200, 80.0, 80.0, 99.5, 99.5), "opencv", (-0.5, 0.0, 0.0, 0.0))
    pixels = grid(200, 200)
    radius = np.hypot(*((pixels - 99.5) / 80).T)
    there = np.isfinite(distort_pixels(pixels, folding)).all(axis=-1)
    assert there[radius < 0.81].all() and not there[radius > 0.825].any()
    mask = undistort(np.zeros((200, 200), np.uint8), folding)[2]
    np.testing.assert_array_equal(mask.ravel() == 255, there)


def test_pixels_that_no_ray_reaches_are_nan():
    """The largest radius that r - 0.5 r³ draws is 0.544, 44 px from the centre."""
    folding = Calibration(Camera(200, 200, 80.0, 80.0, 99.5, 99.5), "opencv", (-0.5, 0.0, 0.0, 0.0))
    found = undistort_pixels(np.array([[99.5, 99.5], [120.0, 99.5], [160.0, 99.5]]), folding)
    assert np.isfinite(found[:2]).all() and np.isnan(found[2]).all()


def test_no_pixels_are_no_trouble(lens):
    assert distort_pixels(np.empty((0, 2)), lens).shape == undistort_pixels(np.empty((0, 2)), lens).shape == (0, 2)


def test_a_photo_of_another_size_is_refused(lens):
    with pytest.raises(InputError, match="120 x 160 px for a camera of 160 x 120"):
        undistort(np.zeros((160, 120, 3), np.uint8), lens)
    with pytest.raises(InputError, match=r"wanted \(N, 2\)"):
        distort_pixels(np.zeros((3, 3)), lens)


@pytest.mark.parametrize("keep", ["same", "inside", "all"])
def test_what_is_kept_moves_the_picture_not_the_rays(lens, keep):
    """A pixel of the undistorted photo shows the lens's pixel of the same ray, whatever the new K."""
    camera = pinhole_of(lens, keep)
    pixels = grid(step=11)
    rays = (pixels - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    same_k = rays * [CAMERA.fx, CAMERA.fy] + [CAMERA.cx, CAMERA.cy]
    np.testing.assert_allclose(distort_pixels(pixels, lens, camera), distort_pixels(same_k, lens), atol=1e-9)
    assert camera.fx / camera.fy == pytest.approx(CAMERA.fx / CAMERA.fy)


def test_inside_leaves_no_border_and_touches_the_outline(lens):
    _, camera, mask = undistort(np.full((120, 160, 3), 200, np.uint8), lens, "inside")
    assert mask is None
    where = distort_pixels(grid(), lens, camera)
    gaps = [where[:, 0].min(), 159 - where[:, 0].max(), where[:, 1].min(), 119 - where[:, 1].max()]
    # A pixel's centre is up to a pixel's pitch from the outline, which lenses here stretch less than twice.
    assert -0.5 <= min(gaps) < 1.5


def test_all_shows_every_pixel_of_the_photo(lens):
    camera = pinhole_of(lens, "all")
    rays = (undistort_pixels(grid(), lens) - [CAMERA.cx, CAMERA.cy]) / [CAMERA.fx, CAMERA.fy]
    at = rays * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    drawn = np.isfinite(at).all(axis=-1)
    assert drawn.mean() > 0.9
    assert at[drawn].min() >= -0.5 and (at[drawn] <= [159.5, 119.5]).all()
    gaps = [at[drawn, 0].min(), 159 - at[drawn, 0].max(), at[drawn, 1].min(), 119 - at[drawn, 1].max()]
    assert min(gaps) < 1.5 or not drawn.all()


def test_inside_and_all_are_opencv_s_where_its_pixels_stay_square():
    """Radial and centred: OpenCV's stretch along u and v are then nearly alike, and the tighter one is ours."""
    camera = Camera(160, 160, 130.0, 130.0, 79.5, 79.5)
    lens = Calibration(camera, "opencv", (-0.2, 0.03, 0.0, 0.0))
    for keep, alpha in (("inside", 0), ("all", 1)):
        theirs, _ = cv2.getOptimalNewCameraMatrix(camera.K, np.array(lens.distortion), (160, 160), alpha)
        # OpenCV's picture ends at pixel centres, ours at the pixels' outer edges: 1 part in 160 and its half pixel.
        assert pinhole_of(lens, keep).fx == pytest.approx(theirs[0, 0], rel=0.02)


def test_a_fisheye_of_half_a_sphere_is_cut_at_75_degrees():
    """Equidistant, 180 degrees across 400 px: f = 400 / pi. tan 75 degrees is 3.73."""
    camera = Camera(400, 300, 400 / np.pi, 400 / np.pi, 199.5, 149.5)
    lens = Calibration(camera, "fisheye", (0.0, 0.0, 0.0, 0.0))
    found = pinhole_of(lens, "all")
    assert 2 * np.degrees(np.arctan(200 / found.fx)) == pytest.approx(150, abs=1)
    assert found.cx == pytest.approx(199.5)


def test_photos_of_one_lens_share_the_table(lens, monkeypatch):
    image = np.zeros((120, 160, 3), np.uint8)
    undistort(image, lens, "all")
    monkeypatch.setattr("recon3d.photos.undistort.distort_pixels", None)  # calling it again would fail
    undistort(image, lens, "all")


def test_an_unknown_choice_is_refused(lens):
    with pytest.raises(InputError, match="same, inside, all"):
        undistort(np.zeros((120, 160, 3), np.uint8), lens, "most")


def test_points_meet_their_pixels_the_same_way_in_both_photos(lens):
    """Drawn by the lens and then undistorted is drawn by the pinhole camera."""
    rays = np.random.default_rng(1).uniform([-0.5, -0.4], [0.5, 0.4], (500, 2))
    for keep in ("same", "inside", "all"):
        camera = pinhole_of(lens, keep)
        through_lens = distort_pixels(rays * [CAMERA.fx, CAMERA.fy] + [CAMERA.cx, CAMERA.cy], lens)
        by_pinhole = camera.project(np.column_stack([rays, np.ones(500)]))
        undone = (undistort_pixels(through_lens, lens) - [CAMERA.cx, CAMERA.cy]) / [CAMERA.fx, CAMERA.fy]
        undone = undone * [camera.fx, camera.fy] + [camera.cx, camera.cy]
        assert np.abs(undone - by_pinhole).max() < 0.01
