import pytest
import torch

from recon3d.refine.aggregate import aggregate

SHAPE = (5, 12, 16)


def _aggregated(cost, grey=None, small=0.1, large=1.0):
    grey = torch.zeros(cost.shape[1:]) if grey is None else grey
    return aggregate(cost, grey, small=small, large=large, edge=0.05)


def test_without_a_price_on_changes_every_pixel_stands_alone():
    cost = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(_aggregated(cost, small=0.0, large=0.0), cost, atol=1e-5)


def test_a_pixel_that_says_nothing_takes_the_label_around_it():
    cost = torch.ones(SHAPE)
    cost[3] = 0.2
    cost[:, 4:8, 5:9] = 1.0
    assert (_aggregated(cost).argmin(dim=0) == 3).all()


def test_surfaces_change_at_edges_of_the_photo():
    cost = torch.ones(SHAPE)
    cost[0, :, :2], cost[4, :, -2:] = 0.0, 0.0
    grey = torch.zeros(SHAPE[1:])
    grey[:, 9:] = 1.0
    labels = _aggregated(cost, grey, small=0.3).argmin(dim=0)
    assert (labels[:, :9] == 0).all()
    assert (labels[:, 9:] == 4).all()


@pytest.mark.parametrize("turn", [(1,), (2,), (1, 2)])
def test_turning_the_image_turns_the_result(turn):
    cost = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(_aggregated(cost.flip(turn)), _aggregated(cost).flip(turn), atol=1e-5)
    assert torch.allclose(_aggregated(cost.transpose(1, 2)), _aggregated(cost).transpose(1, 2), atol=1e-5)
