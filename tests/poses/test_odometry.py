"""RGB-D odometry on exact made-up rooms, with exact depth and with depth that errs as a network's does."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
from synthetic import look_at, render, room

from recon3d.geometry import SE3, Camera
from recon3d.metrics.trajectory import umeyama
from recon3d.poses.depth_view import shared_camera, view_of
from recon3d.poses.motion import motion
from recon3d.poses.odometry import odometry, side_by_side

CAMERA = Camera.from_fov(160, 120, np.radians(70))
PIXEL_DEG = 0.5
"""A pixel of 160 across 70 degrees."""


def views_of(frames, factors=None, bend=0.0):
    """The frames as odometry sees them; each depth times its factor, bent smoothly by a share of itself."""
    rng = np.random.default_rng(0)
    views = {}
    for i, frame in enumerate(frames):
        depth = frame.depth * np.float32(factors[i] if factors is not None else 1)
        field = rng.normal(0, bend, (4, 5)).astype(np.float32)
        depth = depth * np.exp(cv2.resize(field, depth.shape[::-1], interpolation=cv2.INTER_CUBIC))
        views[frame.name] = view_of(frame.image, depth, frame.camera, CAMERA)
    return views


def misses(world_from_cam, frames):
    """Largest distance [m] and turn [degrees] from the truth, both worlds being the first camera's."""
    truth = {frame.name: frame.world_from_cam for frame in frames}
    first = truth[next(iter(world_from_cam))]
    errors = [truth[name].inverse() @ first @ pose for name, pose in world_from_cam.items()]
    turns = [np.degrees(np.arccos(np.clip((np.trace(error.R) - 1) / 2, -1, 1))) for error in errors]
    return max(np.linalg.norm(error.t) for error in errors), max(turns)


@pytest.fixture(scope="module")
def walk():
    """Ten photos of a camera that moves by 2 cm a photo, 2.5 m from what it sees: half a degree."""
    eyes = [(0.02 * i - 0.1, 1.4, 1.5) for i in range(10)]
    return [render(f"walk-{i}", room, CAMERA, look_at(eye, (eye[0] / 2, -1, 0.8))) for i, eye in enumerate(eyes)]


@pytest.fixture(scope="module")
def turn():
    """Nine photos of a camera that turns by 15 degrees a photo, on the spot."""
    frames = []
    for i in range(9):
        angle = np.radians(15 * i - 60)
        pose = look_at((0, 1, 1.4), (2 * np.sin(angle), 1 - 2 * np.cos(angle), 1))
        frames.append(render(f"turn-{i}", room, CAMERA, pose))
    return frames


@pytest.mark.parametrize("metric", [True, False])
def test_a_walk_of_little_parallax_is_found_to_a_fifth_of_its_step(walk, metric):
    found = odometry(views_of(walk), CAMERA, metric=metric)
    (group,) = found.groups
    # hundreds of features, good to a third of a pixel each, hold the camera to a fifth of one: 2.5 m / 114 / 5
    distance_m, turn_deg = misses(group.world_from_cam, walk)
    assert distance_m < 0.0045
    assert turn_deg < PIXEL_DEG / 5
    assert found.keyframes == 1 and found.loops == 0 and found.closing is None


@pytest.mark.parametrize("metric", [True, False])
def test_turning_on_the_spot_is_found_and_stays_on_the_spot(turn, metric):
    (group,) = odometry(views_of(turn), CAMERA, metric=metric).groups
    # over 120 degrees, four keyframes from the first
    distance_m, turn_deg = misses(group.world_from_cam, turn)
    assert distance_m < 0.04
    assert turn_deg < PIXEL_DEG


def test_bent_depth_moves_the_camera_little(walk, turn):
    # 5 % of 2.5 m are 12 cm, which is how far laying the surfaces onto each other would move the camera
    for frames in (walk, turn):
        (group,) = odometry(views_of(frames, bend=0.05), CAMERA, metric=False).groups
        distance_m, turn_deg = misses(group.world_from_cam, frames)
        assert distance_m < 0.04
        assert turn_deg < PIXEL_DEG


def test_the_scale_of_each_photos_depth_is_found(turn):
    factors = np.exp(np.random.default_rng(1).normal(0, 0.15, len(turn)))
    (group,) = odometry(views_of(turn, factors), CAMERA, metric=False).groups
    left = np.log(factors) + [group.log_scale[frame.name] for frame in turn]
    assert np.ptp(left) < 0.02
    assert np.median(list(group.log_scale.values())) == pytest.approx(0, abs=1e-12)
    assert misses({n: p.scaled(np.exp(-np.median(left))) for n, p in group.world_from_cam.items()}, turn)[0] < 0.04


def test_a_sensors_depth_keeps_its_scale(walk):
    (group,) = odometry(views_of(walk[:3]), CAMERA, metric=True).groups
    assert set(group.log_scale.values()) == {0.0}


@pytest.mark.parametrize("metric", [True, False])
def test_photos_without_overlap_stand_alone(walk, metric):
    back = render("back", room, CAMERA, look_at((0, 0, 1.5), (0.3, 2, 1)))
    elsewhere = render("elsewhere", room, CAMERA, walk[3].world_from_cam, seed=7)  # the same walls, other paint
    found = odometry(views_of([walk[0], back, walk[1], elsewhere]), CAMERA, metric=metric)
    assert [list(group.world_from_cam) for group in found.groups] == [["walk-0", "walk-1"], ["back"], ["elsewhere"]]


