import numpy as np
import pytest
from exhibits import UP, wall, wall_exhibit
from synthetic import look_at

from recon3d.geometry import Camera, PointCloud
from recon3d.show.exhibit import Exhibit, thumbnail
from recon3d.show.palette import STOPS, depth_colors, depth_range, in_view
from recon3d.show.pick import Surface, cloud_hit, fitted, photo_hit, ray
from recon3d.show.ruler import Measured

CAMERA = Camera.from_fov(160, 120, np.radians(60))


def test_the_ray_of_a_pixel_meets_what_projects_there():
    pose, point = look_at([2.0, -3, 1.5], [0.0, 0, 1]), np.array([0.3, 0.2, 1.1])
    u, v = CAMERA.project(pose.inverse() @ point[None])[0]
    origin, direction = ray(CAMERA, pose, (u, v))
    depth = (pose.inverse() @ point[None])[0, 2]
    assert np.allclose(origin + depth * direction, point)


def test_a_surface_is_picked_where_it_faces_the_eye_and_is_not_cut_off():
    surface = Surface(wall(3.0, 2.0))
    eye, straight = np.array([1.0, -4.0, 1.5]), np.array([0.0, 1.0, 0.0])
    assert surface.hit(eye, straight, up=UP, cut=np.inf) == pytest.approx([1, 0, 1.5], abs=1e-6)
    assert surface.hit(eye, straight, up=UP, cut=1.4) is None
    assert surface.hit(np.array([1.0, 4.0, 1.5]), -straight, up=UP, cut=np.inf) is None  # from behind
    assert surface.hit(np.array([5.0, -4.0, 1.5]), straight, up=UP, cut=np.inf) is None


def test_of_a_cloud_the_nearest_point_on_the_way_is_picked():
    points = np.array([[0.0, 5, 0], [0.01, 3, 0], [0, -3, 0], [1, 2, 0]])
    cloud = PointCloud(points, np.zeros((4, 3), np.uint8))
    found = cloud_hit(cloud, np.zeros(3), np.array([0.0, 2, 0]), up=UP, cut=np.inf)
    assert found.tolist() == points[1].tolist()
    assert cloud_hit(cloud, np.zeros(3), np.array([-1.0, 0, 0]), up=UP, cut=np.inf) is None


def test_a_click_into_a_frustum_finds_its_photo():
    exhibit = wall_exhibit()
    length = exhibit.frustum_length()
    corners = exhibit.photos[0].frustum(length)[1:]
    eye = np.array([1.4, -8.0, 1.1])
    index, along = photo_hit(exhibit.photos, length, eye, corners.mean(axis=0) - eye)
    assert index == 0 and along == pytest.approx(1)
    outside = corners[0] + 0.01 * (corners[0] - corners[2])
    assert photo_hit(exhibit.photos, length, eye, outside - eye) is None
    assert photo_hit([], length, eye, outside - eye) is None


@pytest.mark.parametrize("window", [(640, 480), (1000, 400), (300, 900)])
def test_a_photo_fits_the_window_and_its_corners_stay_on_their_rays(window):
    camera = Camera(160, 120, 140.0, 140.0, 70.0, 65.0)
    seen = fitted(camera, *window)
    corners = np.array([[-0.5, -0.5], [159.5, -0.5], [159.5, 119.5], [-0.5, 119.5]])
    rays = np.stack([(corners[:, 0] - 70) / 140, (corners[:, 1] - 65) / 140, np.ones(4)], axis=1)
    uv = seen.project(rays)
    assert (uv > -0.51).all() and (uv < np.array(window) - 0.49).all()
    assert np.isclose(np.ptp(uv, axis=0), window).any()  # one side fills the window
    assert np.allclose(uv.mean(axis=0), (np.array(window) - 1) / 2)


def test_the_ruler_says_the_length_and_the_doubt_of_the_scale():
    measured = Measured(np.array([0.0, 0, 0]), np.array([3.0, 4, 0]), 0.02)
    assert measured.length_m == 5 and measured.sigma_m == pytest.approx(0.1)
    assert measured.text == "5.000 m ± 0.100 m"
    assert Measured(measured.start, measured.end, 0.0).text == "5.000 m"
    assert Measured(measured.start, measured.end, 1.0).text == "5.000 units of unknown size"


def test_distances_are_coloured_from_near_to_far():
    assert depth_range(np.array([-1.0, *np.linspace(2, 4, 101)])) == pytest.approx((2.04, 3.96))
    assert depth_range(np.array([-1.0])) == (0.0, 1.0)
    colors = depth_colors(np.array([0.0, 1.0, 2.5, 4.0, 9.0]), 1.0, 4.0)
    assert colors[0].tolist() == colors[1].tolist() == list(STOPS[0])
    assert colors[3].tolist() == colors[4].tolist() == list(STOPS[-1])
    brightness = depth_colors(np.linspace(0, 1, 50), 0, 1) @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(brightness) < 0).all()  # reads without colour vision


def test_only_what_is_in_view_counts_for_the_range():
    points = np.array([[0.0, 0, 2], [0, 0, -2], [5, 0, 1], [0.1, 0.1, 3]])
    assert in_view(points, CAMERA).tolist() == [2, 3]


def test_thumbnails_keep_their_shape_and_never_grow():
    assert thumbnail(np.zeros((600, 800, 3), np.uint8)).shape == (192, 256, 3)
    assert thumbnail(np.zeros((1000, 3, 3), np.uint8)).shape == (256, 1, 3)
    assert thumbnail(np.zeros((20, 30, 3), np.uint8)).shape == (20, 30, 3)


def test_stray_points_don_t_make_the_scene_small():
    points = np.concatenate([np.random.default_rng(0).uniform(-1, 1, (10_000, 3)), [[500.0, 0, 0]]])
    cloud = PointCloud(points, np.zeros((10_001, 3), np.uint8))
    low, high = Exhibit("a", None, cloud, (), 0.0, "given factor", UP).bounds()
    assert (np.abs([low, high]) < 1.1).all()
    assert (Exhibit("a", None, None, (), 0.0, "given factor", UP).bounds() == 0).all()
