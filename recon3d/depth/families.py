"""The families of dense networks: how a folder's config.json says what its network takes and gives."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    DepthAnythingForDepthEstimation,
    DepthProForDepthEstimation,
    DPTForDepthEstimation,
    GLPNForDepthEstimation,
)

from recon3d.depth.dense import INVERSE_MAX, INVERSE_MIN, DenseDepth, NetworkOutput
from recon3d.depth.folder import CONFIG, PREPROCESSOR, read_json
from recon3d.depth.network_input import NetworkInput, read_network_input
from recon3d.depth.pretrained import load_network
from recon3d.errors import InputError

Kind = Literal["metric", "disparity"]
_KINDS: dict[str, Kind] = {"metric": "metric", "relative": "disparity"}
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NEAREST_M = 1e-3


@dataclass(frozen=True)
class Family:
    """A class of transformers, and what its published folders have in common.

    Attributes:
        network_class: the class.
        network_input: from config.json's path and content, what is published of the input, and the number of
            pixels that the sides it takes are multiples of.
        output: from config.json's path and content and the kind that the model's row says, what it gives.
        config: values that overrule config.json's.
    """

    network_class: Any
    network_input: Callable[[Path, Any], tuple[NetworkInput, int]]
    output: Callable[[Path, Any, Kind | None], NetworkOutput]
    config: dict[str, Any]


def load_dense(
    folder: Path,
    family: str,
    *,
    kind: Kind | None,
    name: str,
    version: str,
    device: str,
    flip: bool,
    precision: str = "float32",
    sigma_factor: float = 1.0,
) -> DenseDepth:
    """Loads a dense network from a folder in transformers' format: safetensors only, no code, no network.

    Args:
        folder: the folder.
        family: a key of `FAMILIES`, the `model_type` of its config.json.
        kind: what the model's row says that it predicts, None for a folder without a row.
        name: what the model is called.
        version: of the weights.
        device: a torch device.
        flip: average with the prediction of the mirrored photo.
        precision: "float32", or "float16" or "bfloat16" for autocast to it; weights stay float32.
        sigma_factor: what sigma is multiplied by.

    Raises:
        InputError: a file is missing, truncated or of another network, or doesn't say what is needed; names it.
    """
    row = FAMILIES[family]
    path = folder / CONFIG
    config = read_json(path)
    _check_config(path, config, row)
    output = row.output(path, config, kind)
    if kind is not None and output.kind != kind:
        raise InputError(f"{path}: got a network that predicts {output.kind}, wanted {kind} as {name} says")
    published, stride = row.network_input(path, config)
    network_input = read_network_input(folder / PREPROCESSOR, published, stride)
    example = torch.zeros(1, 3, *(network_input.size(*(network_input.side or (2 * stride, 2 * stride)))))
    network = load_network(folder, row.network_class, example, **row.config)
    return DenseDepth(
        network,
        network_input,
        output,
        name=name,
        version=version,
        device=device,
        flip=flip,
        precision=precision,
        sigma_factor=sigma_factor,
    )


def _check_config(path: Path, config: Any, row: Family) -> None:
    """Refuses networks that want code or weights from elsewhere, or are trained for something else."""
    if config.get("auto_map"):
        raise InputError(
            f"{path}: got auto_map, which would run code from the folder; wanted a network of transformers"
        )
    for key in ("backbone", "use_timm_backbone", "use_pretrained_backbone"):
        if config.get(key):
            raise InputError(
                f"{path}: got {key} = {config[key]!r}, which wants the package timm or a download; wanted a backbone "
                "that is described in backbone_config"
            )
    for key, part in config.items():
        if isinstance(part, dict) and str(part.get("model_type")).startswith("timm"):
            raise InputError(
                f"{path}: got {key} of model_type {part['model_type']!r}, wanted one without the package timm"
            )
    wanted = row.network_class.__name__
    architectures = config.get("architectures") or [wanted]
    if wanted not in architectures:
        raise InputError(f"{path}: got architectures = {architectures!r}, wanted {wanted}")


def _farthest(path: Path, config: Any) -> float:
    """The `max_depth` of a config [m]."""
    farthest = config.get("max_depth")
    if not isinstance(farthest, int | float) or isinstance(farthest, bool) or not _NEAREST_M < farthest < math.inf:
        raise InputError(
            f"{path}: got max_depth = {farthest!r}, wanted the farthest depth in metres that the network was trained on"
        )
    return float(farthest)


def _first(*values: Any) -> Any:
    """The first that is not None: published configs write null for what their backbone says."""
    return next((value for value in values if value is not None), None)


def _patch(path: Path, config: Any, published: int) -> int:
    """The `patch_size` of a config's backbone, else its own [px]."""
    backbone = config.get("backbone_config")
    patch = _first(
        (backbone if isinstance(backbone, dict) else {}).get("patch_size"), config.get("patch_size"), published
    )
    if type(patch) is not int or not 1 <= patch <= 512:
        raise InputError(f"{path}: got patch_size = {patch!r}, wanted a whole number of pixels")
    return patch


