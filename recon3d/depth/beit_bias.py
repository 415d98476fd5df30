"""BEiT's relative position bias, made quickly and kept between forward passes."""

from collections import OrderedDict
from threading import Lock
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KEPT_BYTES_MAX = 2 * 2**30
"""Most memory that the kept biases of one network may take [bytes].

In float32 the 24 layers of BEiT-L take 0.87 GB at 384 x 512 px, 2.8 GB at 672 x 512; half of that in 16 bits.
"""
_ALIGNED = 16
"""Rows start at multiples of this many elements: CUDA's attention would copy any other mask in every call."""


class KeptBiases:
    """The biases of all layers at the network sizes seen last; a size that does not fit as a whole is not kept.

    Stale where weights are changed after the first forward pass, other than by moving them to a device or dtype.
    """

    def __init__(self, layers: int, most_bytes: int = KEPT_BYTES_MAX) -> None:
        self._layers = layers
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[Any, ...], dict[int, Tensor]] = OrderedDict()
        self._lock = Lock()

    @property
    def bytes(self) -> int:
        """Memory that is taken now."""
        return sum(_bytes_of(bias) for size in self._kept.values() for bias in size.values())

    def of(self, layer: int, own: Any, window: tuple[int, int]) -> Tensor:
        """(1, heads, N, N) bias of one layer, in the dtype that attention runs in.

        Args:
            layer: its index.
            own: transformers' BeitRelativePositionBias of that layer.
            window: rows and columns of patches; N = rows · columns + 1.
        """
        table: Tensor = own.relative_position_bias_table
        device = table.device
        lower = torch.is_autocast_enabled(device.type)
        dtype = torch.get_autocast_dtype(device.type) if lower else table.dtype
        key = (window, device, table.dtype, dtype)
        with self._lock:  # photos may go through the network side by side
            return self._kept_or_made(key, layer, own, window, dtype)

    def _kept_or_made(
        self, key: tuple[Any, ...], layer: int, own: Any, window: tuple[int, int], dtype: torch.dtype
    ) -> Tensor:
        if key not in self._kept:
            bias = position_bias(own, window).to(dtype)
            if self._layers * _bytes_of(bias) > self._most_bytes:
                return bias
            self._kept[key] = {layer: bias}
            while len(self._kept) > 1 and self._would_take() > self._most_bytes:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        biases = self._kept[key]
        if layer not in biases:
            biases[layer] = position_bias(own, window).to(dtype)
        return biases[layer]

    def _would_take(self) -> int:
        """Memory of the kept sizes once all their layers have been seen [bytes]."""
        return sum(self._layers * _bytes_of(next(iter(size.values()))) for size in self._kept.values())


class KeptBias(nn.Module):
    """Stands in for `relative_position_bias` of one BEiT layer."""

    def __init__(self, own: nn.Module, layer: int, kept: KeptBiases) -> None:
        super().__init__()
        self.own = own
        self._layer = layer
        self._kept = kept

    def forward(
        self, window: tuple[int, int], interpolate_pos_encoding: bool = False, dim_size: int | None = None
    ) -> Tensor:
        """(1, heads, N, N), as transformers' own."""
        if interpolate_pos_encoding:
            bias: Tensor = self.own(window, interpolate_pos_encoding, dim_size)
            return bias
        return self._kept.of(self._layer, self.own, window)


def keep_biases(layers: nn.ModuleList, most_bytes: int = KEPT_BYTES_MAX) -> KeptBiases:
    """Lets the layers of a BEiT keep their biases.

    Args:
        layers: transformers' BeitLayer, each with a bias of its own; changed in place.
        most_bytes: that all of them may take.

    Returns:
        What they keep.
    """
    kept = KeptBiases(len(layers), most_bytes)
    layer: Any
    for index, layer in enumerate(layers):
        if layer.relative_position_bias is not None:
            layer.relative_position_bias = KeptBias(layer.relative_position_bias, index, kept)
    return kept


def position_bias(own: Any, window: tuple[int, int]) -> Tensor:
    """The bias between all pairs of tokens, as transformers' BeitRelativePositionBias makes it.

    Between patches it depends on their offset alone. With the offsets in descending order, the row of patch (y, x) is
    the part of the table that starts at (rows - 1 - y, columns - 1 - x): a sliding window, copied row by row, where
    transformers looks up each pair by its index.

    Args:
        own: transformers' module, for its table and its window.
        window: (rows, columns) of patches.

    Returns:
        (1, heads, N, N), N = rows · columns + 1, the class token first; rows are aligned in memory.
    """
    rows, columns = window
    table: Tensor = own.relative_position_bias_table
    old_rows, old_columns = (2 * side - 1 for side in own.window_size)
    # columns before rows, as transformers has it: the published windows are square
    offsets = table[:-3].reshape(1, old_columns, old_rows, -1).permute(0, 3, 1, 2)
    offsets = F.interpolate(offsets, (2 * rows - 1, 2 * columns - 1), mode="bilinear")[0].flip(1, 2)
    between_patches = offsets.unfold(1, rows, 1).unfold(2, columns, 1).flip(1, 2)
    count, heads = rows * columns + 1, table.shape[1]
    aligned = -(-count // _ALIGNED) * _ALIGNED
    bias = table.new_empty(1, heads, count, aligned)[..., :count]
    bias[0, :, 1:, 1:] = between_patches.reshape(heads, count - 1, count - 1)
    from_class, to_class, class_to_class = table[-3:]
    bias[0, :, 0, :] = from_class[:, None]
    bias[0, :, :, 0] = to_class[:, None]
    bias[0, :, 0, 0] = class_to_class
    return bias


def _bytes_of(bias: Tensor) -> int:
    """Memory of a bias with its padding [bytes]."""
    return bias.untyped_storage().nbytes()
