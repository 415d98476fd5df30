"""Small random ZoeDepth networks and made-up photos to compare inferences on."""

import json

import numpy as np
import torch
from transformers import BeitConfig, ZoeDepthConfig, ZoeDepthForDepthEstimation
from transformers.models.zoedepth.image_processing_pil_zoedepth import ZoeDepthImageProcessorPil

from recon3d.depth.zoedepth import ZoeDepth
from recon3d.depth.zoedepth_head import BinDepth
from recon3d.depth.zoedepth_input import Preprocessing
from recon3d.geometry import Camera

NYU = {"name": "nyu", "n_bins": 16, "min_depth": 1e-3, "max_depth": 10.0}
KITTI = {"name": "kitti", "n_bins": 16, "min_depth": 1e-3, "max_depth": 80.0}
SHAPES = {"landscape": (120, 160), "portrait": (160, 120), "square": (100, 100), "wide": (50, 200), "odd": (77, 131)}


def made_photo(height, width, seed):
    """An (H, W, 3) uint8 photo of soft blobs, a ramp and noise: unlike its mirror image."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:height, :width] / max(height, width)
    image = np.zeros((height, width, 3))
    for _ in range(6):
        cu, cv, size, colour = rng.random(), rng.random(), 0.05 + 0.3 * rng.random(), rng.normal(size=3)
        image += colour * np.exp(-((u - cu) ** 2 + (v - cv) ** 2) / size**2)[..., None]
    image += u[..., None] * rng.normal(size=3) + 0.1 * rng.normal(size=image.shape)
    return np.clip(128 + (30 + 30 * seed % 70) * image, 0, 255).astype(np.uint8)


def spread_weights(network, seed):
    """Random weights whose depth varies: as made, ZoeDepth says softplus(0) everywhere."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if weights.ndim >= 2 and "position_bias" not in name:
                torch.nn.init.kaiming_normal_(weights)
                if isinstance(network, ZoeDepthForDepthEstimation) and not name.startswith("backbone"):
                    weights.mul_(0.8)  # else rounding grows a thousandfold on its way through the logits of the bins
            elif ("norm" in name and name.endswith("weight")) or "lambda" in name:
                weights.fill_(1.0)
            else:
                weights.normal_(0, 0.1)


def pass_inputs(folder, image):
    """The photo and its mirror image as transformers' own preprocessing hands them to the network."""
    processor = ZoeDepthImageProcessorPil.from_pretrained(folder, local_files_only=True)
    both = (image, np.ascontiguousarray(image[:, ::-1]))
    return [processor(one, input_data_format="channels_last", return_tensors="pt").pixel_values for one in both]


def spread_router(network, folder, images):
    """Shifts the router so that one photo and its mirror image, of all the most unlike, go to different heads."""
    with torch.inference_mode():
        logits = torch.stack([torch.cat([network(x).domain_logits for x in pass_inputs(folder, i)]) for i in images])
    lead = logits[..., 1] - logits[..., 0]
    most_unlike = lead[(lead[:, 0] - lead[:, 1]).abs().argmax()]
    with torch.no_grad():
        network.metric_head.mlp_classifier.linear2.bias[0] += most_unlike.mean()


def tiny_network(heads, bins="softplus"):
    """One head as of NYU, or of KITTI with "normed" bins; or two."""
    backbone = BeitConfig(
        image_size=64,
        num_hidden_layers=4,
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=2,
        use_relative_position_bias=True,
        reshape_hidden_states=False,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    router = {
        "num_patch_transformer_layers": 4,
        "patch_transformer_hidden_size": 128,
        "patch_transformer_intermediate_size": 128,
        "patch_transformer_num_attention_heads": 4,
    }
    config = ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[16, 16, 32, 32],
        fusion_hidden_size=32,
        num_relative_features=16,
        bottleneck_features=32,
        bin_embedding_dim=32,
        num_attractors=[4, 4, 2, 1],
        bin_centers_type=bins,
        bin_configurations=[KITTI] if bins == "normed" and heads == 1 else [NYU, KITTI][:heads],
        **(router if heads == 2 else {}),
    )
    return ZoeDepthForDepthEstimation(config).eval()


