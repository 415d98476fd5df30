import json

import huggingface_hub
import pytest
from commands import command

from recon3d.depth.models import MODELS, licence_notice


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def test_every_row_is_one_line_with_what_it_predicts_and_its_licence():
    lines = command("models").stdout.splitlines()
    for spec in MODELS.values():
        (line,) = (line for line in lines if line.split()[0] == spec.name)
        assert spec.kind in line and spec.licence in line and spec.note in line
        assert (f"{spec.licence} *" in line) != spec.commercial


def test_the_table_as_json_is_the_table():
    rows = json.loads(command("models", "--json").stdout)
    assert [row["name"] for row in rows] == list(MODELS)
    assert {row["name"] for row in rows if row["is_cached"]} == {"demo"}
    for row in rows:
        assert row["commercial"] == MODELS[row["name"]].commercial


@pytest.mark.parametrize("name", MODELS)
def test_a_licence_is_told_before_anything_is_fetched(name):
    """The hub is off line here, so that every download ends in an error."""
    spec = MODELS[name]
    done = command("models", "fetch", name)
    assert done.returncode == (1 if spec.repository else 0)
    first = done.stderr.splitlines()[0]
    assert name in first and spec.licence in first
    assert ("not allow commercial use" in first) != spec.commercial


def test_only_licences_that_forbid_something_are_noticed():
    assert licence_notice(MODELS["zoedepth-nk"]) is None
    for name in ("depth-pro", "depth-anything-v2-large"):
        notice = licence_notice(MODELS[name])
        assert name in notice and MODELS[name].licence in notice and MODELS[name].repository in notice
        assert "\n" not in notice
