import json
import shutil
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recon3d.depth.device import pick_device
from recon3d.depth.folder import weights_digest
from recon3d.depth.hub import is_cached
from recon3d.depth.models import MODELS, fetch_model, load_model, model_version
from recon3d.errors import InputError
from recon3d.geometry import Camera

pytestmark = pytest.mark.usefixtures("one_thread")
COMMIT = MODELS["zoedepth-nk"].revision


@pytest.fixture
def folder(tiny_folders, tmp_path):
    """A two-head folder that a test may spoil."""
    return shutil.copytree(tiny_folders[2], tmp_path / "mine")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty hub cache, on a machine where any network call fails the test."""

    def refuse(*args):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tmp_path / "hub"


def put_in_cache(cache, source):
    repository = cache / "models--Intel--zoedepth-nyu-kitti"
    (repository / "refs").mkdir(parents=True)
    return shutil.copytree(source, repository / "snapshots" / COMMIT)


def load(name):
    return load_model(str(name), device="cpu", flip=True)


def edit_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_every_row_says_what_it_is():
    for name, spec in MODELS.items():
        assert spec.name == name
        assert (spec.range_m is None) == (spec.kind == "disparity")
        assert spec.range_m is None or 0 < spec.range_m[0] < spec.range_m[1]
        assert spec.licence and spec.note
        assert spec.memory_bytes > 0 and spec.sigma_factor > 0
        assert bool(spec.repository) == bool(spec.download_bytes)


def test_unknown_name_lists_the_choices(cache):
    with pytest.raises(InputError, match=r"'zoedpeth'.*neither a folder nor one of .*zoedepth-nk.*demo"):
        load("zoedpeth")


def test_a_model_that_is_not_fetched_says_its_size_how_to_fetch_it_and_how_to_do_without(cache):
    assert not is_cached(MODELS["zoedepth-nk"])
    with pytest.raises(InputError) as error:
        load("zoedepth-nk")
    message = str(error.value)
    for part in (
        "zoedepth-nk",
        "Intel/zoedepth-nyu-kitti",
        "1.38 GB",
        "recon3d models fetch zoedepth-nk",
        "--model FOLDER",
    ):
        assert part in message
    assert "\n" not in message


def test_a_fetched_model_loads_without_network_and_its_version_is_the_commit(cache, tiny_folders):
    put_in_cache(cache, tiny_folders[2])
    assert is_cached(MODELS["zoedepth-nk"])
    assert not is_cached(MODELS["zoedepth-n"])
    model = load("zoedepth-nk")
    assert (model.name, model.version) == ("zoedepth-nk", COMMIT)
    assert model_version("zoedepth-nk") == COMMIT


def test_half_a_download_is_not_cached(cache, tiny_folders):
    (put_in_cache(cache, tiny_folders[2]) / "model.safetensors").unlink()
    assert not is_cached(MODELS["zoedepth-nk"])
    with pytest.raises(InputError, match="models fetch"):
        load("zoedepth-nk")


def test_version_of_a_folder_is_its_content(folder, tiny_folders):
    model = load(folder)
    assert (model.name, model.version) == ("mine", weights_digest(tiny_folders[2]))
    assert model_version(str(folder)) == model.version
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert weights_digest(folder) != model.version
    edit_json(folder / "preprocessor_config.json", size={"height": 64, "width": 64})
    assert model_version(str(folder)) not in (weights_digest(tiny_folders[2]), model.version)


def test_shards_load_as_one_file_does(folder, tiny_folders):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: weights[name] for name in part}, folder / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    load(folder)
    (folder / "b.safetensors").unlink()
    with pytest.raises(InputError, match=r"b\.safetensors: this shard of the weights is missing"):
        load(folder)


def only_a_pickle(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def nothing(folder):
    (folder / "model.safetensors").unlink()


def no_config(folder):
    (folder / "config.json").unlink()


def torn_config(folder):
    (folder / "config.json").write_text('{"model_type": "zoed')


def deep_config(folder):
    (folder / "config.json").write_text('{"a":' + "[" * 100_000)


def list_config(folder):
    (folder / "config.json").write_text("[1]")


def other_architecture(folder):
    edit_json(folder / "config.json", model_type="maskformer")


def remote_backbone(folder):
    edit_json(folder / "config.json", backbone="somebody/backbone", backbone_config=None)


def other_backbone(folder):
    edit_json(folder / "config.json", backbone_config={"model_type": "swinv2"})


def senseless_config(folder):
    edit_json(folder / "config.json", neck_hidden_sizes="many")


def truncated(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def html(folder):
    (folder / "model.safetensors").write_text("<html>404</html>")


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def weight_missing(folder):
    change_weights(folder, lambda weights: weights.pop("metric_head.conv2.bias"))


def unused_weights_missing(folder):
    def change(weights):
        for key in [key for key in weights if "fusion_stage.layers.0.residual_layer1" in key]:
            del weights[key]

    change_weights(folder, change)


def weight_too_many(folder):
    change_weights(folder, lambda weights: weights.update(extra=torch.zeros(3)))


def fewer_layers(folder):
    config = json.loads((folder / "config.json").read_text())
    edit_json(folder / "config.json", bin_configurations=config["bin_configurations"][:1])


def other_shape(folder):
    change_weights(folder, lambda weights: weights.update({"relative_head.conv3.bias": torch.zeros(7)}))


def default_multiple(folder):
    edit_json(folder / "preprocessor_config.json", ensure_multiple_of=1 / 32)


def no_padding(folder):
    edit_json(folder / "preprocessor_config.json", do_pad=False)


def size_as_text(folder):
    edit_json(folder / "preprocessor_config.json", size={"height": "64", "width": 96})


def zero_std(folder):
    edit_json(folder / "preprocessor_config.json", image_std=[0, 0.5, 0.5])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (only_a_pickle, r"pytorch_model\.bin: got weights as a pickle.*save_pretrained"),
        (nothing, r"model\.safetensors: missing"),
        (no_config, r"config\.json: missing"),
        (torn_config, r"config\.json: not a JSON file"),
        (deep_config, r"config\.json: not a JSON file"),
        (list_config, r"config\.json: got a JSON list"),
        (other_architecture, r"config\.json: got model_type 'maskformer', wanted one of zoedepth, depth_anything"),
        (remote_backbone, r"config\.json: got backbone = 'somebody/backbone'"),
        (other_backbone, r"config\.json: got a backbone_config of model_type 'swinv2'"),
        (senseless_config, r"mine: transformers can't build ZoeDepthForDepthEstimation from config\.json"),
        (truncated, r"model\.safetensors: not a whole safetensors file"),
        (html, r"model\.safetensors: not a whole safetensors file"),
        (weight_missing, r"mine: 1 missing weights of ZoeDepthForDepthEstimation, such as metric_head\.conv2\.bias"),
        (fewer_layers, r"mine: \d+ missing weights"),
        (other_shape, r"mine: 1 mismatched weights of ZoeDepthForDepthEstimation, such as relative_head\.conv3\.bias"),
        (default_multiple, r"preprocessor_config\.json: got ensure_multiple_of = 0\.03125, wanted 32"),
        (no_padding, r"preprocessor_config\.json: got do_pad = False"),
        (size_as_text, r"preprocessor_config\.json: got size\.height = '64'"),
        (zero_std, r"preprocessor_config\.json: got image_std"),
    ],
)
def test_a_spoilt_folder_is_refused_by_the_name_of_its_file(cache, folder, spoil, message):
    spoil(folder)
    with pytest.raises(InputError, match=message) as error:
        load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", [unused_weights_missing, weight_too_many])
def test_weights_that_decide_nothing_may_be_missing_or_left_over(cache, folder, change):
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    camera = Camera.from_fov(64, 48, 1.0)
    whole = load(folder)(image, camera).values
    before = (folder / "model.safetensors").read_bytes()
    change(folder)
    assert (folder / "model.safetensors").read_bytes() != before
    # to rounding: the weights lie elsewhere in the file, and how kernels add up may depend on where in memory
    np.testing.assert_allclose(load(folder)(image, camera).values, whole, rtol=1e-5)


@pytest.mark.parametrize("wanted", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_asked_for_and_absent_is_an_error(monkeypatch, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=f"device {wanted}: "):
        pick_device(wanted)
    assert pick_device("auto") == pick_device("cpu") == "cpu"


def test_devices_are_taken_by_rank_and_number(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == "cuda"
    assert pick_device("cuda:1") == "cuda:1"
    with pytest.raises(InputError, match="has 2 CUDA GPUs"):
        pick_device("cuda:2")


@pytest.mark.parametrize("wanted", ["gpu", "", "cuda:", "CUDA", "cpu:0;"])
def test_unknown_devices_list_the_choices(wanted):
    with pytest.raises(InputError, match="wanted one of auto, cuda"):
        pick_device(wanted)


def test_fetching_while_offline_says_so_in_one_line(cache, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"zoedepth-nk: could not fetch .*1\.38 GB.*HF_HUB_OFFLINE") as error:
        fetch_model("zoedepth-nk")
    assert "\n" not in str(error.value)


class NotFound(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, format, *args):
        pass


def test_a_hub_that_has_no_such_model_says_so_in_one_line(tmp_path, monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), NotFound)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(InputError, match=r"could not fetch Intel/zoedepth-nyu .*404") as error:
            fetch_model("zoedepth-n")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert "\n" not in str(error.value)


def test_only_known_names_can_be_fetched():
    with pytest.raises(InputError, match="wanted one of zoedepth-nk"):
        fetch_model("somebody/model")