def _depth_anything_input(path: Path, config: Any) -> tuple[NetworkInput, int]:
    patch = _patch(path, config, 14)
    return NetworkInput(
        (518, 518), keep_aspect_ratio=True, multiple=patch, mean=_IMAGENET_MEAN, std=_IMAGENET_STD
    ), patch


def _depth_anything_output(path: Path, config: Any, kind: Kind | None) -> NetworkOutput:
    """`depth_estimation_type` decides the last layer; without it transformers builds that of a relative network.

    Early uploads of metric networks have the word misspelt: their `max_depth`, which relative ones don't need, tells.
    """
    said = config.get("depth_estimation_type")
    if said is None and config.get("max_depth") not in (None, 1):
        raise InputError(
            f"{path}: got max_depth = {config['max_depth']!r} and no depth_estimation_type, so that transformers would "
            'build a relative network; add "depth_estimation_type": "metric", or fetch a newer revision of the model'
        )
    said = "relative" if said is None else said
    if said not in _KINDS:
        raise InputError(f"{path}: got depth_estimation_type = {said!r}, wanted metric or relative")
    if said == "relative":
        return NetworkOutput("disparity")
    return NetworkOutput("metric", (_NEAREST_M, _farthest(path, config)))


def _dpt_input(path: Path, config: Any) -> tuple[NetworkInput, int]:
    """A network with a backbone of transformers takes any shape; DPT's own encoder takes its own square only."""
    backbone = config.get("backbone_config")
    if isinstance(backbone, dict) and not config.get("is_hybrid"):
        side = _square(path, _first(backbone.get("image_size"), config.get("image_size"), 384))
        hierarchical = backbone.get("model_type") == "swinv2"
        filtered: Literal["bilinear", "bicubic"] = "bicubic" if hierarchical else "bilinear"
        return NetworkInput((side, side), resample=filtered), _patch(path, config, 4 if hierarchical else 16)
    side = _square(path, _first(config.get("image_size"), 384))
    return NetworkInput((side, side), resample="bilinear"), side


def _square(path: Path, side: Any) -> int:
    """The side of a square input [px]."""
    if type(side) is not int or not 1 <= side <= 4096:
        raise InputError(f"{path}: got image_size = {side!r}, wanted a whole number of pixels")
    return side


def _dpt_output(path: Path, config: Any, kind: Kind | None) -> NetworkOutput:
    """DPT's config has no word for it: the row says it, or `depth_estimation_type`, the word of Depth Anything."""
    said = _KINDS.get(str(config.get("depth_estimation_type")), kind)
    if said is None:
        raise InputError(
            f"{path}: doesn't say whether the network predicts metres or disparity, and numbers don't tell; add "
            '"depth_estimation_type": "relative" (MiDaS and all of Intel\'s DPT networks) or "metric" with "max_depth"'
        )
    return NetworkOutput(said, (_NEAREST_M, _farthest(path, config)) if said == "metric" else None)


def _glpn_input(path: Path, config: Any) -> tuple[NetworkInput, int]:
    strides = config.get("strides", [4, 2, 2, 2])
    if not isinstance(strides, list) or not all(type(stride) is int and 1 <= stride <= 8 for stride in strides):
        raise InputError(f"{path}: got strides = {strides!r}, wanted a list of whole numbers")
    as_it_is = NetworkInput(None, multiple=32, resample="bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return as_it_is, math.prod(strides)


def _glpn_output(path: Path, config: Any, kind: Kind | None) -> NetworkOutput:
    return NetworkOutput("metric", (_NEAREST_M, _farthest(path, {"max_depth": 10, **config})))


def _depth_pro_input(path: Path, config: Any) -> tuple[NetworkInput, int]:
    """The smallest of the sizes that the photo is cut up in must hold one patch."""
    patch, ratios = _patch(path, config, 384), config.get("scaled_images_ratios", [0.25, 0.5, 1])
    if not isinstance(ratios, list) or not all(isinstance(ratio, int | float) and 0 < ratio <= 1 for ratio in ratios):
        raise InputError(f"{path}: got scaled_images_ratios = {ratios!r}, wanted a list of numbers up to 1")
    side = round(patch / min(ratios))
    return NetworkInput((side, side), resample="bilinear", as_pil=False), side


def _depth_pro_output(path: Path, config: Any, kind: Kind | None) -> NetworkOutput:
    return NetworkOutput("metric", (1 / INVERSE_MAX, 1 / INVERSE_MIN), per_focal=True, resample="bilinear")


FAMILIES: dict[str, Family] = {
    "depth_anything": Family(DepthAnythingForDepthEstimation, _depth_anything_input, _depth_anything_output, {}),
    "dpt": Family(DPTForDepthEstimation, _dpt_input, _dpt_output, {}),
    "glpn": Family(GLPNForDepthEstimation, _glpn_input, _glpn_output, {}),
    # its guess of the field of view is half the parameters again, and the camera knows better
    "depth_pro": Family(DepthProForDepthEstimation, _depth_pro_input, _depth_pro_output, {"use_fov_model": False}),
}
"""By `model_type` of config.json."""
