import pytest
import torch

from recon3d.refine.attach import attach


def _links(height, width, stiffness=100.0):
    return torch.full((height, width - 1), stiffness), torch.full((height - 1, width), stiffness)


@pytest.mark.parametrize("shape", [(40, 60), (33, 47), (9, 70)])
def test_a_field_known_at_a_few_pixels_fills_all(shape):
    weight = torch.zeros(shape)
    weight[::8, ::8] = 1e4
    found = attach(torch.full(shape, 0.3), weight, *_links(*shape), 1e-4)
    assert torch.allclose(found, torch.full(shape, 0.3), atol=3e-3)


def test_it_solves_its_equations():
    generator = torch.Generator().manual_seed(0)
    value, weight = torch.randn(12, 14, generator=generator), torch.rand(12, 14, generator=generator)
    across, down = torch.rand(12, 13, generator=generator) + 0.1, torch.rand(11, 14, generator=generator) + 0.1
    matrix, index = torch.diag((weight + 0.2).ravel()), torch.arange(12 * 14).reshape(12, 14)
    pairs = [(index[:, :-1], index[:, 1:], across), (index[:-1], index[1:], down)]
    for one, two, link in pairs:
        for a, b, strength in zip(one.ravel(), two.ravel(), link.ravel(), strict=True):
            matrix[a, a] += strength
            matrix[b, b] += strength
            matrix[a, b] -= strength
            matrix[b, a] -= strength
    exact = torch.linalg.solve(matrix, (weight * value).ravel()).reshape(12, 14)
    assert torch.allclose(attach(value, weight, across, down, 0.2), exact, atol=1e-3)


def test_nothing_known_is_no_correction():
    assert not attach(torch.ones(20, 20), torch.zeros(20, 20), *_links(20, 20), 0.1).any()


def test_what_is_known_stays_on_its_side_of_an_edge():
    across, down = _links(20, 30)
    across[:, 14] = 1e-3
    value, weight = torch.zeros(20, 30), torch.zeros(20, 30)
    value[:, 0], weight[:, 0] = 0.5, 1e4
    value[:, -1], weight[:, -1] = -0.5, 1e4
    found = attach(value, weight, across, down, 1e-4)
    assert (found[:, :15] > 0.45).all()
    assert (found[:, 15:] < -0.45).all()