def write_preprocessor(folder, height, width):
    """As the published folders carry it."""
    half = [0.5, 0.5, 0.5]
    preprocessor = {
        "do_normalize": True,
        "do_pad": True,
        "do_rescale": True,
        "do_resize": True,
        "ensure_multiple_of": 32,
        "image_mean": half,
        "image_processor_type": "ZoeDepthImageProcessor",
        "image_std": half,
        "keep_aspect_ratio": True,
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": height, "width": width},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))


def camera_of(image):
    return Camera.from_fov(image.shape[1], image.shape[0], 1.0)


def bicubic_weights(n_in, n_out):
    """(n_out, n_in) cubic convolution with a = -0.75, edges repeated, pixel centres at ½."""
    a = -0.75
    centre = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    weights = np.zeros((n_out, n_in))
    for tap in (-1, 0, 1, 2):
        at = np.floor(centre) + tap
        x = np.abs(centre - at)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        np.add.at(weights, (np.arange(n_out), np.clip(at, 0, n_in - 1).astype(int)), np.where(x <= 1, near, far))
    return weights


class Reference:
    """ZoeDepth as published, from transformers' own parts: one forward call per photo and per mirror image."""

    def __init__(self, folder):
        self.network = ZoeDepthForDepthEstimation.from_pretrained(folder, local_files_only=True).eval()
        self.processor = ZoeDepthImageProcessorPil.from_pretrained(folder, local_files_only=True)
        self.heads = []

    def one_pass(self, image):
        height, width = image.shape[:2]
        pixels = self.processor(image, input_data_format="channels_last", return_tensors="pt").pixel_values
        with torch.inference_mode():
            outputs = self.network(pixels)
        if outputs.domain_logits is not None:
            self.heads.append(int(outputs.domain_logits.argmax()))
        depth = outputs.predicted_depth[0].double().numpy()
        pad_y, pad_x = int(np.sqrt(height / 2) * 3), int(np.sqrt(width / 2) * 3)
        rows = bicubic_weights(depth.shape[0], height + 2 * pad_y)
        columns = bicubic_weights(depth.shape[1], width + 2 * pad_x)
        return (rows @ depth @ columns.T)[pad_y : pad_y + height, pad_x : pad_x + width]

    def __call__(self, image):
        return (self.one_pass(image) + self.one_pass(np.ascontiguousarray(image[:, ::-1]))[:, ::-1]) / 2


def assert_same_depth(got, want):
    """1e-3 relative; where bicubic weights take metres away from metres, rounding is that of the metres."""
    assert got.std() > 0.02 * got.mean(), "a constant depth proves nothing"
    np.testing.assert_allclose(got, np.maximum(want, 0), rtol=1e-3, atol=1e-5 * want.max())


class Says:
    """A network that says the same everywhere, or fails; by heads of given probability."""

    def __init__(self, depth, variance=0.0, probability=((1.0,),)):
        self.depth, self.variance, self.probability = depth, variance, torch.tensor(probability)

    def __call__(self, pixels):
        if isinstance(self.depth, Exception):
            raise self.depth
        depth = torch.full((len(pixels), *pixels.shape[2:]), self.depth)
        return BinDepth(depth, torch.full_like(depth, self.variance), self.probability.expand(len(pixels), -1))


def zoedepth_that(network, **how):
    heads = [("nyu", (1e-3, 10.0)), ("kitti", (1e-3, 80.0))][: network.probability.shape[1]]
    how = {"name": "m", "version": "1", "device": "cpu", "flip": True, **how}
    return ZoeDepth(network, heads, Preprocessing(64, 96), **how)
