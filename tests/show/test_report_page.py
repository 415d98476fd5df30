import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from recon3d.show.report import charts, thumbnails
from recon3d.show.report.page import write_page
from recon3d.show.report.wording import (
    MEASURES,
    compared_steps,
    figures_table,
    length,
    measured,
    percent,
    source_of,
    titled,
    verdict,
)
from recon3d.signals import ADVICE, MEANING

HOSTILE = ["<script>", "a$b$c", "ünï\u4e2d", "x" * 90, "\udcff"]


def pixels(url):
    head, data = url.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def drawings():
    rng = np.random.default_rng(0)
    centres, forward = rng.normal(0, 1, (2, 5, 3))
    yield charts.steps_chart([charts.Bars("error", {"before": 10.0, "after": 2.0, "last": None}, "{:.1f} %")])
    yield charts.poses_chart(centres, forward, HOSTILE, rng.normal(0, 2, (500, 3)), levelled=True)
    yield charts.poses_chart(centres[:1], forward[:1], HOSTILE[:1], np.empty((0, 3)), levelled=False)
    yield charts.scales_chart(dict.fromkeys(HOSTILE, 1.1), dict.fromkeys(HOSTILE, 0.05), HOSTILE[:1])
    yield charts.histogram_chart([0, 0.01, 0.02], {"there": [0.5, 0.25, 0.25], "back": [1, 0, 0]})


def test_charts_are_whole_svg_without_a_time_and_the_same_each_time():
    first = list(drawings())
    assert first == list(drawings())
    for svg in first:
        root = ElementTree.fromstring(svg.encode())
        assert root.tag.endswith("svg")
        assert "date" not in svg.lower() and "<script" not in svg


def test_a_map_is_brighter_where_it_is_larger_and_striped_where_it_is_nothing():
    values = np.tile(np.linspace(1, 2, 200, dtype=np.float32), (100, 1))
    values[:, :40] = 0
    drawn = pixels(thumbnails.value_map(values, 1.0, 2.0, 200)).mean(axis=(0, 2))
    assert (np.diff(drawn[60:190:10]) > 0).all()
    striped = pixels(thumbnails.value_map(values, 1.0, 2.0, 200))[:, 4:36].mean(axis=2)
    assert striped.std() > 30
    kept = pixels(thumbnails.kept_map(values > 0, values > 1.5, 200)).mean(axis=(0, 2))
    assert kept[60] < 90 and kept[180] > 240


def test_thumbnails_keep_the_shape():
    tall = np.zeros((400, 100, 3), np.uint8)
    assert pixels(thumbnails.photo(tall, 200)).shape == (200, 50, 3)
    assert thumbnails.size_of(np.zeros((3, 1000)), 200) == (200, 1)


@pytest.mark.parametrize(
    ("key", "before", "after", "said"),
    [
        ("tie_error_relative", 0.10, 0.05, "helped"),
        ("tie_error_relative", 0.05, 0.10, "harmed"),
        ("tie_error_relative", 0.10, 0.097, "no difference"),
        ("tie_error_relative", 0.001, 0.0005, "no difference"),  # a twentieth of a percent
        ("confirmed_share", 0.5, 0.9, "helped"),
        ("confirmed_share", 0.9, 0.5, "harmed"),
        ("repainted_levels", None, 2.0, "not measured"),
    ],
)
def test_a_step_helped_where_a_figure_clearly_got_better(key, before, after, said):
    assert verdict(MEASURES[key], before, after) == said


def test_steps_are_compared_with_the_one_before():
    steps = {"a": {"confirmed_share": 0.1}, "b": {"confirmed_share": 0.5}, "c": {"confirmed_share": None}}
    assert [(row["before_step"], row["after_step"], row["verdict"]) for row in compared_steps(steps)] == [
        ("a", "b", "helped")
    ]
    ((key, cells),) = figures_table(steps)
    assert key == "confirmed_share" and [cell["value"] for cell in cells] == ["10.0 %", "50.0 %", "–"]


def test_numbers_have_their_units():
    assert [percent(share) for share in (0.1234, 0.001, 1.0, 0.0, None)] == ["12.3 %", "0.10 %", "100 %", "0 %", "–"]
    assert percent(4e-5) == "under 0.01 %"
    assert [length(metres) for metres in (3.456, 0.123, 0.0042, None)] == ["3.46 m", "12.3 cm", "4.2 mm", "–"]


def test_names_of_figures_become_words_and_their_numbers_lengths():
    assert (titled("roughness_m"), measured("roughness_m", 0.0042)) == ("Roughness", "4.2 mm")
    assert (titled("normals_off_deg"), measured("normals_off_deg", 1.26)) == ("Normals off", "1.3°")
    assert (titled("non_manifold_edges"), measured("non_manifold_edges", 1234)) == ("Non manifold edges", "1 234")


def test_every_signal_and_source_is_explained():
    assert MEANING.keys() == ADVICE.keys()
    assert "a factor of mine" in source_of("a factor of mine")


def test_a_page_escapes_what_it_shows_and_takes_names_that_are_no_text(tmp_path):
    values = {"names": HOSTILE[:2], "settings": [("<b>", ["\udcff", "'\""])], "rows": [], "facts": [], "shown": []}
    values |= {"only": ["", ""], "signals": [[], []], "missing": [[], []], "verdict": "<i>", "low": "1", "high": "2"}
    write_page(tmp_path / "page.html", "compare.html.j2", {**values, "ramp": thumbnails.ramp(), "shots": iter(())})
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in text and "<i>" not in text and "&lt;script&gt;" in text and "<code>&lt;b&gt;</code>" in text
