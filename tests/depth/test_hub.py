import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from made_hub import COMMIT, Hub

from recon3d.depth import download
from recon3d.depth.hub import fetch, is_cached, snapshot
from recon3d.depth.models import MODELS, load_model
from recon3d.errors import InputError

REPOSITORY = "Intel/zoedepth-nyu"
SPEC = dataclasses.replace(MODELS["zoedepth-n"], repository=REPOSITORY, revision="main")
WEIGHTS = np.random.default_rng(0).bytes(200_000)
FILES = {
    "config.json": b'{"model_type": "zoedepth"}',
    "preprocessor_config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"a pickle",
    "onnx/config.json": b"{}",
    "README.md": b"how to use",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def hub(cache, monkeypatch):
    """A hub on this machine; no waits between tries, small pieces."""
    hub = Hub(REPOSITORY, "main", FILES)
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(download, "_PAUSES_S", (0, 0, 0, 0))
    monkeypatch.setattr(download, "_CHUNK", 1000)
    yield hub
    hub.close()


def refused(spec=SPEC):
    """What a failed fetch says."""
    with pytest.raises(InputError) as error:
        fetch(spec)
    message = str(error.value)
    assert message.startswith(f"depth model {spec.name}: could not fetch {REPOSITORY} ")
    assert "\n" not in message and "secret" not in message
    return message


def files_in(cache, pattern):
    return list((cache / "models--Intel--zoedepth-nyu").glob(pattern))


def test_a_fetched_model_loads_without_the_hub_and_its_version_is_the_commit(
    hub, monkeypatch, tiny_folders, one_thread
):
    hub.files = {path.name: path.read_bytes() for path in tiny_folders[1].iterdir()}
    monkeypatch.setitem(MODELS, SPEC.name, SPEC)
    assert not is_cached(SPEC)
    folder = fetch(SPEC)
    hub.close()
    assert is_cached(SPEC)
    assert snapshot(SPEC) == folder
    assert load_model(SPEC.name, device="cpu", flip=False).version == COMMIT


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_only_what_a_model_is_loaded_from_is_fetched(hub, revision):
    hub.revision = revision
    folder = fetch(dataclasses.replace(SPEC, revision=revision))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: FILES[name] for name in ("config.json", "preprocessor_config.json", "model.safetensors")
    }
    assert hub.downloads() == [None]


def test_shards_are_fetched_with_their_index(hub):
    shards = {f"model-0000{i}-of-00002.safetensors": WEIGHTS[i:] for i in (1, 2)}
    index = json.dumps({"weight_map": dict(zip("ab", shards, strict=True))}).encode()
    hub.files = {"config.json": b"{}", "model.safetensors.index.json": index, "other.safetensors": b"", **shards}
    folder = fetch(SPEC)
    assert {path.name for path in folder.iterdir()} == hub.files.keys() - {"other.safetensors"}


def test_progress_rises_to_the_bytes_that_the_hub_counts(hub, capfd):
    told = []
    fetch(SPEC, lambda *what: told.append(what))
    assert {title for title, _, _ in told} == {f"fetch {SPEC.name}"}
    done = [done for _, done, _ in told]
    assert done[0] == 0 and done == sorted(done) and len(set(done)) > 100
    total = len(WEIGHTS) + len(FILES["config.json"]) + len(FILES["preprocessor_config.json"])
    assert told[-1][1:] == (total, total)
    assert {total for _, _, total in told[1:]} == {total}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("where", ["list", "weights"])
def test_a_gated_model_says_where_to_accept_its_licence_and_how_to_log_in(hub, where, status):
    hub.always(hub.about_path if where == "list" else hub.path_of("model.safetensors"), status)
    message = refused()
    assert f"answered {status}" in message
    assert f"accept its licence at {hub.endpoint}/{REPOSITORY} and log in with `hf auth login` or HF_TOKEN" in message
    assert len([path for _, path, _ in hub.asked]) <= 2  # asking again would not help
    assert not is_cached(SPEC)


def test_a_repository_that_is_not_there_is_named(hub):
    hub.always(hub.about_path, 404)
    assert f"answered 404 Not Found to {hub.about_path}: no such repository" in refused()


