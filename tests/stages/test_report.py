"""The report of made-up scenes: what stands in it, what it leaves out, and how it behaves in a browser."""

import json
import re
import shutil

import numpy as np
import pytest
from chromium import page
from commands import command
from synthetic import room_frames, write_capture, write_photos

import recon3d
from recon3d.files import digest
from recon3d.scene import Scene
from recon3d.settings import Settings

CHECKS = """(() => {
  const bad = [], rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = node => { for (; node; node = node.parentElement) {
    const c = rgb(getComputedStyle(node).backgroundColor); if (c.length === 3 || c[3] === 1) return c; }
    return [255, 255, 255]; };
  for (const image of document.images) {
    if (!(image.alt || '').trim()) bad.push('no alt: ' + image.outerHTML.slice(0, 80));
    if (!image.complete || !image.naturalWidth) bad.push('not decoded: ' + image.alt);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    if (!node.data.trim()) continue;
    const a = light(rgb(getComputedStyle(node.parentElement).color)), b = light(ground(node.parentElement));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.push(`contrast ${ratio.toFixed(2)}: ${node.data.trim().slice(0, 40)}`);
  }
  const levels = [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1]);
  levels.forEach((level, i) => { if (level > (levels[i - 1] || 0) + 1) bad.push('heading skipped to ' + level); });
  if (!document.documentElement.lang || !document.title) bad.push('no language or title');
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size < ids.length) bad.push('an id twice');
  for (const th of document.querySelectorAll('th')) if (!th.scope) bad.push('header without scope');
  return bad;
})()"""
"""What is wrong with a page, by WCAG 2.1: text alternatives (1.1.1), structure (1.3.1), contrast (1.4.3), title."""


@pytest.fixture(scope="module")
def frames():
    return room_frames(6, 320, 240)


@pytest.fixture(scope="module")
def capture(frames, tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("reported") / "capture", frames)


@pytest.fixture(scope="module")
def scene(frames, capture, tmp_path_factory):
    """Of a network whose depth is right but for a scale of each photo."""
    scales = dict(zip([frame.image.tobytes() for frame in frames], [1.0, 1.2, 0.9, 1.1, 0.95, 1.05], strict=True))
    by_image = {frame.image.tobytes(): frame.depth * scales[frame.image.tobytes()] for frame in frames}
    model = recon3d.FunctionModel(lambda image, camera: by_image[image.tobytes()], name="off", version="1")
    settings = Settings().with_assignments(["scale.min_ties=15", "refine.photometric=off"])
    return recon3d.run(
        capture, tmp_path_factory.mktemp("reported") / 'a scene\'s "report"', model=model, settings=settings
    )


@pytest.fixture
def copy(scene, tmp_path):
    return Scene.open(shutil.copytree(scene.root, tmp_path / "scene"))


def metrics(scene):
    return json.loads(scene.file("metrics.json").read_text())


def text(scene):
    return scene.file("report.html").read_text()


def test_a_run_says_that_the_scale_of_each_photo_helped(scene):
    found = metrics(scene)
    steps = found["steps"]
    assert list(steps) == ["predicted", "scaled", "refined"]
    assert steps["predicted"]["view_spread_relative"] > 0.05 > steps["scaled"]["view_spread_relative"]
    assert steps["scaled"]["tie_error_relative"] < 0.03 < steps["predicted"]["tie_error_relative"]
    assert steps["scaled"]["ties_held_out"] and not steps["refined"]["ties_held_out"]
    assert steps["scaled"]["confirmed_share"] > 1.5 * steps["predicted"]["confirmed_share"]
    assert steps["scaled"]["double_wall_index"] < 0.05 < steps["predicted"]["double_wall_index"]
    said = {row["figure"]: row["verdict"] for row in found["compared"] if row["after_step"] == "scaled"}
    assert set(said.values()) == {"helped"} and len(said) == 5
    assert found["scale"]["source"] == "given poses"
    assert set(found["photos"]) == set(scene.names())
    assert found["settings_changed"]["scale.min_ties"] == 15
    assert found["missing"] == []


