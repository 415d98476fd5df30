import torch
from synthetic import plane_frames

from recon3d.refine.agreement import Opinion, disagreement
from recon3d.refine.warp import Look


def _opinion(frame, factor=1.0, sigma=0.001):
    log_depth = torch.log(factor * torch.tensor(frame.depth))
    return Opinion(torch.stack([log_depth, torch.full_like(log_depth, sigma)]), frame.camera, frame.world_from_cam)


def _said(opinions, offset):
    frame = plane_frames(2)[0]
    look = Look.of(frame.image, frame.camera, frame.world_from_cam, "cpu")
    found = disagreement(look, opinions, torch.tensor(frame.depth), torch.tensor([offset]))
    return found[0, 20:-20, 60:-20]  # what the other view sees too


def test_what_another_view_found_there_too_is_rewarded():
    other = plane_frames(2)[1]
    assert (_said([_opinion(other)], 0.0) < -0.99).all()


def test_what_another_view_looked_through_is_punished_and_what_is_hidden_from_it_is_not():
    other = plane_frames(2)[1]
    assert (_said([_opinion(other)], -0.3) > 0.99).all()
    assert (_said([_opinion(other)], 0.3).abs() < 0.01).all()


def test_an_unsure_view_speaks_low():
    other = plane_frames(2)[1]
    # a sigma ten times the tolerance: a tenth as loud, and nothing within three of them is looked through
    assert (_said([_opinion(other, sigma=0.2)], 0.0) > -0.11).all()
    assert (_said([_opinion(other, sigma=0.2)], -0.3) < 0).all()


def test_opinions_are_averaged():
    other = plane_frames(2)[1]
    both = _said([_opinion(other), _opinion(other, factor=1.5)], 0.0)
    assert torch.allclose(both, torch.zeros(()), atol=0.02)
