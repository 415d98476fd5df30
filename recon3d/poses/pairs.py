"""Which photos to match with which: all, neighbours and look-alikes, or neighbours by pose."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array

Key = TypeVar("Key", int, str)
Pair = tuple[int, int]
"""Numbers of two photos in capture order."""

WORDS = 64
"""Visual words of the global descriptor."""
SAMPLE = 50_000
"""Descriptors that the words are learnt from."""
PER_PHOTO = 2_000
"""Descriptors of one photo that enter its global descriptor."""
TILE = 16
"""Photos on each side of a tile of pairs: what is loaded for one pair serves its neighbours."""
MAX_TURN_DEG = 45.0
"""Photos whose viewing directions differ by more share little that can be matched [degrees]."""


def chosen_pairs(
    count: int,
    descriptors: Callable[[int], Array],
    *,
    exhaustive_up_to: int,
    similar: int,
    neighbours: int,
    seed: int,
) -> list[Pair]:
    """Pairs (a, b), a < b, of `count` photos in capture order.

    Args:
        count: number of photos.
        descriptors: gives the (N, 128) uint8 RootSIFT descriptors of a photo; not asked for a small set.
        exhaustive_up_to: up to this many photos all pairs are returned.
        similar: look-alikes of each photo beside its neighbours.
        neighbours: photos before and after each photo.
        seed: of the sampling.
    """
    reach = count if count <= exhaustive_up_to else neighbours
    pairs = {(a, b) for a in range(count) for b in range(a + 1, min(a + reach + 1, count))}
    if reach < count and similar:
        alike = look_alikes(global_descriptors(count, descriptors, seed=seed), similar, neighbours)
        pairs.update((min(a, b), max(a, b)) for a, b in alike.tolist())
    return sorted(pairs)


def in_tiles(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs in an order in which neighbours are of few photos: a square of the table of pairs after another."""
    return sorted(pairs, key=lambda pair: (pair[0] // TILE, pair[1] // TILE, *pair))


def global_descriptors(count: int, descriptors: Callable[[int], Array], *, seed: int) -> Array:
    """VLAD: one vector per photo, whose products tell how alike photos are.

    Jégou et al., Aggregating local descriptors into a compact image representation, CVPR 2010; signed square root and
    normalisation per word after Arandjelović and Zisserman, All about VLAD, CVPR 2013.

    Returns:
        (count, WORDS * 128) float32, rows of length 1 (0 for a photo without features).
    """
    rng = np.random.default_rng(seed)

    def some(i: int, most: int) -> Array:
        found = descriptors(i)
        if len(found) > most:
            found = found[np.sort(rng.choice(len(found), most, replace=False))]
        return found.astype(np.float32)

    words = _k_means(np.concatenate([some(i, max(SAMPLE // count, 16)) for i in range(count)]), rng)
    vectors = np.zeros((count, WORDS, 128), np.float32)
    for i in range(count):
        found = some(i, PER_PHOTO)
        member = (_nearest(found, words)[:, None] == np.arange(WORDS)).astype(np.float32)
        residual = member.T @ found - member.sum(0)[:, None] * words
        residual = np.sign(residual) * np.sqrt(np.abs(residual))
        vectors[i] = residual / np.maximum(np.linalg.norm(residual, axis=1, keepdims=True), 1e-6)
    flat = vectors.reshape(count, -1)
    unit: Array = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return unit


def look_alikes(vectors: Array, similar: int, neighbours: int) -> Array:
    """(K, 2) photos and their `similar` most similar others, neighbours in capture order left out."""
    likeness = vectors @ vectors.T
    order = np.arange(len(vectors))
    likeness[np.abs(order[:, None] - order) <= neighbours] = -np.inf
    best = np.argsort(-likeness, axis=1, kind="stable")[:, :similar]
    photo = np.broadcast_to(order[:, None], best.shape)
    other = np.isfinite(np.take_along_axis(likeness, best, axis=1))
    found: Array = np.stack([photo[other], best[other]], axis=1)
    return found


def pairs_by_pose(world_from_cam: Mapping[Key, SE3], *, per_photo: int = 8) -> list[tuple[Key, Key]]:
    """Pairs of photos that stand near each other and look the same way, within 45°.

    Each photo is matched with its nearest others, of which half are taken as they come and half with growing gaps, so
    that the frames of a video are matched across a baseline too.

    Args:
        world_from_cam: poses by name.
        per_photo: partners that each photo picks; it may be picked by others too.

    Returns:
        Pairs in the order of `world_from_cam`, each once.
    """
    names = list(world_from_cam)
    if len(names) < 2:
        return []
    centres = np.stack([pose.t for pose in world_from_cam.values()])
    forward = np.stack([pose.R[:, 2] for pose in world_from_cam.values()])
    ranks = _spread_ranks(per_photo)
    pairs: set[tuple[int, int]] = set()
    for i in range(len(names)):
        alike = np.flatnonzero(forward @ forward[i] >= np.cos(np.deg2rad(MAX_TURN_DEG)))
        alike = alike[alike != i]
        by_distance = alike[np.argsort(np.linalg.norm(centres[alike] - centres[i], axis=1), kind="stable")]
        pairs.update((min(i, j), max(i, j)) for j in by_distance[ranks[ranks < len(by_distance)]].tolist())
    return [(names[a], names[b]) for a, b in sorted(pairs)]


def _spread_ranks(count: int) -> Array:
    """0, 1, 2, 3, then with gaps that grow by half: places in a list of neighbours."""
    ranks = list(range(count // 2))
    gap = 1.0
    while len(ranks) < count:
        gap *= 1.5
        ranks.append((ranks[-1] if ranks else -1) + round(gap))
    return np.array(ranks, int)


def _k_means(samples: Array, rng: np.random.Generator, rounds: int = 12) -> Array:
    """(WORDS, 128) centres by Lloyd's algorithm from random samples; an empty word stays where it was."""
    if not len(samples):
        return np.zeros((WORDS, 128), np.float32)
    centres = samples[rng.choice(len(samples), WORDS, replace=len(samples) < WORDS)].copy()
    for _ in range(rounds):
        member = (_nearest(samples, centres)[:, None] == np.arange(WORDS)).astype(np.float32)
        size = member.sum(0)
        centres = np.where(size[:, None] > 0, (member.T @ samples) / np.maximum(size, 1)[:, None], centres)
    return centres


def _nearest(points: Array, centres: Array) -> Array:
    nearest: Array = np.argmin((centres**2).sum(1) - 2 * points @ centres.T, axis=1)
    return nearest
