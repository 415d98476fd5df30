"""Aggregation: costs of neighbouring pixels taken together, so that surfaces are smooth but for edges."""

import torch


def aggregate(cost: torch.Tensor, grey: torch.Tensor, *, small: float, large: float, edge: float) -> torch.Tensor:
    """Semi-global matching: for each pixel and label the cost of the best surface through it.

    Along each of eight paths L(p, l) = C(p, l) + min(L(q, l), L(q, l ± 1) + P1, min L(q) + P2) - min L(q), where q is
    the pixel before p. The paths are added up with the pixel's own cost, which all hold, counted once: on a tree that
    sum is the exact min-marginal (Drory et al., Semi-global matching: a principled derivation, 2014), so that its
    shape over the labels tells how sure the best one is.

    Args:
        cost: (L, H, W), each label's own cost.
        grey: (H, W), the photo.
        small: P1, for a change by one label.
        large: P2, for any change.
        edge: grey difference at which a large change costs half of `large`, as surfaces end at edges of the photo.

    Returns:
        (L, H, W).

    Source: Hirschmüller, Stereo processing by semiglobal matching and mutual information, 2008.
    """
    down = _paths(cost.permute(1, 2, 0).contiguous(), grey, (0, 1, -1), small, large, edge)
    across = _paths(cost.permute(2, 1, 0).contiguous(), grey.T, (0,), small, large, edge)
    return down.permute(2, 0, 1) + across.permute(2, 1, 0) - 7 * cost


def _paths(
    cost: torch.Tensor, grey: torch.Tensor, shifts: tuple[int, ...], small: float, large: float, edge: float
) -> torch.Tensor:
    """Sum of the paths that go from row to row, both ways, and `shifts` columns aside each row; of costs (H, W, L)."""
    height = cost.shape[0]
    total = torch.zeros_like(cost)
    ways = torch.stack([cost, cost.flip(0)], dim=1)[:, :, None]  # (H, 2, 1, W, L): row by row from both ends
    greys = torch.stack([grey, grey.flip(0)], dim=1)[:, :, None]  # (H, 2, 1, W)
    state = ways[0].expand(-1, len(shifts), -1, -1)
    for row in range(height):
        if row > 0:
            before = torch.stack([_moved(state[:, k], shift) for k, shift in enumerate(shifts)], dim=1)
            grey_before = torch.cat([_moved(greys[row - 1], shift) for shift in shifts], dim=1)
            jump = torch.clamp(large / (1 + (greys[row] - grey_before).abs() / edge), min=small)
            before = before - before.amin(dim=-1, keepdim=True)
            reached = torch.minimum(before, jump[..., None])
            torch.minimum(reached[..., 1:], before[..., :-1] + small, out=reached[..., 1:])
            torch.minimum(reached[..., :-1], before[..., 1:] + small, out=reached[..., :-1])
            state = ways[row] + reached
        total[row] += state[0].sum(dim=0)
        total[height - 1 - row] += state[1].sum(dim=0)
    return total


def _moved(values: torch.Tensor, shift: int) -> torch.Tensor:
    """Columns (dimension 1) moved by `shift`; where nothing comes in, paths begin anew, from zeros."""
    if shift == 0:
        return values
    moved = torch.zeros_like(values)
    if shift > 0:
        moved[:, shift:] = values[:, :-shift]
    else:
        moved[:, :shift] = values[:, -shift:]
    return moved
