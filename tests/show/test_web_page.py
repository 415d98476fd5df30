"""The page in a browser, opened from the disk: what it shows, what it measures, and that it asks for nothing."""

import json
from contextlib import contextmanager

import numpy as np
import pytest
from chromium import page
from exhibits import room_exhibit, wall_exhibit
from PIL import Image

from recon3d.errors import StageError
from recon3d.show import web_page as module
from recon3d.show.pick import fitted
from recon3d.show.ruler import Measured
from recon3d.show.screenshot import BACKGROUND, render
from recon3d.show.web_page import THREE, web_page

needs_three = pytest.mark.skipif(not THREE.is_dir(), reason="three.js: not here; make three gets it with npm")
SIZE = (900, 640)


@contextmanager
def opened(tmp_path, exhibit):
    """The page of an exhibit, ready; it must neither complain nor ask for anything."""
    path = tmp_path / "a 'page' of \"mine\".html"
    path.write_text(web_page(exhibit), encoding="utf-8")
    with page(path, *SIZE) as seen:
        seen.wait_for("window.recon3d?.ready || document.getElementById('message').textContent !== 'Loading…'")
        assert seen.evaluate("window.recon3d?.ready"), seen.evaluate("document.getElementById('message').textContent")
        yield seen
        assert seen.errors == []
        assert seen.requests == [path.as_uri()]


def stage(seen):
    """(left, top, width, height) of the drawing in the window [px]."""
    box = "const {left, top, width, height} = document.getElementById('canvas').getBoundingClientRect()"
    return seen.evaluate(f"(() => {{ {box}; return [left, top, width, height].map(Math.round) }})()")


def picture(seen):
    """What is drawn, when all that was asked for is drawn."""
    seen.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    left, top, width, height = stage(seen)
    return seen.screenshot()[top : top + height, left : left + width]


def drawn(image):
    return (image != BACKGROUND).any(axis=-1)


def click_at(seen, points, origin):
    left, top, _, _ = stage(seen)
    for point in points:
        x, y = seen.evaluate(f"recon3d.project({json.dumps((np.asarray(point) - origin).tolist())})")
        seen.click(left + x, top + y)


@needs_three
def test_the_page_shows_the_scene_as_ray_casting_draws_it(tmp_path):
    exhibit = room_exhibit()
    with opened(tmp_path, exhibit) as seen:
        assert 0.1 < drawn(picture(seen)).mean() < 0.95
        seen.key("n")
        shown = picture(seen)
        _, _, width, height = stage(seen)
        photo = exhibit.photos[0]
        expected, depth = render(exhibit.mesh, fitted(photo.camera, width, height), photo.world_from_cam)
        Image.fromarray(np.concatenate([shown, expected])).save(tmp_path / "page-and-rendering.png")
        both = (depth > 0) & drawn(shown)
        assert both.mean() > 0.4
        assert ((depth > 0) == drawn(shown)).mean() > 0.97  # rays slip between triangles
        assert np.abs(shown.astype(int) - expected)[both].mean() < 4


@needs_three
def test_two_clicks_on_the_page_measure(tmp_path):
    exhibit = wall_exhibit()
    origin = exhibit.bounds().mean(axis=0)
    ends = np.array([[0.6, 0, 0.4], [2.4, 0, 1.6]])
    with opened(tmp_path, exhibit) as seen:
        seen.key("n")
        seen.key("r")
        click_at(seen, ends, origin)
        length, sigma = (float(part.split()[0]) for part in seen.evaluate("recon3d.ruler.text").split("±"))
        assert length == pytest.approx(np.linalg.norm(ends[1] - ends[0]), abs=0.01)  # a click is a whole pixel
        assert sigma == pytest.approx(0.02 * length, abs=0.001)
        seen.wait_for("document.getElementById('length').textContent === recon3d.ruler.text")
        seen.key("Escape")
        seen.wait_for("document.getElementById('length').hidden")


@needs_three
def test_the_page_and_the_window_write_lengths_alike(tmp_path):
    cases = [(2.0, 0.0), (1.2345, 0.0234), (0.05, 0.5), (17.0, 1.0)]
    with opened(tmp_path, wall_exhibit()) as seen:
        for length, sigma in cases:
            expected = Measured(np.zeros(3), np.array([length, 0, 0]), sigma).text
            text = seen.evaluate(f"import('recon3d/ruler').then(ruler => ruler.lengthText({length}, {sigma}))")
            assert text == expected


