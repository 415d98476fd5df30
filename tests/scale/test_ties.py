import numpy as np
import pytest
from synthetic import look_at

from recon3d.geometry import Calibration, Camera
from recon3d.geometry.arrays import Array
from recon3d.poses.sparse import Sparse
from recon3d.scale.ties import ray_angles, ties_of
from recon3d.settings import ScaleSettings

CAMERA = Camera.from_fov(640, 480, np.radians(60))
POSES = {name: look_at([x, -4, 0], [x, 0, 0]) for name, x in {"a": 0.0, "b": 0.3, "c": 0.6}.items()}
CAMERAS = dict.fromkeys(POSES, CAMERA)


def seen_by_all(points: Array, error_px: float = 0.3) -> Sparse:
    """Every camera saw every point, where it is."""
    points = np.asarray(points, float).reshape(-1, 3)
    count = len(points)
    photo = np.repeat(np.arange(len(POSES)), count)
    uv = np.concatenate([CAMERA.project(pose.inverse() @ points) for pose in POSES.values()])
    calibration = Calibration(CAMERA, source="SfM")
    return Sparse(
        dict.fromkeys(POSES, calibration),
        POSES,
        points,
        np.tile(np.arange(count), len(POSES)),
        photo,
        uv,
        np.full(len(photo), error_px),
    )


def without(sparse: Sparse, keep: Array) -> Sparse:
    return Sparse(
        sparse.calibrations,
        sparse.world_from_cam,
        sparse.points,
        sparse.obs_point[keep],
        sparse.obs_photo[keep],
        sparse.obs_uv[keep],
        sparse.obs_error_px[keep],
    )


def test_a_tie_is_the_pixel_and_the_depth_of_its_point() -> None:
    ties = ties_of(seen_by_all([[0.3, 0, 0.2], [0.0, 1, 0]]), CAMERAS, ScaleSettings())
    assert list(ties) == ["a", "b", "c"]
    # Camera b looks along +y from (0.3, -4, 0): the first point stands 4 ahead and 0.2 above its centre.
    assert ties["b"].z == pytest.approx([4, 5])
    assert ties["b"].uv[0] == pytest.approx([CAMERA.cx, CAMERA.cy - CAMERA.fy * 0.2 / 4])


def test_the_angle_is_between_the_outermost_rays() -> None:
    sparse = seen_by_all([[0.3, 0, 0], [0.3, 26, 0]])
    angles = ray_angles(sparse, sparse.obs_photo, sparse.obs_point)
    assert angles == pytest.approx([2 * np.arctan(0.3 / 4), 2 * np.arctan(0.3 / 30)], rel=1e-9)


def test_the_angle_does_not_depend_on_the_order_of_the_photos() -> None:
    rng = np.random.default_rng(0)
    sparse = seen_by_all(rng.normal(0, 1, (40, 3)))
    order = rng.permutation(len(sparse.obs_point))
    mixed = ray_angles(sparse, sparse.obs_photo[order], sparse.obs_point[order])
    assert mixed == pytest.approx(ray_angles(sparse, sparse.obs_photo, sparse.obs_point), rel=1e-12)


def test_narrow_far_points_do_not_tie() -> None:
    # 0.6 of baseline seen from 30: 1.1 degrees, below 1.5.
    assert len(ties_of(seen_by_all([[0.3, 26, 0]]), CAMERAS, ScaleSettings())["a"].z) == 0
    assert len(ties_of(seen_by_all([[0.3, 26, 0]]), CAMERAS, ScaleSettings(min_angle_deg=1.0))["a"].z) == 1


def test_as_many_views_make_a_tie_as_are_asked_for() -> None:
    pair = without(seen_by_all([[0.3, 0, 0]]), np.array([0, 2]))
    assert len(ties_of(pair, CAMERAS, ScaleSettings(min_views=3))["a"].z) == 0
    loose = ties_of(pair, CAMERAS, ScaleSettings(min_views=2))
    assert [len(ties.z) for ties in loose.values()] == [1, 0, 1]


def test_observations_that_miss_do_not_tie_nor_make_a_track() -> None:
    assert len(ties_of(seen_by_all([[0.3, 0, 0]], error_px=2.5), CAMERAS, ScaleSettings())["a"].z) == 0


def test_points_outside_the_undistorted_photo_or_behind_it_do_not_tie() -> None:
    sparse = seen_by_all([[0.3, 0, 0], [0.3, -6, 0], [0.3, 0, 2.5]])
    narrow = ties_of(sparse, CAMERAS, ScaleSettings())
    assert len(narrow["a"].z) == 1


def test_photos_without_a_camera_are_left_out() -> None:
    assert list(ties_of(seen_by_all([[0.3, 0, 0]]), {"c": CAMERA}, ScaleSettings())) == ["c"]


def test_well_triangulated_ties_weigh_more() -> None:
    weight = ties_of(seen_by_all([[0.3, 0, 0], [0.3, 16, 0]]), CAMERAS, ScaleSettings())["a"].weight
    assert 1 >= weight[0] > weight[1] > 0.5


def test_a_model_without_points_has_no_ties() -> None:
    ties = ties_of(seen_by_all(np.empty((0, 3))), CAMERAS, ScaleSettings())
    assert [len(found.z) for found in ties.values()] == [0, 0, 0]
