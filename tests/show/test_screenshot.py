import numpy as np
import pytest
from synthetic import Box, ball_frames, look_at, room_frames

from recon3d.errors import InputError
from recon3d.fusion.cloud import cloud_of
from recon3d.fusion.single_view import single_view_mesh
from recon3d.geometry import Camera, Mesh
from recon3d.settings import RefineSettings
from recon3d.show.screenshot import BACKGROUND, render, screenshot


def _ball(radius=0.5, rings=40):
    """A grey triangulated ball, counter-clockwise outside."""
    v, u = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij")
    points = radius * np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v)], axis=-1).reshape(-1, 3)
    index = np.arange(len(points)).reshape(v.shape)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    triangles = np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])
    return Mesh(points, triangles, np.full(points.shape, 180, np.uint8))


def _inside_out(mesh):
    return Mesh(mesh.vertices, mesh.triangles[:, ::-1], mesh.colors)


def _drawn(image):
    return (image != BACKGROUND).any(axis=-1)


def test_a_rendered_ball_has_its_silhouette_and_depth():
    frame = ball_frames(1, radius=0.5)[0]
    image, depth = render(_ball(rings=100), frame.camera, frame.world_from_cam)
    truth = frame.depth > 0
    # A ball of chords is 0.05 % too small: only pixels on the outline may differ.
    assert (_drawn(image) != truth).mean() < 0.005
    assert np.array_equal(_drawn(image), depth > 0)
    both = truth & (depth > 0)
    assert np.abs(depth - frame.depth)[both].mean() < 1e-3


def test_an_automatic_view_shows_the_whole_ball_in_the_middle():
    drawn = _drawn(screenshot(_ball(), width=200, height=150))
    rows, columns = np.nonzero(drawn)
    assert abs(rows.mean() - 74.5) < 2
    assert abs(columns.mean() - 99.5) < 2
    assert not (drawn[0] | drawn[-1]).any()
    assert not (drawn[:, 0] | drawn[:, -1]).any()
    share = drawn.sum() / (np.pi / 4 * np.ptp(rows) * np.ptp(columns))
    assert share == pytest.approx(1, abs=0.05)  # as a circle


def test_triangles_that_face_away_are_not_drawn():
    camera = Camera.from_fov(80, 60, np.radians(50))
    outside = look_at([2.0, 0, 0], [0.0, 0, 0])
    near, far = render(_ball(), camera, outside)[1], render(_inside_out(_ball()), camera, outside)[1]
    assert near[30, 40] == pytest.approx(1.5, abs=0.01)
    assert far[30, 40] == pytest.approx(2.5, abs=0.01)  # one looks through the near wall at the far one
    inside = look_at([0.0, 0, 0], [1.0, 0, 0])
    assert not render(_ball(), camera, inside)[1].any()


def test_colours_are_those_of_the_vertices_under_a_lamp():
    image, _ = render(_ball(), Camera.from_fov(81, 61, np.radians(50)), look_at([2.0, 0, 0], [0.0, 0, 0]))
    assert image[30, 40].tolist() == pytest.approx([180] * 3, abs=2)
    drawn = image[_drawn(image)]
    assert drawn.max() <= 180
    assert drawn.min() >= 0.5 * 180


def test_a_photo_is_found_again_from_its_own_place():
    frame = room_frames(1)[0]
    mesh = single_view_mesh(frame, RefineSettings())
    _, depth = render(mesh, frame.camera, frame.world_from_cam)
    met = depth > 0
    assert met.mean() > 0.95
    assert np.median(np.abs(depth - frame.depth)[met]) < 1e-4


def test_pictures_of_meshes_and_clouds_are_not_blank():
    frames = room_frames(3)
    for scene in (single_view_mesh(frames[0], RefineSettings()), cloud_of(frames, 0.05)):
        image = screenshot(scene, width=160, height=120)
        assert image.shape == (120, 160, 3)
        assert 0.1 < _drawn(image).mean() < 0.95


def test_a_cloud_hides_what_is_behind_it():
    cloud = cloud_of(ball_frames(8), 0.02)
    red = np.zeros_like(cloud.colors)
    red[:, 0] = np.where(cloud.points[:, 0] > 0, 255, 0)
    halves = type(cloud)(cloud.points, red, None)
    image = screenshot(halves, width=120, height=90, eye=np.array([3.0, 0, 0]), target=np.zeros(3))
    middle = image[40:50, 55:65].reshape(-1, 3)
    assert (middle == (255, 0, 0)).all(axis=1).mean() > 0.9


def test_looking_straight_down_and_other_ups_work():
    ball = _ball()
    assert _drawn(screenshot(ball, width=64, height=48, eye=np.array([0.0, 0, 3]))).any()
    assert _drawn(screenshot(ball, width=64, height=48, up=np.array([0.0, -1, 0]))).any()


def test_nothing_to_draw_is_an_error():
    with pytest.raises(InputError, match="nothing to draw"):
        screenshot(Mesh(np.empty((0, 3)), np.empty((0, 3), np.int32), np.empty((0, 3), np.uint8)))
    with pytest.raises(InputError, match="looks at"):
        screenshot(_ball(), eye=np.zeros(3), target=np.zeros(3))


def test_the_synthetic_box_is_hit_from_inside_and_outside():
    box = Box(-np.ones(3), np.ones(3))
    assert box(np.zeros(3), np.array([[0.5, 0.1, 0.1]]))[0] == pytest.approx(2)
    assert box(np.array([3.0, 0.01, 0.01]), np.array([[-1.0, 0.001, 0.001]]))[0] == pytest.approx(2)
