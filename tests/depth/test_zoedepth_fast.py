"""What is replaced of transformers' network is the same function."""

import copy

import numpy as np
import pytest
import torch
from tiny_zoedepth import spread_weights, tiny_network
from transformers import BeitConfig
from transformers.models.beit.modeling_beit import BeitRelativePositionBias

from recon3d.depth.beit_bias import KeptBiases, position_bias
from recon3d.depth.zoedepth_fast import FastZoeDepth
from recon3d.depth.zoedepth_head import attract_, bin_statistics

pytestmark = pytest.mark.usefixtures("one_thread")
SIZES = [(64, 96), (128, 64)]


def network(heads, bins):
    made = tiny_network(heads, bins)
    spread_weights(made, seed=3)
    with torch.no_grad():
        for name, weights in made.named_parameters():
            if "position_bias" in name:
                weights.normal_()
    return made


def pixels_of(size, count=1):
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bins", ["softplus", "normed"])
@pytest.mark.parametrize("heads", [1, 2])
def test_the_fast_network_is_the_slow_one(heads, bins):
    """In float64, where the two differ by rounding alone; at two sizes, and again from what was kept of the first."""
    slow = network(heads, bins).double()
    fast = FastZoeDepth(copy.deepcopy(slow))
    with torch.inference_mode():
        for size in (*SIZES, SIZES[0]):
            pixels = pixels_of(size).double()
            want = slow(pixels).predicted_depth
            assert want.std() > 0.05 * want.mean(), "a constant depth proves nothing"
            torch.testing.assert_close(fast(pixels).depth, want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("heads", [1, 2])
def test_the_fast_network_follows_a_move_to_another_dtype(heads):
    slow = network(heads, "softplus")
    fast = FastZoeDepth(copy.deepcopy(slow))
    with torch.inference_mode():
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-9), (torch.float32, 1e-5)):
            pixels = pixels_of(SIZES[0]).to(dtype)
            got = fast.to(dtype)(pixels).depth
            assert got.dtype == dtype
            torch.testing.assert_close(got, slow.to(dtype)(pixels).predicted_depth, rtol=tolerance, atol=tolerance)


def test_each_photo_of_a_batch_is_the_slow_network_s_alone():
    """Both heads are chosen: transformers itself sends the whole batch to one."""
    slow = network(2, "softplus").double()
    pixels = torch.cat([pixels_of(SIZES[0], 8) * scale for scale in (0.1, 1)]).double()
    with torch.inference_mode():
        logits = torch.cat([slow(one[None]).domain_logits for one in pixels])
        lead = (logits[:, 1] - logits[:, 0]).sort()[0]
        slow.metric_head.mlp_classifier.linear2.bias[0] += (lead[7] + lead[8]) / 2
        alone = [slow(one[None]) for one in pixels]
        got = FastZoeDepth(copy.deepcopy(slow))(pixels)
        together = slow(pixels).predicted_depth
    want = torch.cat([one.predicted_depth for one in alone])
    probability = torch.cat([one.domain_logits for one in alone]).softmax(1)
    assert sorted(set(probability.argmax(1).tolist())) == [0, 1]
    torch.testing.assert_close(got.depth, want, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(got.head_probability, probability, rtol=1e-9, atol=1e-9)
    assert (together - want).abs().max() > 0.1, "transformers no longer votes over the batch: this could be simpler"


@pytest.mark.parametrize("window", [(4, 4), (2, 6), (5, 3), (1, 1)])
@pytest.mark.parametrize("square", [True, False])
def test_the_position_bias_is_transformers_own(window, square):
    side = 64 if square else (64, 96)
    own = BeitRelativePositionBias(BeitConfig(image_size=side, num_attention_heads=3))
    torch.nn.init.normal_(own.relative_position_bias_table)
    with torch.inference_mode():
        bias = position_bias(own, window)
        torch.testing.assert_close(bias, own(window), rtol=0, atol=0)
    assert all(stride % 16 == 0 for stride in bias.stride()[1:3])


def test_biases_are_kept_within_a_bound():
    owns = [BeitRelativePositionBias(BeitConfig(image_size=64, num_attention_heads=2)) for _ in range(3)]
    small = 3 * position_bias(owns[0], (2, 2)).untyped_storage().nbytes()
    kept = KeptBiases(3, most_bytes=3 * small)

    def all_of(window):
        return [kept.of(layer, own, window) for layer, own in enumerate(owns)]

    first = all_of((2, 2))
    assert [a.data_ptr() for a in all_of((2, 2))] == [a.data_ptr() for a in first]
    for window in ((2, 1), (1, 2), (2, 3), (1, 1), (3, 2)):
        all_of(window)
        assert 0 < kept.bytes <= 3 * small
    assert [a.data_ptr() for a in all_of((2, 2))] != [a.data_ptr() for a in first], "the oldest was not dropped"
    before = kept.bytes
    all_of((20, 20))
    assert kept.bytes == before, "a size that doesn't fit pushed out the others"


def test_bins_give_the_mean_and_the_variance_of_their_distribution():
    """By NumPy, from the definition; 64 bins, cold and hot."""
    rng = np.random.default_rng(0)
    k, share, temperature = np.arange(64), rng.random(30), 0.02 + 50 * rng.random(30) ** 4
    centres, log_binomials = rng.random((30, 64)) * 10, 3 * rng.random(64)
    p = np.clip(share, 1e-4, 1)[:, None]
    logits = (log_binomials + k * np.log(p) + (63 - k) * np.log(1 - p)) / temperature[:, None]
    weight = np.exp(logits - logits.max(1, keepdims=True))
    weight /= weight.sum(1, keepdims=True)
    mean = (weight * centres).sum(1)
    variance = (weight * (centres - mean[:, None]) ** 2).sum(1)
    got = bin_statistics(*(torch.from_numpy(values) for values in (centres, share, temperature, log_binomials)))
    np.testing.assert_allclose(got[0], mean, rtol=1e-9)
    np.testing.assert_allclose(got[1], variance, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("mean", [True, False])
def test_attraction_is_the_published_formula(mean):
    centres = torch.rand(2, 5, 3, 4, dtype=torch.float64)
    points = torch.rand(2, 7, 3, 4, dtype=torch.float64)
    away = points[:, :, None] - centres[:, None]
    shift = (away / (1 + 300 * away**2)).sum(1) / (7 if mean else 1)
    moved = centres.clone()
    attract_(moved, points, mean=mean)
    torch.testing.assert_close(moved, centres + shift)


def test_replacing_keeps_no_second_copy_of_the_weights():
    slow = network(2, "softplus")
    held = {weights.data_ptr() for weights in slow.backbone.parameters()}
    assert {weights.data_ptr() for weights in FastZoeDepth(slow).backbone.parameters()} == held
