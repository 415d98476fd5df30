import numpy as np
import pytest
from exhibits import room_exhibit, wall_exhibit
from PIL import Image

from recon3d.errors import StageError
from recon3d.show.mouse import Mouse
from recon3d.show.screenshot import BACKGROUND, render
from recon3d.show.viewer import Viewer, view

SIZE = (480, 360)


@pytest.fixture
def opened(virtual_screen, monkeypatch):
    """Opens viewers on the virtual screen, with what they say."""
    monkeypatch.setenv("DISPLAY", virtual_screen)
    viewers = []

    def open_(exhibit):
        said = []
        viewers.append(Viewer(exhibit, said.append, *SIZE))
        return viewers[-1], said

    yield open_
    for viewer in viewers:
        viewer.close()


def _drawn(picture):
    return (picture != BACKGROUND).any(axis=-1)


def test_without_a_display_the_viewer_says_what_to_do(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(StageError, match=r"no display.*--screenshot OUT\.png.*--web"):
        view(wall_exhibit(), print)


def test_nothing_to_show_is_said_before_a_window_opens(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":77")
    with pytest.raises(StageError, match="nothing to show"):
        view(wall_exhibit(mesh=None, photos=()), print)


def test_the_window_shows_what_ray_casting_draws_from_the_same_camera(opened, tmp_path):
    exhibit = room_exhibit()
    viewer, said = opened(exhibit)
    viewer.press("N")
    assert said == [f"photo {exhibit.photos[0].name}"]
    camera, pose = viewer.eye()
    assert np.allclose(pose.matrix, exhibit.photos[0].world_from_cam.matrix, atol=1e-9)
    picture, depth = viewer.picture(), viewer.depth()
    expected, expected_depth = render(exhibit.mesh, camera, pose, lamp=False)
    Image.fromarray(np.concatenate([picture, expected])).save(tmp_path / "window-and-rendering.png")
    assert ((depth > 0) == (expected_depth > 0)).mean() > 0.98  # rays slip between triangles
    both = (depth > 0) & (expected_depth > 0)
    assert both.mean() > 0.5
    assert np.percentile(np.abs(depth - expected_depth)[both], 95) < 0.01  # a third of a pixel on the floor
    assert np.abs(picture.astype(int) - expected)[both].mean() < 3


def test_keys_show_and_hide_the_layers(opened):
    viewer, _ = opened(room_exhibit())
    everything = viewer.picture()
    viewer.press("F")
    without_cameras = viewer.picture()
    viewer.press("M")
    assert 0 < (everything != without_cameras).any(axis=-1).mean() < 0.2
    assert not _drawn(viewer.picture()).any()
    viewer.press("C")
    assert _drawn(viewer.picture()).any()
    for key in "MCF":
        viewer.press(key)
    assert (viewer.picture() != everything).any(axis=-1).mean() < 0.01  # lines on lines


def test_two_clicks_measure_with_the_doubt_of_the_scale(opened):
    viewer, said = opened(wall_exhibit())
    viewer.press("N")
    camera, pose = viewer.eye()
    ends = np.array([[0.5, 0, 0.5], [2.5, 0, 1.5]])
    viewer.press("R")
    before = viewer.picture()
    for u, v in camera.project(pose.inverse() @ ends):
        viewer.click(u, v)
    assert np.allclose(viewer.ends, ends, atol=1e-5)
    assert said[-1] == f"ruler: {np.sqrt(5):.3f} m ± {0.02 * np.sqrt(5):.3f} m"
    red = (viewer.picture() - before.astype(int))[..., 0] > 20
    assert red.any()  # line and label are seen
    viewer.click(2, 2)
    assert said[-1] == "ruler: nothing there, click on the surface"
    viewer.press("R")
    assert viewer.ends == []
    assert np.array_equal(viewer.picture(), before)


def test_a_click_on_a_camera_looks_from_there(opened):
    exhibit = wall_exhibit()
    viewer, _ = opened(exhibit)
    camera, pose = viewer.eye()
    middle = exhibit.photos[0].frustum(exhibit.frustum_length())[1:].mean(axis=0)
    (pixel,) = camera.project(pose.inverse() @ middle[None])
    viewer.click(*pixel)
    assert viewer.photo == 0
    assert np.allclose(viewer.eye()[1].matrix, exhibit.photos[0].world_from_cam.matrix, atol=1e-9)
    viewer.press("H")
    assert viewer.photo is None
    assert np.allclose(viewer.eye()[1].matrix, pose.matrix, atol=1e-6)


def test_colours_by_distance_come_and_go(opened):
    viewer, said = opened(room_exhibit())
    before = viewer.picture()
    viewer.press("D")
    assert said[-1].startswith("colours by distance: yellow ")
    assert (viewer.picture() != before).any(axis=-1).mean() > 0.1
    viewer.press("D")
    assert np.array_equal(viewer.picture(), before)


def test_what_is_higher_is_cut_off_and_can_t_be_picked(opened):
    viewer, said = opened(wall_exhibit())
    viewer.press("N")
    before = _drawn(viewer.picture()).sum()
    viewer.press("[")
    assert _drawn(viewer.picture()).sum() < before
    assert "cut off above" in said[-1]
    viewer.press("]")
    assert said[-1] == "cut off: nothing"
    assert _drawn(viewer.picture()).sum() == before


def test_drags_turn_and_move_and_a_still_press_is_a_click(opened):
    viewer, _ = opened(wall_exhibit())
    clicks, drags = [], []
    mouse = Mouse(viewer._window, lambda u, v: clicks.append((u, v)), lambda: drags.append(1))
    start = viewer.eye()[1].matrix

    def press(button, modifiers, *places):
        mouse.move(None, *places[0])
        mouse.button(None, button, 1, modifiers)
        for place in places[1:]:
            mouse.move(None, *place)
        mouse.button(None, button, 0, modifiers)

    press(0, 0, (100, 100), (101, 100))
    assert clicks == [(101, 100)] and not drags and np.allclose(viewer.eye()[1].matrix, start)
    press(0, 1, (100, 100), (120, 100), (130, 110))
    moved = viewer.eye()[1].matrix
    assert np.allclose(moved[:3, :3], start[:3, :3]) and not np.allclose(moved, start)
    press(0, 0, (100, 100), (120, 100), (130, 110))
    assert not np.allclose(viewer.eye()[1].matrix[:3, :3], moved[:3, :3])
    assert len(clicks) == 1 and drags
