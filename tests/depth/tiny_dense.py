"""Small random networks of every family in the table, as folders in transformers' format."""

import json

import torch
from tiny_zoedepth import made_photo, spread_weights, tiny_network, write_preprocessor
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    DPTConfig,
    DPTForDepthEstimation,
    GLPNConfig,
    GLPNForDepthEstimation,
)

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
VIT = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
DINOV2 = {"model_type": "dinov2", "mlp_ratio": 2, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}


def save(network, folder, side, seed=0):
    """Saves a network whose answers vary with the photo and stay inside the range of its last layer."""
    spread_weights(network, seed)
    last = [layer for layer in network.head.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
    answers = []
    handle = last.register_forward_hook(lambda layer, inputs, answer: answers.append(answer))
    photo = torch.from_numpy(made_photo(side, side, seed=5)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        network.eval()(photo / 255)
    handle.remove()
    bounded = getattr(network.config, "max_depth", None) is not None and network.config.model_type != "dpt"
    bounded = bounded and getattr(network.config, "depth_estimation_type", "metric") == "metric"
    with torch.no_grad():  # a sigmoid is at its best about 0, a ReLU well above it
        spread, mean = answers[0].std(), answers[0].mean()
        last.weight /= spread
        last.bias.copy_((last.bias - mean) / spread + (0 if bounded else 5))
    network.save_pretrained(folder)


def write_dpt_preprocessor(folder, side, *, keep_aspect_ratio, multiple, resample, statistics=HALF):
    """As the published folders of DPT and Depth Anything carry it."""
    preprocessor = {
        "do_normalize": True,
        "do_pad": False,
        "do_rescale": True,
        "do_resize": True,
        "ensure_multiple_of": multiple,
        "image_processor_type": "DPTImageProcessor",
        "keep_aspect_ratio": keep_aspect_ratio,
        "resample": resample,
        "rescale_factor": 1 / 255,
        "size": {"height": side, "width": side},
        "size_divisor": None,
        **statistics,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))


def depth_anything(folder, spec):
    backbone = {
        **DINOV2,
        "image_size": 70,
        "patch_size": 14,
        "out_indices": [1, 2, 3, 4],
        "reshape_hidden_states": False,
    }
    said = {"depth_estimation_type": "relative"}
    if spec.kind == "metric":
        said = {"depth_estimation_type": "metric", "max_depth": int(spec.range_m[1])}
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 16, 32, 32],
        fusion_hidden_size=16,
        head_hidden_size=8,
        **said,
    )
    write_dpt_preprocessor(folder, 70, keep_aspect_ratio=True, multiple=14, resample=3, statistics=IMAGENET)
    save(DepthAnythingForDepthEstimation(config), folder, 70)


def dpt(folder, spec):
    """One of the four encoders that MiDaS has, by the name of the row."""
    neck = {"neck_hidden_sizes": [8, 16, 32, 32], "fusion_hidden_size": 16}
    square = {"side": 64, "keep_aspect_ratio": False, "multiple": 1, "resample": 2}
    if "beit" in spec.name:
        backbone = {
            **VIT,
            "model_type": "beit",
            "image_size": 64,
            "patch_size": 16,
            "use_relative_position_bias": True,
            "reshape_hidden_states": False,
            "out_indices": [1, 2, 3, 4],
        }
        config = DPTConfig(backbone_config=backbone, **neck)
        square["multiple"] = 32
    elif "swinv2" in spec.name:
        backbone = {
            "model_type": "swinv2",
            "image_size": 64,
            "embed_dim": 8,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 2, 2, 2],
            "window_size": 4,
            "out_features": ["stage1", "stage2", "stage3", "stage4"],
        }
        square["resample"] = 3
        config = DPTConfig(backbone_config=backbone, **{**neck, "neck_hidden_sizes": [8, 16, 32, 64]})
    elif "hybrid" in spec.name:
        backbone = {
            "model_type": "bit",
            "embedding_size": 8,
            "hidden_sizes": [8, 16, 32],
            "depths": [1, 1, 1],
            "num_groups": 4,
            "global_padding": "same",
            "layer_type": "bottleneck",
            "out_features": ["stage1", "stage2", "stage3"],
            "embedding_dynamic_padding": True,
        }
        config = DPTConfig(
            is_hybrid=True,
            backbone_config=backbone,
            backbone_featmap_shape=[1, 32, 4, 4],
            backbone_out_indices=[0, 1, 2, 3],
            image_size=64,
            **VIT,
            **neck,
        )
    else:
        config = DPTConfig(image_size=64, backbone_out_indices=[0, 1, 2, 3], **VIT, **neck)
    write_dpt_preprocessor(folder, **square)
    save(DPTForDepthEstimation(config), folder, 64)


def glpn(folder, spec):
    config = GLPNConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 16, 32],
        num_attention_heads=[1, 1, 2, 2],
        mlp_ratios=[2, 2, 2, 2],
        decoder_hidden_size=8,
        max_depth=int(spec.range_m[1]),
    )
    preprocessor = {"do_rescale": True, "do_resize": True, "resample": 2, "size_divisor": 32}
    (folder / "preprocessor_config.json").write_text(
        json.dumps({**preprocessor, "feature_extractor_type": "GLPNFeatureExtractor"})
    )
    save(GLPNForDepthEstimation(config), folder, 64)


def depth_pro(folder, spec):
    """Its published folder also holds the guess of the field of view, which we leave out."""
    encoders = {
        f"{which}_model_config": {**DINOV2, "image_size": 16, "patch_size": 4, "use_mask_token": False}
        for which in ("image", "patch", "fov")
    }
    config = DepthProConfig(
        patch_size=16,
        fusion_hidden_size=16,
        intermediate_hook_ids=[3, 1],
        intermediate_feature_dims=[8, 8],
        scaled_images_feature_dims=[16, 16, 8],
        use_fov_model=True,
        num_fov_head_layers=0,
        **encoders,
    )
    preprocessor = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_processor_type": "DepthProImageProcessorFast",
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": 64, "width": 64},
        **HALF,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    save(DepthProForDepthEstimation(config), folder, 64)


def zoedepth(folder, spec):
    network = tiny_network(2 if spec.name.endswith("nk") else 1)
    spread_weights(network, seed=1)
    write_preprocessor(folder, 64, 96)
    network.save_pretrained(folder)


WRITERS = {
    "zoedepth": zoedepth,
    "depth_anything": depth_anything,
    "dpt": dpt,
    "glpn": glpn,
    "depth_pro": depth_pro,
}


def write_tiny(folder, spec):
    """Fills a folder with a small random network of the class of a row."""
    WRITERS[spec.family](folder, spec)