@pytest.mark.slow
@needs_three
def test_keys_and_boxes_change_what_is_shown(tmp_path):
    with opened(tmp_path, room_exhibit()) as seen:
        first = picture(seen)
        seen.key("f")
        bare = picture(seen)
        assert 0 < (first != bare).any(axis=-1).mean() < 0.5
        seen.key("d")
        assert (picture(seen) != bare).any(axis=-1).mean() > 0.1
        assert seen.evaluate("document.getElementById('near').textContent").endswith(" m")
        seen.key("d")
        for _ in range(8):
            seen.key("[", "BracketLeft")
        assert 0 < drawn(picture(seen)).sum() < drawn(bare).sum()
        seen.evaluate("document.getElementById('mesh').click()")
        assert not drawn(picture(seen)).any()
        seen.key("c")
        assert drawn(picture(seen)).any()


@pytest.mark.slow
@needs_three
def test_dragging_turns_and_clicking_a_camera_looks_from_there(tmp_path):
    exhibit = wall_exhibit()
    origin = exhibit.bounds().mean(axis=0)
    eye = "recon3d.camera.position.toArray()"
    with opened(tmp_path, exhibit) as seen:
        start = seen.evaluate(eye)
        middle = exhibit.photos[0].frustum(exhibit.frustum_length())[1:].mean(axis=0)
        click_at(seen, [middle], origin)
        assert seen.evaluate(eye) == pytest.approx(exhibit.photos[0].world_from_cam.t - origin, abs=1e-6)
        seen.key("t")
        seen.key("h")
        assert seen.evaluate(eye) == pytest.approx(start)
        left, top, width, height = stage(seen)
        seen.drag((left + width / 2, top + height / 2), (left + width / 2 + 120, top + height / 2))
        turned = seen.evaluate(eye)
        assert np.linalg.norm(np.subtract(turned, start)) > 0.1


HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>&amp;\"{{FACTS}}"


@needs_three
def test_names_are_text_and_never_markup(tmp_path):
    exhibit = wall_exhibit()
    photo = exhibit.photos[0]
    photos = [type(photo)(HOSTILE, photo.camera, photo.world_from_cam, None)]
    hostile = type(exhibit)(HOSTILE, exhibit.mesh, None, photos, 0.02, HOSTILE, exhibit.up)
    with opened(tmp_path, hostile) as seen:
        assert seen.evaluate("window.hacked") is None
        assert seen.evaluate("document.getElementById('name').textContent") == HOSTILE
        assert seen.evaluate("document.querySelector('#strip span').textContent") == HOSTILE
        assert seen.evaluate("document.title") == f"{HOSTILE} – recon3d"
        assert seen.evaluate("document.images.length") == 0


@needs_three
def test_a_name_that_is_no_utf_8_can_be_written():
    exhibit = wall_exhibit()
    photo = exhibit.photos[0]
    odd = wall_exhibit(photos=[type(photo)("IMG\udcff", photo.camera, photo.world_from_cam, None)])
    assert "IMG\\udcff" in web_page(odd).encode("utf-8").decode("utf-8")


@needs_three
def test_what_is_not_there_is_left_out(tmp_path):
    exhibit = room_exhibit(mesh=None, scale_sigma=1.0, scale_source="none")
    with opened(tmp_path, exhibit) as seen:
        assert drawn(picture(seen)).any()
        assert seen.evaluate("document.getElementById('mesh').disabled")
        assert "size unknown" in seen.evaluate("document.getElementById('facts-line').textContent")


@pytest.mark.slow
@needs_three
def test_of_large_scenes_less_is_shown_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 500)
    monkeypatch.setattr(module, "MAX_TRIANGLES", 300)
    exhibit = room_exhibit(mesh=wall_exhibit().mesh)
    with opened(tmp_path, exhibit) as seen:
        said = seen.evaluate("document.getElementById('facts-line').textContent").replace("\u202f", "")
        assert int(said.split(" of 800 triangles")[0]) <= 300
        assert f"500 of {len(exhibit.cloud.points)} points" in said


@needs_three
def test_the_licence_of_three_is_in_the_page(tmp_path):
    with opened(tmp_path, wall_exhibit()) as seen:
        assert "The MIT License" in seen.evaluate("document.getElementById('licence').textContent")


def test_without_three_the_page_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "THREE", tmp_path / "nothing")
    with pytest.raises(StageError, match=r"three\.js is not there.*make three"):
        web_page(wall_exhibit())