def test_the_page_holds_the_same_numbers(scene):
    shown = text(scene).replace("\u00a0", " ")
    for step in metrics(scene)["steps"].values():
        assert f"{100 * step['confirmed_share']:.1f} %" in shown
        assert step["title"] in shown


def test_the_page_is_whole_in_a_browser_and_prints(scene):
    with page(scene.file("report.html")) as opened:
        assert opened.errors == []
        assert opened.requests == [scene.file("report.html").as_uri()]
        assert opened.evaluate("document.images.length") >= 5 * 6 + 3
        assert opened.evaluate(CHECKS) == []
        assert opened.evaluate("document.scripts.length") == 0
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert opened.pdf().startswith(b"%PDF")


def test_equal_work_gives_equal_bytes(scene, copy):
    copy.file("report.html").unlink()
    assert command("report", copy.root, "--force").returncode == 0
    for name in ("report.html", "metrics.json"):
        assert digest(copy.file(name)) == digest(scene.file(name))
    assert "up to date" in command("report", copy.root).stdout


def test_a_half_finished_scene_says_what_is_missing(copy):
    copy.forget("fuse")
    done = command("report", copy.root)
    assert done.returncode == 0, done.stderr
    assert "unfinished: fuse, mesh" in done.stdout
    assert "What is missing" in text(copy) and "recon3d fuse SCENE" in text(copy)
    assert metrics(copy)["steps"]["refined"]
    copy.forget("poses")
    assert command("report", copy.root).returncode == 0
    assert metrics(copy)["missing"][0]["stage"] == "poses"
    assert metrics(copy)["steps"] == {} and "The photos" not in text(copy)


def test_what_was_made_from_something_else_is_stale(copy):
    copy.start("scale", "another key", {})
    copy.finish("scale", {}, [])
    assert (copy.state("depth"), copy.state("scale"), copy.state("refine")) == ("done", "damaged", "stale")
    done = command("report", copy.root)
    assert done.returncode == 0, done.stderr
    why = {one["stage"]: one["why"] for one in metrics(copy)["missing"]}
    assert why["scale"] == "some of its files are gone"
    assert why["refine"] == why["mesh"] == "made before the steps that it builds on changed"


def test_deleted_images_are_said_and_break_nothing(copy):
    shutil.rmtree(copy.file("images"))
    done = command("report", copy.root)
    assert done.returncode == 0, done.stderr
    assert metrics(copy)["missing"][0] == {
        "stage": "poses",
        "why": "some of its files are gone",
        "command": "recon3d poses SCENE",
    }


def test_file_names_are_text_and_not_html(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames[:2])
    names = ["<script>alert(1)<", "\"'&<img src=x onerror=alert(2)>"]
    maps = tmp_path / "maps"
    maps.mkdir()
    (tmp_path / "poses.json").write_text(
        json.dumps(
            {
                "frame": "world_from_cam",
                "unit": "m",
                "poses": {n: f.world_from_cam.matrix.tolist() for n, f in zip(names, frames, strict=False)},
            }
        )
    )
    for name, frame in zip(names, frames, strict=False):
        (photos / f"{frame.name}.png").rename(photos / f"{name}.png")
        np.save(maps / f"{name}.npy", frame.depth)
    root = tmp_path / "a \"scene\" with 'quotes' <b>"
    done = command("run", photos, "-o", root, "--depth", maps, "--poses", tmp_path / "poses.json")
    assert done.returncode == 0, done.stderr
    shown = (root / "report.html").read_text()
    assert "<script" not in shown and "<img src=x" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    with page(root / "report.html") as opened:
        assert opened.errors == [] and opened.evaluate(CHECKS) == []
        heads = opened.evaluate("[...document.querySelectorAll('.shot h3')].map(h => h.textContent)")
        assert sorted(heads) == sorted(names)


