"""ZoeDepth's forward pass from transformers' parts, its hot ones replaced by equal ones that take less time."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recon3d.depth.beit_bias import keep_biases
from recon3d.depth.zoedepth_head import BinDepth, MetricHeads


class FastZoeDepth(nn.Module):
    """The same function as transformers' ZoeDepthForDepthEstimation has for each photo alone.

    What is replaced, from outside: the position bias of the backbone (`beit_bias`), the metric heads
    (`zoedepth_head`), the readout of the class token (`Reassembly`), the order of resize and 1x1 convolution in the
    fusion layers (they commute; a quarter of the pixels), and the memory layout of the convolutions. Denormal numbers
    are left as they are: torch.set_flush_denormal would change the arithmetic of the whole calling program.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.neck = network.neck
        self.relative_head = network.relative_head
        self.heads = MetricHeads(network.metric_head, network.config)
        self.patch = int(network.patch_size)
        keep_biases(self.backbone.beit.layers)
        if network.config.readout_type == "project":
            self.neck.reassemble_stage = Reassembly(self.neck.reassemble_stage)
        for layer in self.neck.fusion_stage.layers:
            layer.residual_layer2 = nn.Sequential(layer.residual_layer2, layer.projection)
            layer.projection = nn.Identity()
        for part in (self.neck, self.relative_head, self.heads):
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its hints

    def forward(self, pixels: Tensor) -> BinDepth:
        """Predicts metres for (B, 3, h, w) normalised pixels, sides multiples of 32."""
        rows, columns = (side // self.patch for side in pixels.shape[2:])
        blocks, bottleneck = self.neck(self.backbone(pixels).feature_maps, rows, columns)
        relative_depth, activation = self.relative_head(blocks)
        result: BinDepth = self.heads(activation, bottleneck, blocks, relative_depth)
        return result


class Reassembly(nn.Module):
    """Stands in for the neck's `reassemble_stage`: tokens to images, each patch beside what the class token says.

    A linear map of the two is the sum of two linear maps, and that of the class token is the same for all patches:
    half the operations.
    """

    def __init__(self, own: Any) -> None:
        super().__init__()
        self.own = own

    def forward(self, hidden_states: list[Tensor], rows: int, columns: int) -> list[Tensor]:
        """(B, N, C) tokens of each stage, the class token first, to (B, C', h, w) of that stage."""
        images = []
        for tokens, (linear, activate), layer in zip(
            hidden_states, self.own.readout_projects, self.own.layers, strict=True
        ):
            of_patch, of_class = linear.weight.chunk(2, 1)
            values = F.linear(tokens[:, 1:], of_patch) + F.linear(tokens[:, :1], of_class, linear.bias)
            images.append(layer(activate(values).transpose(1, 2).unflatten(2, (rows, columns))))
        return images
