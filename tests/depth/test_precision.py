"""Networks that overflow float16 on photos that are bright, and on those alone."""

import pytest
import torch

from recon3d.depth.precision import PRECISIONS, answers_in, dtype_of
from recon3d.errors import InputError


class Overflowing:
    """Says a thousand times the square of the mean pixel: beyond 65504 where that is above 8; counts its photos."""

    def __init__(self):
        self.seen = []

    def __call__(self, pixels):
        self.seen.append((len(pixels), torch.is_autocast_enabled("cpu")))
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        mean = pixels.mean((1, 2, 3)).to(dtype)
        return 1000 * mean**2, mean


PIXELS = torch.tensor([1.0, 9.0, 2.0])[:, None, None, None].expand(3, 3, 4, 4)


def test_photos_that_overflow_are_computed_again_in_float32_and_no_others():
    network = Overflowing()
    with torch.inference_mode():
        squares, means = answers_in(torch.float16, network, PIXELS)
    assert squares.tolist() == [1000, 81000, 4000] and means.tolist() == [1, 9, 2]
    assert squares.dtype == means.dtype == torch.float32
    assert network.seen == [(3, True), (1, False)]


@pytest.mark.parametrize(("precision", "autocast"), [("bfloat16", True), ("float32", False)])
def test_what_does_not_overflow_is_computed_once(precision, autocast):
    network = Overflowing()
    squares, _ = answers_in(dtype_of(precision), network, PIXELS)
    torch.testing.assert_close(
        squares, torch.tensor([1000.0, 81000, 4000]), rtol=torch.finfo(torch.bfloat16).eps, atol=0
    )
    assert network.seen == [(3, autocast)]


def test_what_is_not_finite_in_float32_either_is_the_network_s():
    (said,) = answers_in(torch.float16, lambda pixels: (pixels.mean((1, 2, 3)) * torch.nan,), PIXELS)
    assert said.isnan().all()


def test_unknown_precisions_are_refused_with_the_choices():
    with pytest.raises(InputError, match=f"'half', wanted one of {', '.join(PRECISIONS)}"):
        dtype_of("half")
