"""Loads the ImageNet encoder into `DemoNet`, with its batch norms folded in and its filters made easy to train."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

EPS = 1e-3  # of EfficientNet's batch norms


class Gain(nn.Module):
    """weight = direction * gain, one gain per output channel: what a frozen batch norm does, at no cost a pixel."""

    def __init__(self, gain: Tensor) -> None:
        super().__init__()
        self.gain = nn.Parameter(gain)

    def forward(self, direction: Tensor) -> Tensor:
        """(O, I, k, k) direction to weight."""
        return direction * self.gain

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Weight to direction."""
        return weight / self.gain.detach()


def folded(state: dict[str, Tensor], conv: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with the batch norm after it folded in."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPS)
    weight = state[f"{conv}.weight"] * scale[:, None, None, None]
    return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale


def load_encoder(net: nn.Module, path: Path) -> None:
    """Copies the published EfficientNet-Lite0 weights (RGB scaled by 127/128) into the stem and the stages of `net`."""
    state = torch.load(path, map_location="cpu", weights_only=True)

    def put(layer: nn.Conv2d, conv: str, norm: str) -> None:
        weight, bias = folded(state, conv, norm)
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)

    put(net.stem, "_conv_stem", "_bn0")
    blocks = [block for stage in net.stages for block in stage]
    for i, block in enumerate(blocks):
        root = f"_blocks.{i}."
        if block.expand is not None:
            put(block.expand, root + "_expand_conv", root + "_bn0")
        put(block.depthwise, root + "_depthwise_conv", root + "_bn1")
        put(block.project, root + "_project_conv", root + "_bn2")


def initialise(net: nn.Module) -> None:
    """He initialisation of what has no published weights; the output starts near zero."""
    for layer in (net.neck, net.context, net.mix, *net.ups):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    nn.init.normal_(net.out.weight, std=1e-2)
    nn.init.zeros_(net.out.bias)


def add_gains(net: nn.Module) -> None:
    """Gives every convolution a trainable gain per filter; `remove_gains` multiplies it in again."""
    for layer in [m for m in net.modules() if isinstance(m, nn.Conv2d)]:
        weight = layer.weight.detach()
        rms = weight.pow(2).mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-4)
        parametrize.register_parametrization(layer, "weight", Gain(rms * math.sqrt(weight[0].numel())))


def remove_gains(net: nn.Module) -> None:
    """Leaves plain convolutions with the gains multiplied in."""
    for layer in [m for m in net.modules() if isinstance(m, nn.Conv2d)]:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
