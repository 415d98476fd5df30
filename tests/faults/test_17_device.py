"""Devices with too little memory, that fail, or that are not there: smaller steps, or a line that says what to do."""

import dataclasses

import numpy as np
import pytest
import tiny
import torch
from commands import command
from faulty import encoded, picture, refused

from recon3d.depth.batches import predictions
from recon3d.depth.device import check_precision
from recon3d.depth.model import DepthPrediction
from recon3d.errors import InputError, StageError
from recon3d.geometry import Camera
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.depth import depth
from recon3d.stages.job import Job

GROUP = "17. Device"


@dataclasses.dataclass
class Network:
    """Says the photo's first value; has memory for `fits` photos at a time, and fails with `error` beyond."""

    fits: int
    error: Exception = dataclasses.field(default_factory=lambda: torch.OutOfMemoryError("CUDA out of memory"))
    name: str = "network"
    version: str = "1"
    seen: list = dataclasses.field(default_factory=list)

    def __call__(self, image, camera):
        return self.batch([image], [camera])[0]

    def bucket(self, camera):
        return camera.width

    def batch(self, images, cameras):
        self.seen.append(len(images))
        if len(images) > self.fits:
            raise self.error
        return [DepthPrediction(np.full(image.shape[:2], 1.0 + image[0, 0, 0], np.float32)) for image in images]


def predicted(network, device="cuda:0"):
    """Eight photos, eight at a time."""
    camera, told = Camera.from_fov(4, 2, 1.0), []
    photos = ((f"photo-{k}", np.full((2, 4, 3), k, np.uint8), camera) for k in range(8))
    said = predictions(network, photos, batch=8, device=device, smaller=lambda *sizes: told.append(sizes))
    return [(name, float(answer.values[0, 0])) for name, answer in said], told


def halved(tmp_path, monkeypatch):
    network = Network(fits=1)
    answers, told = predicted(network)
    assert answers == [(f"photo-{k}", 1.0 + k) for k in range(8)]
    assert network.seen[:4] == [8, 4, 2, 1] and set(network.seen[4:]) == {1}
    assert told == [(8, 4)]


def not_even_one(tmp_path, monkeypatch):
    with pytest.raises(StageError, match=r"photo-0: network: out of memory on cuda:0 .* lower photos.max_side"):
        predicted(Network(fits=0))


def lost(tmp_path, monkeypatch):
    network = Network(fits=0, error=RuntimeError("CUDA error: unspecified launch failure\nCompile with …"))
    with pytest.raises(StageError, match=r"the device cuda:0 failed \(CUDA error: unspecified launch failure\); what"):
        predicted(network)
    with pytest.raises(RuntimeError, match="size mismatch"):  # a bug stays one
        predicted(Network(fits=0, error=RuntimeError("size mismatch")))


def no_cuda(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    asked_for(tmp_path, "cuda", "sees no CUDA GPU", "--device auto or cpu")


def no_mps(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    asked_for(tmp_path, "mps", "no Apple GPU", "--device auto or cpu")


def asked_for(tmp_path, device, *words):
    (tmp_path / "a.png").write_bytes(encoded(picture(), format="PNG"))
    done = command("run", tmp_path / "a.png", "-o", tmp_path / "s", "--model", "demo", "--device", device)
    refused(done, f"device {device}", *words)
    assert not (tmp_path / "s").exists()


def no_bfloat16(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    with pytest.raises(InputError, match=r"depth.precision: this GPU has no bfloat16; .* float16"):
        check_precision("cuda:0", "bfloat16")
    check_precision("cuda:0", "float16")
    check_precision("cpu", "bfloat16")


CASES = {
    "out of memory at 8, 4 and 2 photos": halved,
    "out of memory at 1 photo": not_even_one,
    "a device that is lost": lost,
    "CUDA asked for and absent": no_cuda,
    "MPS asked for and absent": no_mps,
    "bfloat16 that the GPU has not": no_bfloat16,
}


def test_the_group_is_whole():
    assert len(CASES) == 6


@pytest.mark.parametrize("case", CASES)
def test_smaller_steps_or_a_line_that_says_so(case, tmp_path, monkeypatch):
    CASES[case](tmp_path, monkeypatch)


def test_depth_computed_in_smaller_steps_is_the_same_and_it_is_said(tiny_scene, tmp_path):
    root = tiny.copied(tiny_scene, tmp_path)
    settings, maps = Settings().with_assignments(["depth.batch=8", "depth.max_depth_m=300"]), []
    for fits in (8, 1):
        Scene(root).forget("depth")
        outcome = depth(Scene(root), Job(settings, "cpu", Network(fits)))
        assert [signal.code for signal in outcome.signals] == (["SMALLER_BATCH"] if fits == 1 else [])
        maps.append({path.name: path.read_bytes() for path in (root / "depth").iterdir()})
    assert maps[0] == maps[1] and len(maps[0]) == tiny.COUNT
