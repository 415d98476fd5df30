"""The numbers that networks compute with: 16 bits where asked for, 32 again for photos that are too much for them."""

from collections.abc import Callable

import torch
from torch import Tensor

from recon3d.errors import InputError

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""What a network may compute with; its weights stay float32."""

Answers = tuple[Tensor, ...]
"""What a network says of B photos: tensors whose first axis is B."""


def dtype_of(precision: str) -> torch.dtype:
    """The dtype that a setting names.

    Raises:
        InputError: it is no key of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision: got {precision!r}, wanted one of {', '.join(PRECISIONS)}")
    return PRECISIONS[precision]


def answers_in(dtype: torch.dtype, network: Callable[[Tensor], Answers], pixels: Tensor) -> Answers:
    """What a network says, computed with fewer bits by autocast.

    float16 ends at 65504, which some networks exceed on the way: MiDaS's own code warns of it for Swin. Photos of which
    something that isn't finite is said are asked about once more in float32; what is not finite then is the network's.

    Args:
        dtype: one of `PRECISIONS`.
        network: of each photo alone, whatever the others of the batch are.
        pixels: (B, 3, h, w) normalised.

    Returns:
        The network's tensors, float32.
    """
    if dtype == torch.float32:
        return network(pixels)
    with torch.autocast(pixels.device.type, dtype):
        answers = tuple(answer.float() for answer in network(pixels))
    lost = ~torch.stack([answer.isfinite().reshape(len(answer), -1).all(1) for answer in answers]).all(0)
    if not lost.any():
        return answers
    again = network(pixels[lost])
    return tuple(answer.index_put((lost,), of_lost) for answer, of_lost in zip(answers, again, strict=True))
