"""There is no server: nothing listens, and what is looked at is one page that reaches for nothing."""

import ast
import re
import socket
from html.parser import HTMLParser
from pathlib import Path

import pytest
import tiny
from commands import command
from faulty import encoded, picture, said

import recon3d

GROUP = "20. Server"
SERVERS = {"http.server", "socketserver", "asyncio", "flask", "uvicorn", "aiohttp", "wsgiref", "tornado", "websockets"}
LISTENING = {"bind", "listen", "serve_forever", "start_server", "create_server"}


def sources():
    for path in Path(recon3d.__file__).parent.rglob("*.py"):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


class Page(HTMLParser):
    """Everything that a page would fetch, and every way in which it could send."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.forms = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data", "poster", "action")]
        self.forms += [tag] if tag in ("form", "input", "iframe", "object", "embed", "base") else []


@pytest.fixture(scope="module")
def page(tiny_scene):
    return (tiny_scene / "report.html").read_text(encoding="utf-8")


def nothing_listens(page, tiny_scene, tmp_path, monkeypatch):
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & SERVERS, f"{path}: imports {names & SERVERS}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in LISTENING, f"{path}: calls {node.func.attr}"


def no_path_upwards(page, tiny_scene, tmp_path, monkeypatch):
    inside = ("#", "data:")
    assert all(value.startswith(inside) for value in Page(page).fetched if value)


def no_escaped_path(page, tiny_scene, tmp_path, monkeypatch):
    """A photo whose name is a path in disguise is a name in the scene, on disk and in the page."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "%2e%2e%2fsecret.png").write_bytes(encoded(picture(), format="PNG"))
    said(command("run", photos, "-o", tmp_path / "s", "--model", "demo"), 0)
    assert {path.name for path in (tmp_path / "s" / "photos").iterdir()} == {"%2e%2e%2fsecret.png"}
    text = (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    assert all(value.startswith(("#", "data:")) for value in Page(text).fetched if value)


def no_absolute_path(page, tiny_scene, tmp_path, monkeypatch):
    assert "file://" not in page and str(tiny_scene.parent) not in page


def no_link_out(page, tiny_scene, tmp_path, monkeypatch):
    (tmp_path / "mine.png").write_bytes(encoded(picture(), format="PNG"))
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").symlink_to(tmp_path / "mine.png")
    said(command("init", photos, "-o", tmp_path / "s"), 0)
    assert not any(path.is_symlink() for path in (tmp_path / "s").rglob("*"))


def nothing_to_rebind(page, tiny_scene, tmp_path, monkeypatch):
    """A whole run, in which no connection is made or waited for."""

    def touched(*args):
        raise AssertionError("the network was touched")

    for name in ("bind", "listen", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, touched)
    (tmp_path / "a.png").write_bytes(encoded(picture(), format="PNG"))
    said(command("run", tmp_path / "a.png", "-o", tmp_path / "s", "--model", "demo"), 0)


def bounded(page, tiny_scene, tmp_path, monkeypatch):
    assert len(page) < 2_000_000 + 100_000 * tiny.COUNT


def nothing_is_sent(page, tiny_scene, tmp_path, monkeypatch):
    assert not Page(page).forms
    assert not re.search(r"XMLHttpRequest|\bfetch\(|WebSocket|EventSource|sendBeacon|https?://(?!www\.w3\.org/)", page)


CASES = {
    "bind address": nothing_listens,
    "/../": no_path_upwards,
    "%2e%2e": no_escaped_path,
    "absolute path": no_absolute_path,
    "a link that leads out": no_link_out,
    "host rebinding": nothing_to_rebind,
    "a flood of ranges": bounded,
    "a huge upload": nothing_is_sent,
}


def test_the_group_is_whole():
    assert len(CASES) == 8


@pytest.mark.parametrize("case", CASES)
def test_there_is_nothing_to_attack(case, page, tiny_scene, tmp_path, monkeypatch):
    CASES[case](page, tiny_scene, tmp_path, monkeypatch)
