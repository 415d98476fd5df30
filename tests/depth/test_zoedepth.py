import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_zoedepth import (
    KITTI,
    NYU,
    SHAPES,
    Reference,
    Says,
    assert_same_depth,
    camera_of,
    made_photo,
    spread_router,
    spread_weights,
    write_preprocessor,
    zoedepth_that,
)
from transformers import BeitConfig, ZoeDepthConfig, ZoeDepthForDepthEstimation

from recon3d.depth.models import load_model
from recon3d.depth.network_input import PIXELS_MAX
from recon3d.depth.zoedepth_input import Preprocessing, network_size, padding, preprocessing_of
from recon3d.errors import InputError, StageError
from recon3d.geometry import Camera

pytestmark = pytest.mark.usefixtures("one_thread")
PUBLISHED = Preprocessing(384, 512)


@pytest.fixture(scope="module")
def models(tiny_folders):
    return {heads: load_model(str(folder), device="cpu", flip=True) for heads, folder in tiny_folders.items()}


@pytest.fixture(scope="module")
def references(tiny_folders):
    return {heads: Reference(folder) for heads, folder in tiny_folders.items()}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("heads", [1, 2, "k"])
def test_depth_is_that_of_the_published_inference(models, references, photos, heads, shape):
    image = photos[shape]
    prediction = models[heads](image, camera_of(image))
    assert prediction.kind == "metric"
    assert prediction.values.dtype == np.float32
    assert_same_depth(prediction.values, references[heads](image))


def test_both_heads_are_chosen_by_some_photo_and_once_a_mirror_image_chooses_the_other(references, photos):
    """So that the test above holds for both, and a pass of photo and mirror image in one batch would fail it."""
    reference = references[2]
    reference.heads.clear()
    for image in photos.values():
        reference(image)
    assert set(reference.heads) == {0, 1}
    assert any(a != b for a, b in zip(reference.heads[::2], reference.heads[1::2], strict=True))


def test_without_flip_it_is_the_one_pass(tiny_folders, references, photos):
    model = load_model(str(tiny_folders[2]), device="cpu", flip=False)
    prediction = model(photos["landscape"], camera_of(photos["landscape"]))
    assert_same_depth(prediction.values, references[2].one_pass(photos["landscape"]))


@pytest.mark.parametrize("heads", [1, 2, "k"])
def test_a_photo_has_the_same_depth_whatever_came_before_it(models, photos, heads):
    model = models[heads]
    forward = [model(image, camera_of(image)).values for image in photos.values()]
    backward = [model(image, camera_of(image)).values for image in reversed(photos.values())]
    for a, b in zip(forward, reversed(backward), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 100), (3, 5), (300, 4)])
def test_the_smallest_photos_have_finite_depth(models, shape):
    image = made_photo(*shape, seed=0)
    values = models[2](image, Camera(shape[1], shape[0], 100, 100, 0, 0)).values
    assert values.shape == shape
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("photo", "network"),  # (H, W); by hand: 480 + 2·46, 640 + 2·53 -> the width needs the smaller change, x 512/746
    [((480, 640), (384, 512)), ((640, 480), (672, 512)), ((1000, 6000), (384, 2144)), ((1000, 1000), (512, 512))],
)
def test_network_sizes_are_the_published_ones(photo, network):
    assert network_size(*(side + 2 * padding(side) for side in photo), PUBLISHED) == network


@pytest.mark.parametrize("height", [1, 5, 30, 300, 3000, 65535])
@pytest.mark.parametrize("width", [1, 7, 100, 5000, 20000, 65535])
def test_no_photo_makes_the_network_work_without_bound(height, width):
    size = network_size(height + 2 * padding(height), width + 2 * padding(width), PUBLISHED)
    assert all(side >= 32 and side % 32 == 0 for side in size)
    assert size[0] * size[1] <= PIXELS_MAX


@pytest.mark.parametrize(("bins", "width"), [("softplus", 512), ("normed", 768)])
def test_without_a_preprocessor_config_the_published_sizes_hold(tmp_path, bins, width):
    absent = tmp_path / "preprocessor_config.json"
    assert preprocessing_of(absent, {"bin_centers_type": bins}) == Preprocessing(384, width)


@pytest.mark.parametrize(("said", "given"), [(-0.01, 0.0), (2.5, 2.5), (float("nan"), float("nan"))])
def test_undershoot_is_no_depth_and_nan_stays_for_the_stage_to_count(said, given):
    image = made_photo(50, 60, seed=1)
    values = zoedepth_that(Says(said))(image, camera_of(image)).values
    np.testing.assert_allclose(values, np.full((50, 60), given), rtol=1e-6)


def test_out_of_memory_says_so(photos):
    model = zoedepth_that(Says(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(StageError, match=r"out of memory on cpu with a photo of 160 x 120 px; .*photos.max_side"):
        model(photos["landscape"], camera_of(photos["landscape"]))


def test_a_photo_of_another_size_than_its_camera_is_refused(models, photos):
    with pytest.raises(InputError, match="image: got shape"):
        models[1](photos["portrait"], camera_of(photos["landscape"]))


def test_loading_and_predicting_say_nothing(tiny_folders, photos, capfd):
    load_model(str(tiny_folders[2]), device="cpu", flip=True)(photos["square"], camera_of(photos["square"]))
    assert capfd.readouterr() == ("", "")


def free_memory_gb():
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 1e6


@pytest.mark.slow
def test_full_size_two_heads_are_that_of_the_published_inference(tmp_path):
    if free_memory_gb() < 8 or shutil.disk_usage(tmp_path).free < 4e9:
        pytest.skip("needs 8 GB of free memory and 4 GB of free disk")
    torch.set_num_threads(2)
    backbone = BeitConfig(
        image_size=384,
        num_hidden_layers=24,
        hidden_size=1024,
        intermediate_size=4096,
        num_attention_heads=16,
        use_relative_position_bias=True,
        reshape_hidden_states=False,
        out_features=["stage6", "stage12", "stage18", "stage24"],
    )
    config = ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[256, 512, 1024, 1024],
        bin_centers_type="softplus",
        bin_configurations=[{**NYU, "n_bins": 64}, {**KITTI, "n_bins": 64}],
        num_patch_transformer_layers=4,
        patch_transformer_hidden_size=128,
        patch_transformer_intermediate_size=1024,
        patch_transformer_num_attention_heads=4,
    )
    network = ZoeDepthForDepthEstimation(config).eval()
    assert sum(weights.numel() for weights in network.parameters()) == pytest.approx(344e6, rel=0.01)
    spread_weights(network, seed=0)
    images = [made_photo(480, 640, seed=3), made_photo(640, 200, seed=4)]
    write_preprocessor(tmp_path, 384, 512)
    spread_router(network, tmp_path, images[1:])
    network.save_pretrained(tmp_path)
    del network

    model, reference = load_model(str(tmp_path), device="cpu", flip=True), Reference(tmp_path)
    for image in images:
        assert_same_depth(model(image, camera_of(image)).values, reference(image))
    assert set(reference.heads) == {0, 1}