def test_a_file_that_is_not_there_is_named(hub):
    hub.always(hub.path_of("model.safetensors"), 404)
    assert f"answered 404 Not Found to {hub.path_of('model.safetensors')}: no such" in refused()
    assert not is_cached(SPEC)


def test_weights_that_are_only_a_pickle_are_not_fetched(hub):
    del hub.files["model.safetensors"]
    assert "revision main has no model.safetensors, and no weights are taken from a pickle" in refused()
    assert hub.downloads("pytorch_model.bin") == []


@pytest.mark.parametrize("where", ["list", "weights"])
def test_a_hub_that_fails_for_long_is_given_up_after_five_tries(hub, where):
    path = hub.about_path if where == "list" else hub.cdn("model.safetensors")
    hub.always(path, 503)
    message = refused()
    assert f"answered 503 Service Unavailable to {path}; check the network and HF_ENDPOINT and fetch again" in message
    assert [asked for _, asked, _ in hub.asked].count(path) == 5


def test_a_hub_that_is_silent_for_long_is_given_up(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    hub.always(hub.cdn("model.safetensors"), hub.stall())
    assert "timed out" in refused()
    assert len(hub.downloads()) == 5


def test_a_machine_without_network_says_so(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "Connection refused; check the network" in refused()


@pytest.mark.parametrize("where", ["list", "weights"])
@pytest.mark.parametrize("fault", [500, 429, "stall"])
def test_a_fault_that_passes_is_told_and_waited_out(hub, monkeypatch, where, fault):
    path = hub.about_path if where == "list" else hub.cdn("model.safetensors")
    if fault == "stall":
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_ETAG_TIMEOUT", 0.3)
        fault = hub.stall()
    hub.faults[path] = [fault]
    told = []
    folder = fetch(SPEC, lambda title, done, total: told.append(title))
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert any(title.endswith("; try 2 of 5") for title in told)
    assert told[-1] == f"fetch {SPEC.name}"


def test_a_cut_download_goes_on_with_the_missing_bytes(hub):
    hub.faults[hub.cdn("model.safetensors")] = [("cut", 70_000), ("cut", 60_000)]
    done = []
    folder = fetch(SPEC, lambda _, at, total: done.append(at))
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.downloads() == [None, "bytes=70000-", "bytes=130000-"]
    assert done == sorted(done)


def test_a_download_that_gets_on_is_not_given_up(hub):
    hub.faults[hub.cdn("model.safetensors")] = [("cut", 10_000)] * 10
    fetch(SPEC)
    assert len(hub.downloads()) == 11


def test_a_later_fetch_goes_on_where_the_last_one_gave_up(hub):
    hub.faults[hub.cdn("model.safetensors")] = [("cut", 70_000), *[500] * 4]
    refused()
    assert not is_cached(SPEC)
    hub.asked.clear()
    told = []
    folder = fetch(SPEC, lambda _, done, total: told.append(done))
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.downloads() == ["bytes=70000-"]


def test_a_server_that_sends_whole_files_only_starts_again(hub):
    hub.faults[hub.cdn("model.safetensors")] = [("cut", 70_000), "whole"]
    assert (fetch(SPEC) / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("content", [WEIGHTS[:-1] + b"?", b"<html>Please log in</html>", WEIGHTS + b"?"])
def test_other_content_than_promised_is_refused_and_removed(hub, cache, content):
    hub.faults[hub.cdn("model.safetensors")] = [("other", content)]
    message = refused()
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    assert f"model.safetensors: got {len(content)} bytes of another content" in message
    assert f"wanted {len(WEIGHTS)} bytes with sha256 {sha256}" in message
    assert not is_cached(SPEC) and not files_in(cache, "blobs/*")
    assert (fetch(SPEC) / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("answer", [b"<html>Please log in</html>", b'{"id": "a/b", "sha": null, "siblings": []}'])
def test_an_answer_that_is_no_hubs_is_refused(hub, monkeypatch, answer):
    monkeypatch.setattr(json, "dumps", lambda about: answer.decode())
    refused()


@pytest.mark.parametrize("part", ["commit", "sha256"])
def test_names_from_the_hub_do_not_lead_out_of_the_cache(hub, cache, part):
    outside = cache.parent / "model.safetensors"
    outside.write_text("mine")
    about = hub.about()
    if part == "commit":
        about["sha"] = "../../.."
    else:
        next(file for file in about["siblings"] if "lfs" in file)["lfs"]["sha256"] = "../../../model.safetensors"
    hub.about = lambda: about
    assert "wanted 40 and 64 hex digits" in refused()
    assert outside.read_text() == "mine"


def test_a_damaged_file_in_the_cache_is_fetched_again_and_a_good_one_is_not(hub):
    weights = fetch(SPEC) / "model.safetensors"
    weights.write_bytes(WEIGHTS[:-1] + b"?")
    hub.asked.clear()
    fetch(SPEC)
    assert weights.read_bytes() == WEIGHTS
    assert hub.downloads() == [None]
    fetch(SPEC)
    assert hub.downloads() == [None]


def test_a_disk_that_is_too_small_is_told_before_the_download(hub, cache, monkeypatch):
    free = 150_000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - free, free))
    assert f"the disk of {cache} is full: 200000 bytes are missing, 150000 bytes are free; make room" in refused()
    assert hub.downloads() == []
    free = 250_000
    fetch(SPEC)


def test_a_disk_that_fills_up_is_told(hub, cache):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full, a disk that is always full")
    blobs = cache / "models--Intel--zoedepth-nyu" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hashlib.sha256(WEIGHTS).hexdigest()}.incomplete").symlink_to("/dev/full")
    assert f"the disk of {cache} is full: No space left on device" in refused()
    assert len(hub.downloads()) == 1


def test_a_cache_that_can_not_be_written_is_named(hub, cache):
    cache.write_text("not a folder")
    assert f"make sure that {cache} can be written" in refused()


def test_offline_nothing_is_asked_and_what_is_here_is_found(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set; unset it, or copy its files" in refused()
    assert hub.asked == []
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    folder = fetch(SPEC)
    hub.asked.clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert fetch(SPEC) == folder
    assert hub.asked == []


def test_the_token_goes_to_the_hub_and_to_no_other_host(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    fetch(SPEC)
    tokens = {path.split("/")[1]: headers["Authorization"] for _, path, headers in hub.asked}
    assert tokens == {"api": "Bearer hf_made_up", "Intel": "Bearer hf_made_up", "cdn": None}


def test_two_programs_that_want_the_same_file_download_it_once(hub):
    threads = [threading.Thread(target=fetch, args=(SPEC,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hub.downloads() == [None]
    assert is_cached(SPEC)


def test_a_download_that_is_interrupted_goes_on_the_next_time(tmp_path):
    hub = Hub(REPOSITORY, MODELS[SPEC.name].revision, {**FILES, "model.safetensors": WEIGHTS * 5})
    hub.faults[hub.cdn("model.safetensors")] = [("hang", 600_000)]
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path)}
    child = [sys.executable, "-m", "recon3d", "models", "fetch", SPEC.name]
    half = tmp_path / "hub/models--Intel--zoedepth-nyu/blobs" / f"{hub.cdn('model.safetensors')[5:]}.incomplete"
    try:
        with subprocess.Popen(
            child, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as first:
            while first.poll() is None and not (half.exists() and half.stat().st_size):
                time.sleep(0.02)
            first.send_signal(signal.SIGINT)
            _, said = first.communicate()
        assert first.returncode not in (0, None) and "Traceback" not in said
        arrived = half.stat().st_size
        assert 0 < arrived <= 600_000
        second = subprocess.run(child, env=environment, capture_output=True, text=True)
        assert second.returncode == 0, second.stderr
        assert hub.downloads() == [None, f"bytes={arrived}-"]
        weights = Path(second.stdout.strip().removeprefix(f"{SPEC.name}: ")) / "model.safetensors"
        assert weights.read_bytes() == WEIGHTS * 5
    finally:
        hub.close()
