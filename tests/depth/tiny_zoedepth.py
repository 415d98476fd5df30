"""Small random ZoeDepth networks and made-up photos to compare inferences on."""

import json

import numpy as np
import torch
from transformers import BeitConfig, ZoeDepthConfig, ZoeDepthForDepthEstimation
from transformers.models.zoedepth.image_processing_pil_zoedepth import ZoeDepthImageProcessorPil

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


def tiny_network(heads):
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
        bin_configurations=[NYU, KITTI][:heads],
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