def test_one_photo_has_a_report(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames[:1])
    maps = tmp_path / "maps"
    maps.mkdir()
    np.save(maps / f"{frames[0].name}.npy", frames[0].depth)
    done = command("run", photos, "-o", tmp_path / "scene", "--depth", maps)
    assert done.returncode == 0, done.stderr
    found = metrics(Scene.open(tmp_path / "scene"))
    (one,) = found["photos"].values()
    assert one["depth_share"] > 0.8 and one["confirmed_share"] is None
    (guessed,) = (signal for signal in found["signals"] if signal["code"] == "GUESSED_FOV")
    shown = text(Scene.open(tmp_path / "scene"))
    assert guessed["meaning"] in shown and guessed["advice"].replace("'", "&#39;") in shown


def test_two_scenes_are_put_side_by_side(scene, copy, tmp_path):
    """The same scene but for the scale of its photos, which the other takes from one for all: that is worse."""
    views = json.loads(copy.file("scales.json").read_text())
    for one in views["views"].values():
        one["factor"] = 1.0
    copy.file("scales.json").write_text(json.dumps(views))
    copy.forget("refine")
    copy.start("depth", copy.manifest()["stages"]["depth"]["key"], {**copy.settings_of("depth"), "max_depth_m": 50.0})
    copy.finish("depth", scene.facts("depth"), [])
    out = tmp_path / "compare <b>.html"
    done = command("report", "--compare", scene.root, copy.root, "-o", out)
    assert done.returncode == 0, done.stderr
    assert re.search(r"A is better in [234] of 4 figures", done.stdout)
    with page(out) as opened:
        assert opened.errors == [] and opened.evaluate(CHECKS) == []
        assert opened.evaluate("document.querySelectorAll('.shot').length") == 6
        assert opened.evaluate("[...document.querySelectorAll('code')].map(c => c.textContent)")[:2] == [
            str(scene.root),
            str(copy.root),
        ]
        assert "depth.max_depth_m" in opened.evaluate("document.body.innerText")
    assert command("report", "--compare", scene.root, copy.root).returncode == 0
    assert scene.file("compare.html").exists()
    scene.file("compare.html").unlink()


def test_scenes_without_a_common_photo_are_not_compared(scene, copy, tmp_path):
    copy.forget("scale")
    done = command("report", "--compare", scene.root, copy.root, "-o", tmp_path / "compare.html")
    assert done.returncode == 1 and "have no photo in common" in done.stderr
    done = command("report", "--compare", scene.root, scene.root, "-o", tmp_path / "compare.pdf")
    assert done.returncode == 1 and "ends in .html" in done.stderr


def test_no_photos_no_report(tmp_path):
    scene = Scene.create(tmp_path / "scene")
    done = command("report", scene.root)
    assert done.returncode == 1 and "has no photos yet" in done.stderr
    assert command("report").returncode == 2
    assert command("report", scene.root, "--compare", scene.root, scene.root).returncode == 2


def test_a_full_disk_leaves_no_half_report(copy, monkeypatch):
    copy.file("report.html").write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recon3d.stages.report.write_page", full)
    done = command("report", copy.root, "--force")
    assert done.returncode == 1 and "No space left" in done.stderr and "Traceback" not in done.stderr
    assert not list(copy.root.glob(".tmp-*"))
    assert not copy.is_done("report")


def test_of_many_photos_those_that_are_named_are_shown(copy):
    assert command("report", copy.root, "--set", "report.photos=3").returncode == 0
    assert len(metrics(copy)["photos"]) == 3
    assert "3 of 6 photos are measured and shown" in text(copy)


def test_no_time_of_day_and_no_path_gets_in(scene):
    shown = re.sub(r"data:[^\"]+", "", text(scene))
    assert str(scene.root) not in shown and not re.search(r"20\d\d-\d\d-\d\d", shown)
