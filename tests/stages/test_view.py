"""Command `view`: pages, films and pictures of a scene, and what goes wrong."""

import shutil

import pytest
from chromium import page
from commands import command
from synthetic import room_frames, write_capture

from recon3d.show import turntable
from recon3d.show.web_page import THREE

needs_three = pytest.mark.skipif(not THREE.is_dir(), reason="three.js: not here; make three gets it with npm")

PLAIN, HOSTILE = "frame-000001.color", "<script>alert(1)<"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished scene, its path and one of its photos with names that bite."""
    folder = tmp_path_factory.mktemp("view")
    capture = write_capture(folder / "capture", room_frames(3, 80, 60))
    scene = folder / "a scene of 'mine' & \"yours\" <b>"
    done = command("run", capture, "-o", scene, "--model", "recorded")
    assert done.returncode == 0, done.stderr
    for table in (scene / "cameras.json", scene / "poses.json"):
        table.write_text(table.read_text().replace(PLAIN, HOSTILE))
    (picture,) = (scene / "images").glob(f"{PLAIN}.*")
    picture.rename(picture.with_stem(HOSTILE))
    return scene


@pytest.fixture
def scene(made, tmp_path):
    return shutil.copytree(made, tmp_path / made.name)


def refused(done, *words):
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("recon3d: ") and len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr, done.stderr


@needs_three
def test_the_page_of_a_scene_opens_and_its_names_stay_names(scene):
    done = command("view", scene, "--web")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"page: {scene / 'view.html'}\n"
    with page(scene / "view.html", 800, 500) as seen:
        seen.wait_for("window.recon3d?.ready")
        names = seen.evaluate("[...document.querySelectorAll('#strip span')].map(name => name.textContent)")
        assert len(names) == 3 and names[1] == HOSTILE
        assert seen.evaluate("document.getElementById('name').textContent") == scene.name
        assert seen.errors == [] and len(seen.requests) == 1
    assert command("view", scene, "--web").returncode == 0  # the scene's own page is made again


@needs_three
def test_photos_that_were_deleted_are_named_and_the_rest_is_shown(scene):
    shutil.rmtree(scene / "images")
    done = command("view", scene, "--web")
    assert done.returncode == 0
    assert "without their picture" in done.stderr and "frame-000000" in done.stderr
    page_text = (scene / "view.html").read_text(encoding="utf-8")
    assert page_text.count('"picture": null') == 3


def test_a_film_is_written_whole(scene, tmp_path, monkeypatch):
    monkeypatch.setattr("recon3d.stages.view.FRAMES", 3)
    monkeypatch.setattr(turntable, "SIZE_PX", (96, 72))
    monkeypatch.setattr("recon3d.stages.view.film", lambda mesh, up: turntable.film(mesh, up, count=3))
    done = command("view", scene, "--turntable", tmp_path / "turn.mp4")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"film: {tmp_path / 'turn.mp4'}\n"
    assert (tmp_path / "turn.mp4").stat().st_size > 1000


def test_files_that_are_there_are_kept_unless_forced(scene, tmp_path):
    for option, name in (("--screenshot", "a.png"), ("--turntable", "a.mp4"), ("-o", "a.html")):
        (tmp_path / name).write_text("mine")
        web = ["--web"] if option == "-o" else []
        refused(command("view", scene, *web, option, tmp_path / name), "--force")
        assert (tmp_path / name).read_text() == "mine"
    assert command("view", scene, "--screenshot", tmp_path / "a.png", "--force").returncode == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("option", ["--screenshot", "--turntable", "-o"])
@pytest.mark.parametrize("name", ["folder.d", "no-ending", "a" * 70_000, "b" * 240])
def test_names_that_can_t_be_are_refused(scene, tmp_path, option, name):
    ending = {"--screenshot": ".png", "--turntable": ".mp4", "-o": ".html"}[option] if len(name) > 200 else ""
    web = ["--web"] if option == "-o" else []
    refused(command("view", scene, *web, option, tmp_path / (name + ending)), "wanted")


def test_options_that_contradict_each_other_are_refused(scene, tmp_path):
    refused(command("view", scene, "--web", "--screenshot", tmp_path / "a.png"), "wanted one of them")
    refused(command("view", scene, "-o", tmp_path / "a.html"), "--web")


def test_a_mesh_without_triangles_is_an_error(scene, tmp_path):
    header = "ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nproperty float y\nproperty float z\n"
    (scene / "mesh.ply").write_text(f"{header}element face 0\nproperty list uchar int vertex_indices\nend_header\n")
    for arguments in (["--web"], ["--screenshot", tmp_path / "a.png"], ["--turntable", tmp_path / "a.mp4"]):
        refused(command("view", scene, *arguments), "mesh.ply", "triangles")
    assert not (scene / "view.html").exists()


def test_without_a_mesh_the_cloud_is_shown_and_without_both_it_is_said_what_to_do(scene):
    (scene / "mesh.ply").unlink()
    if THREE.is_dir():
        assert command("view", scene, "--web").returncode == 0
    (scene / "cloud.ply").unlink()
    refused(command("view", scene, "--web"), "recon3d mesh")