def test_a_wall_without_marks_is_not_followed(walk):
    """Its depth fits wherever the camera slides to: only what is painted on it could say."""
    white = [replace(view, image=np.full_like(view.image, 200)) for view in views_of(walk[:3]).values()]
    bare = {
        str(i): replace(view, uv=np.zeros((0, 2)), descriptors=view.descriptors[:0]) for i, view in enumerate(white)
    }
    assert len(odometry(bare, CAMERA, metric=True).groups) == 3


@pytest.mark.parametrize("metric", [True, False])
def test_small_steps_are_followed_without_features(walk, metric):
    a, b = (
        replace(view, uv=np.zeros((0, 2)), descriptors=view.descriptors[:0])
        for view in views_of([walk[0], walk[2]]).values()
    )
    found = motion(a, b, CAMERA, metric=metric, guess=SE3.identity())
    assert found is not None and found.is_believed
    truth = walk[2].world_from_cam.inverse() @ walk[0].world_from_cam
    assert np.linalg.norm((found.b_from_a @ truth.inverse()).t) < 0.5 * np.linalg.norm(truth.t)
    assert motion(a, b, CAMERA, metric=metric, guess=None) is None


def test_a_loop_is_closed(turn):
    """There and back again: the last photo is the first."""
    again = [replace(frame, name=f"{frame.name}-again") for frame in turn[-2::-1]]
    found = odometry(views_of([*turn, *again]), CAMERA, metric=True)
    (group,) = found.groups
    assert found.loops > 0 and found.closing is not None and found.closing < 0.02
    first, last = group.world_from_cam["turn-0"], group.world_from_cam["turn-0-again"]
    assert np.linalg.norm(first.t - last.t) < 0.01


def test_a_photo_without_depth_stands_alone(walk):
    views = views_of(walk[:2])
    views["none"] = replace(views["walk-0"], depth=np.zeros_like(views["walk-0"].depth))
    assert [len(group.world_from_cam) for group in odometry(views, CAMERA, metric=True).groups] == [2, 1]


def test_the_shared_camera_sees_all_that_any_sees_and_keeps_rays(walk):
    upright = Camera(150, 200, 175.0, 175.0, 80.0, 95.0)
    lying = Camera(320, 240, 250.0, 255.0, 155.0, 122.0)
    shared = shared_camera([upright, lying])
    assert max(shared.width, shared.height) <= 400
    for camera in (upright, lying):
        corners = np.array([[u, v] for u in (-0.5, camera.width - 0.5) for v in (-0.5, camera.height - 0.5)])
        rays = np.column_stack([(corners - [camera.cx, camera.cy]) / [camera.fx, camera.fy], np.ones(4)])
        # a pixel's edge more for rounding to whole pixels
        low, high = shared.project(rays).min(axis=0), shared.project(rays).max(axis=0)
        assert (low >= -1).all() and (high <= [shared.width, shared.height]).all()
    pose = walk[0].world_from_cam
    drawn = render("lying", room, lying, pose)
    view, truth = view_of(drawn.image, drawn.depth, lying, shared), render("shared", room, shared, pose)
    seen = view.depth > 0
    assert seen.mean() > 0.4
    assert np.median(np.abs(view.depth[seen] / truth.depth[seen] - 1)) < 0.002
    assert np.median(np.abs(view.image[seen].astype(int) - truth.image[seen])) < 10


def test_groups_side_by_side_do_not_overlap(walk):
    worlds = [
        ({"a": SE3.identity(), "b": SE3(np.eye(3), np.array([1.0, 0, 0]))}, np.array([[-1.0, 0, 2], [2, 1, 3]])),
        ({"c": SE3.identity()}, np.array([[-2.0, 0, 1], [-1, 0, 1]])),
        ({"d": walk[0].world_from_cam}, np.zeros((0, 3))),
    ]
    placed = side_by_side(worlds, gap=0.1)
    assert list(placed) == ["a", "b", "c", "d"]
    spans = []
    for poses, points in worlds:
        shift = placed[next(iter(poses))].t - poses[next(iter(poses))].t
        assert shift[1] == shift[2] == 0
        x = np.concatenate([points[:, 0], [pose.t[0] for pose in poses.values()]]) + shift[0]
        spans.append((x.min(), x.max()))
        assert all(np.allclose(placed[name].R, pose.R) for name, pose in poses.items())
    assert spans[0] == (-1, 2)  # the first stays where it is
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


@pytest.mark.slow
@pytest.mark.parametrize("metric", [True, False])
def test_a_kitchen_with_recorded_depth_is_followed(shared, metric):
    """The first 40 photos of the set. Its depth is not registered to the colour camera: a few hundredths are lost."""
    folder = shared / "data" / "redkitchen"
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    small = shared_camera([camera])
    views, truth = {}, {}
    for path in sorted(folder.glob("*.color.jpg"))[:40]:
        name = path.name.removesuffix(".color.jpg")
        millimetres = cv2.imread(str(folder / f"{name}.depth.png"), cv2.IMREAD_UNCHANGED)
        depth = np.where(millimetres == 65535, 0, millimetres).astype(np.float32) / 1000
        views[name] = view_of(cv2.imread(str(path))[..., ::-1].copy(), depth, camera, small)
        truth[name] = SE3.from_matrix(np.loadtxt(folder / f"{name}.pose.txt"))
    (group,) = odometry(views, small, metric=metric).groups
    found = np.stack([group.world_from_cam[name].t for name in truth])
    wanted = np.stack([pose.t for pose in truth.values()])
    aligned, _ = umeyama(found, wanted, with_scale=False)
    assert np.sqrt(((aligned @ found - wanted) ** 2).sum(axis=1).mean()) < 0.06
