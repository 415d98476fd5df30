"""Weights that can't be trusted or don't fit: refused by the file's name, with the way out; nothing of them is run."""

import json
import shutil
import socket

import huggingface_hub
import pytest
from commands import command
from depth.tiny_zoedepth import tiny_network, write_preprocessor
from faulty import encoded, picture, refused

from recon3d.depth.models import MODELS

GROUP = "19. Model files"
pytestmark = pytest.mark.slow  # transformers alone takes seconds to import


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    tiny_network(1).save_pretrained(folder)
    write_preprocessor(folder, 64, 96)
    return folder


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def pickle_only(folder, cache):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return folder, ("pytorch_model.bin", "as a pickle, which can run code", "save_pretrained")


def remote_code(folder, cache):
    (folder / "modeling.py").write_text("import os\nos.mkdir('owned')\n")
    edit(folder, model_type="their-own", auto_map={"AutoModelForDepthEstimation": "modeling.Theirs"})
    return folder, ("config.json", "got model_type 'their-own'", "wanted one of zoedepth")


def wrong_revision(folder, cache):
    repository = cache / "models--Intel--zoedepth-nyu-kitti"
    (repository / "refs").mkdir(parents=True)
    other = "0" * 40
    assert other != MODELS["zoedepth-nk"].revision
    shutil.copytree(folder, repository / "snapshots" / other)
    (repository / "refs" / "main").write_text(other)
    return "zoedepth-nk", ("zoedepth-nk", "recon3d models fetch zoedepth-nk")


def missing_offline(folder, cache):
    return "midas-dpt-large", ("midas-dpt-large", "are not on this machine", "--model FOLDER")


def truncated(folder, cache):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    return folder, ("model.safetensors", "not a whole safetensors file", "copy or fetch it again")


def other_architecture(folder, cache):
    edit(folder, model_type="maskformer")
    return folder, ("config.json", "got model_type 'maskformer'", "wanted one of zoedepth")


CASES = {
    "only a pickle": pickle_only,
    "code of its own": remote_code,
    "another revision in the cache": wrong_revision,
    "not fetched, and no network": missing_offline,
    "truncated safetensors": truncated,
    "another architecture": other_architecture,
}


def test_the_group_is_whole():
    assert len(CASES) == 6


@pytest.mark.parametrize("case", CASES)
def test_weights_that_can_not_be_used_are_refused_with_the_way_out(case, weights, tmp_path, monkeypatch):
    def touched(*args):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket.socket, "connect", touched)
    monkeypatch.chdir(tmp_path)
    model, words = CASES[case](shutil.copytree(weights, tmp_path / "mine"), tmp_path / "hub")
    (tmp_path / "a.png").write_bytes(encoded(picture(), format="PNG"))
    refused(command("run", tmp_path / "a.png", "-o", tmp_path / "s", "--model", model), *words)
    assert not (tmp_path / "owned").exists()
