"""The browser that other tests look through says what goes wrong, and only that."""

import numpy as np
from chromium import page

PAGE = """<!doctype html><meta charset="utf-8"><title>a</title><body style="margin:0;background:#204080">
<canvas id="c" width="64" height="64"></canvas><script>{script}</script></body>"""


def test_a_quiet_page_is_seen_and_prints(tmp_path):
    path = tmp_path / "a page with 'quotes'.html"
    path.write_text(PAGE.format(script="let pressed = ''; onkeydown = e => { pressed += e.key }"))
    with page(path, 200, 100) as opened:
        assert opened.errors == []
        assert opened.requests == [path.as_uri()]
        assert opened.evaluate("Promise.resolve(6 * 7)") == 42
        opened.key("m")
        assert opened.evaluate("pressed") == "m"
        picture = opened.screenshot()
        assert picture.shape == (100, 200, 3)
        assert np.array_equal(picture[90, 190], (0x20, 0x40, 0x80))
        assert opened.pdf().startswith(b"%PDF")


def test_what_goes_wrong_in_a_page_is_heard(tmp_path):
    path = tmp_path / "page.html"
    script = "console.error('said'); new Image().src = 'missing.png'; setTimeout(() => { throw Error('thrown') })"
    path.write_text(PAGE.format(script=script))
    with page(path) as opened:
        opened.wait_for("true")
        heard = " ".join(opened.errors)
    assert "said" in heard and "thrown" in heard and "ERR_FILE_NOT_FOUND" in heard
    assert opened.requests[1].endswith("missing.png")


def test_webgl_draws_without_a_gpu(tmp_path):
    path = tmp_path / "page.html"
    script = (
        "const gl = c.getContext('webgl2', {preserveDrawingBuffer: true}); gl.clearColor(1, 0, 0, 1); gl.clear(16384)"
    )
    path.write_text(PAGE.format(script=script))
    with page(path) as opened:
        assert opened.screenshot()[10, 10].tolist() == [255, 0, 0]
        assert opened.errors == []
