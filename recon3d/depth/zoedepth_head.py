"""ZoeDepth's metric heads: each photo by the head that its own router chooses, with the spread of its bins."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.zoedepth.modeling_zoedepth import log_binom

_CPU_CHUNK, _CHUNK = 2048, 1 << 21
"""Pixels whose bins are worked on at a time: 0.5 MB of 64 bins, a part of a core's cache; few launches elsewhere."""
_ATTRACTION = 300.0
"""alpha of Bhat et al., equation 2; transformers uses it whatever `attractor_alpha` says."""
_P_EPS = 1e-4


@dataclass(frozen=True, eq=False)
class BinDepth:
    """What the network says about a batch of B photos.

    Attributes:
        depth: (B, h, w) float32, mean of the bins [m].
        variance: (B, h, w) float32, variance of the bins [m²].
        head_probability: (B, heads) float32, what the router says; 1 where there is one head.
    """

    depth: Tensor
    variance: Tensor
    head_probability: Tensor


class MetricHeads(nn.Module):
    """Does the work of transformers' one-headed or multiple metric head, with its weights.

    The same function as theirs but for this: they add the router's votes of all photos of a batch and send all to one
    head; here each photo has its own vote. Written for bytes, of which theirs moves several GB a photo: what is made
    of 64 bins a pixel is made in pieces that stay in the cache; the bins' logits, affine in (1, k) but for a
    constant that the softmax takes away, by one small matrix product; and the part of a 1x1 convolution that sees
    the embedding is applied before that is enlarged, not after (it commutes with a bilinear resize).
    """

    def __init__(self, head: Any, config: Any) -> None:
        super().__init__()
        self.head = head
        self.names: list[str] = [str(bins.get("name")) for bins in config.bin_configurations]
        self._configurations = config.bin_configurations
        self._normed = config.bin_centers_type == "normed"
        self._mean = config.attractor_kind == "mean"

    def forward(self, activation: Tensor, bottleneck: Tensor, blocks: list[Tensor], relative_depth: Tensor) -> BinDepth:
        """Predicts metres.

        Args:
            activation: (B, C, h, w) last features of the relative head.
            bottleneck: (B, C', h/32, w/32) coarsest features of the neck.
            blocks: features of the neck, from coarse to fine.
            relative_depth: (B, h, w).
        """
        head = self.head
        x = head.conv2(bottleneck)
        embeddings = [projector(block) for projector, block in zip(head.projectors, blocks, strict=True)]
        embedding = head.seed_projector(x)
        if len(self.names) == 1:
            activation = torch.cat((activation, relative_depth[:, None]), 1)
            depth, variance = self._by_head(0, x, activation, embedding, embeddings)
            return BinDepth(depth, variance, depth.new_ones(len(x), 1))
        probability = _precise(head.mlp_classifier(head.patch_transformer(x)[:, 0])).softmax(1)
        chosen = probability.argmax(1)
        shape = (activation.shape[0], *activation.shape[2:])
        depth = torch.empty(shape, dtype=probability.dtype, device=activation.device)
        variance = torch.empty_like(depth)
        used = sorted(set(chosen.tolist()))
        for index in used:
            members = (chosen == index).nonzero()[:, 0] if len(used) > 1 else slice(None)
            depth[members], variance[members] = self._by_head(
                index, x[members], activation[members], embedding[members], [block[members] for block in embeddings]
            )
        return BinDepth(depth, variance, probability)

    def _by_head(
        self, index: int, x: Tensor, activation: Tensor, embedding: Tensor, embeddings: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """(B, h, w) depth [m] and variance [m²] of photos that one head speaks about."""
        head, name, bins = self.head, self.names[index], self._configurations[index]
        nearest, farthest = bins["min_depth"], bins["max_depth"]
        several = len(self.names) > 1
        regressor = head.seed_bin_regressors[name] if several else head.seed_bin_regressor
        attractors = head.attractors[name] if several else head.attractors
        binomial = head.conditional_log_binomial[name] if several else head.conditional_log_binomial
        centres = _precise(regressor(x)[1])
        if self._normed:
            centres = (centres - nearest) / (farthest - nearest)
        for attractor, own in zip(attractors, embeddings, strict=True):
            points = attractor_points(attractor, own + _enlarged(embedding, own), normed=self._normed)
            centres = _enlarged(centres, points).contiguous()
            attract_(centres, points.contiguous(), mean=self._mean)
            embedding = own
        if self._normed:
            centres = ((farthest - nearest) * centres + nearest).sort(1)[0].clip(nearest, farthest)
        return expected_depth(binomial, activation, embedding, centres)


def attractor_points(attractor: Any, features: Tensor, *, normed: bool) -> Tensor:
    """(B, n, h, w) points that draw the bins' centres near."""
    points = _precise(attractor.act2(attractor.conv2(attractor.act1(attractor.conv1(features)))))
    # published code makes two values a point, to norm them, and then takes the first as it is
    return points[:, ::2] + 1e-3 if normed else points


def attract_(centres: Tensor, points: Tensor, *, mean: bool) -> None:
    """Moves bin centres toward the attractors, in place: c += sum or mean of d / (1 + alpha·d²), d = point - c.

    Args:
        centres: (B, bins, h, w), contiguous.
        points: (B, n, h, w), contiguous.
        mean: over the attractors, else their sum.

    Source: Bhat et al., ZoeDepth (arXiv 2302.12288), equation 2.
    """
    count = points.shape[1]
    one = centres.new_ones(())
    for c, p in _chunks(centres, points):
        shift, away, weight = torch.zeros_like(c), torch.empty_like(c), torch.empty_like(c)
        for i in range(count):
            torch.sub(p[i], c, out=away)
            torch.addcmul(one, away, away, value=_ATTRACTION, out=weight)
            shift.addcdiv_(away, weight)
        c.add_(shift, alpha=1 / count if mean else 1)


def expected_depth(binomial: Any, activation: Tensor, embedding: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each pixel's depth over its bins.

    Args:
        binomial: transformers' ZoeDepthConditionalLogBinomialSoftmax.
        activation: (B, C, h, w).
        embedding: (B, C', h', w'), its condition; coarser.
        centres: (B, K, h', w') of the bins [m].

    Returns:
        (B, h, w) mean [m] and (B, h, w) variance [m²].
    """
    first, activate, second, positive = binomial.mlp
    of_activation, of_embedding = first.weight.split([activation.shape[1], embedding.shape[1]], 1)
    condition = _enlarged(F.conv2d(embedding, of_embedding), activation)
    shape = (activation.shape[0], *activation.shape[2:])
    transform = binomial.log_binomial_transform
    log_binomials = log_binom(transform.k_minus_1, transform.k_idx).flatten()
    values = [_rows(of) for of in (activation, condition, _enlarged(centres, activation))]
    mean, variance = (centres.new_empty(len(values[0])) for _ in range(2))
    size = _chunk_of(centres)
    for a, e, c, m, v in zip(*(torch.split(of, size) for of in (*values, mean, variance)), strict=True):
        hidden = activate(F.linear(a, of_activation.flatten(1), first.bias) + e)
        four = _precise(positive(F.linear(hidden, second.weight.flatten(1), second.bias))) + _P_EPS
        share, heat = four[:, 0] / (four[:, 0] + four[:, 1]), four[:, 2] / (four[:, 2] + four[:, 3])
        temperature = (binomial.max_temp - binomial.min_temp) * heat + binomial.min_temp
        m[:], v[:] = bin_statistics(c, share, temperature, log_binomials)
    return mean.view(shape), variance.view(shape)


def bin_statistics(centres: Tensor, share: Tensor, temperature: Tensor, log_binomials: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of depth over bins with binomial probabilities.

    Args:
        centres: (N, K) of N pixels [m].
        share: (N,) p of the binomial, 0…1.
        temperature: (N,) that divides the logits.
        log_binomials: (K,) log of (K - 1 over k).

    Returns:
        (N,) mean [m] and (N,) variance [m²], with probabilities softmax((log (K - 1 over k) + k log p
        + (K - 1 - k) log(1 - p)) / temperature).
    """
    slope = share.clamp(_P_EPS, 1).log() - (1 - share).clamp(_P_EPS, 1).log()
    affine = torch.stack((1 / temperature, slope / temperature), 1)
    basis = torch.stack((log_binomials, torch.arange(len(log_binomials), device=centres.device)))
    with torch.autocast(centres.device.type, enabled=False):
        weighted = (affine @ basis.to(affine.dtype)).softmax(1).mul_(centres)
    mean = weighted.sum(1)
    return mean, (weighted.mul_(centres).sum(1) - mean**2).clamp_min_(0)


def _chunks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """(C, pixels) views of contiguous (B, C, h, w) tensors, photo by photo, piece by piece."""
    size = _chunk_of(tensors[0])
    for photo in zip(*(tensor.flatten(2) for tensor in tensors), strict=True):
        yield from zip(*(tensor.split(size, 1) for tensor in photo), strict=True)


def _chunk_of(values: Tensor) -> int:
    """Pixels to work on at a time."""
    return _CPU_CHUNK if values.device.type == "cpu" else _CHUNK


def _rows(values: Tensor) -> Tensor:
    """(B, C, h, w) as (B · h · w, C); a view where the channels come last in memory."""
    return values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])


def _precise(values: Tensor) -> Tensor:
    """In float32 at least: autocast's 16 bits are too few for bins and their logits."""
    return values.float() if values.dtype.itemsize < 4 else values


def _enlarged(values: Tensor, like: Tensor) -> Tensor:
    """(B, C, h', w') to the size of another, channels last in memory: on the CPU several times quicker."""
    values = values.contiguous(memory_format=torch.channels_last)
    return F.interpolate(values, like.shape[2:], mode="bilinear", align_corners=True)
