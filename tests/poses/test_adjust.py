import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon3d.geometry import SE3
from recon3d.poses.adjust import Tracks, adjusted

NONE = np.zeros((1, 3))


def walk(count=12, points=400, seed=0, turning=0.04):
    """Poses along an arc that look at a box of points, and what they see of them, exactly."""
    rng = np.random.default_rng(seed)
    world = rng.uniform([-2, -1.5, 2], [2, 1.5, 4], (points, 3))
    poses = []
    for k in range(count):
        turn = Rotation.from_rotvec([0, turning * (k - count / 2), 0.02 * np.sin(k)]).as_matrix()
        poses.append(SE3(turn, np.array([0.25 * (k - count / 2), 0.1 * np.sin(k), 0.05 * k])))
    rows = []
    for photo, pose in enumerate(poses):
        q = pose.inverse() @ world
        xy = q[:, :2] / q[:, 2:]
        seen = np.flatnonzero((np.abs(xy) < 0.6).all(axis=1) & (rng.random(points) < 0.6))
        rows += [(photo, point, *xy[point]) for point in seen]
    table = np.array(rows)
    return poses, world, table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2:]


def tracks_of(start, world, photo, point, xy):
    """Tracks with points triangulated from the poses to start from, by least squares of the rays' distances."""
    normal, right = np.zeros((len(world), 3, 3)), np.zeros((len(world), 3))
    for k, pose in enumerate(start):
        mine = photo == k
        rays = np.column_stack([xy[mine], np.ones(mine.sum())]) @ pose.R.T
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        across = np.eye(3) - rays[:, :, None] * rays[:, None]
        np.add.at(normal, point[mine], across)
        np.add.at(right, point[mine], across @ pose.t)
    points = np.linalg.solve(normal + 1e-9 * np.eye(3), right[..., None])[..., 0]
    camera = np.zeros(len(photo), int)
    return Tracks(tuple(start), points, photo, point, camera, xy, np.full(len(photo), 500.0))


def turned(poses, degrees, seed=1):
    rng = np.random.default_rng(seed)
    return [SE3(p.R @ Rotation.from_rotvec(np.deg2rad(degrees) * rng.normal(size=3)).as_matrix(), p.t) for p in poses]


def turn_deg(a, b):
    return np.array([np.degrees(Rotation.from_matrix(p.R.T @ q.R).magnitude()) for p, q in zip(a, b, strict=True)])


def test_poses_that_fit_are_not_worth_moving():
    poses, *seen = walk()
    rng = np.random.default_rng(2)
    seen[-1] = seen[-1] + rng.normal(0, 0.5 / 500, seen[-1].shape)  # features are off by half a pixel
    assert not adjusted(tracks_of(poses, *seen), poses, NONE).pays


def test_axes_that_are_off_are_found():
    poses, *seen = walk()
    given = turned(poses, 0.3)
    found = adjusted(tracks_of(given, *seen), given, NONE)
    assert found.pays
    assert np.median(turn_deg(found.world_from_cam, poses)) < 0.3 * np.median(turn_deg(given, poses))


def test_one_plainly_wrong_pose_comes_free_and_leaves_the_others():
    poses, *seen = walk(points=3000)
    given = list(poses)
    given[4] = SE3(poses[4].R, poses[4].t + np.array([0.0, 0.1, 0.0]))
    found = adjusted(tracks_of(given, *seen), given, NONE)
    assert found.pays
    off = [np.linalg.norm(a.t - b.t) for a, b in zip(found.world_from_cam, poses, strict=True)]
    assert off[4] < 0.01
    assert max(off[:4] + off[5:]) < 0.01
    moved = [np.linalg.norm(a.t - b.t) for a, b in zip(found.world_from_cam, given, strict=True)]
    assert np.argmax(moved) == 4


def test_a_focal_length_that_is_off_is_found():
    poses, world, photo, point, xy = walk(
        points=3000, turning=-0.1
    )  # about things: a wrong focal length can't explain that
    truth = 0.98
    found = adjusted(tracks_of(poses, world, photo, point, truth * xy), poses, NONE)
    assert found.pays
    assert np.exp(found.lenses[0, 0]) == pytest.approx(truth, abs=0.006)


def test_a_photo_without_features_stays():
    poses, world, photo, point, xy = walk()
    given = turned(poses, 0.3)
    seen = photo != 5
    found = adjusted(tracks_of(given, world, photo[seen], point[seen], xy[seen]), given, NONE)
    assert np.abs(found.world_from_cam[5].matrix - given[5].matrix).max() < 1e-9


def test_wrong_matches_move_nothing():
    poses, world, photo, point, xy = walk()
    xy = xy.copy()
    wrong = np.random.default_rng(3).random(len(xy)) < 0.1
    xy[wrong] += 0.1
    found = adjusted(tracks_of(poses, world, photo, point, xy), poses, NONE)
    assert turn_deg(found.world_from_cam, poses).max() < 0.1
