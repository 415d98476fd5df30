"""Procedural textures: small tileable pictures with mip levels, in one flat array that pixels are looked up in."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 128
LEVELS = 8  # 128, 64 … 1 px

Array = NDArray[np.float32]


def grid(rng: np.random.Generator, rows: int, cols: int, size: int = SIZE) -> Array:
    """Smooth tileable noise in [0, 1] with `rows` x `cols` random values, (size, size)."""
    cells = np.pad(rng.random((rows, cols), dtype=np.float32), 2, mode="wrap")
    big = cv2.resize(cells, (size * (cols + 4) // cols, size * (rows + 4) // rows), interpolation=cv2.INTER_CUBIC)
    top, left = 2 * size // rows, 2 * size // cols
    return cv2.resize(big[top : top + size, left : left + size], (size, size))


def fbm(rng: np.random.Generator, rows: int = 3, cols: int = 3, octaves: int = 5, gain: float = 0.6) -> Array:
    """Noise of several octaves in [0, 1], (SIZE, SIZE)."""
    total = np.zeros((SIZE, SIZE), np.float32)
    for k in range(octaves):
        total += gain**k * grid(rng, min(rows << k, SIZE), min(cols << k, SIZE))
    return _unit(total)


def _unit(a: Array) -> Array:
    low, high = np.percentile(a, (1, 99))
    return np.clip((a - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def _axes() -> tuple[Array, Array]:
    t = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE
    return np.meshgrid(t, t, indexing="xy")  # type: ignore[return-value]


def plain(rng: np.random.Generator) -> Array:
    """Almost even."""
    return 0.5 + rng.uniform(0.02, 0.25) * (fbm(rng, 2, 2, 6) - 0.5)


def cloudy(rng: np.random.Generator) -> Array:
    """Noise from coarse to fine."""
    return fbm(rng, int(rng.integers(1, 9)), int(rng.integers(1, 9)), 6, rng.uniform(0.4, 0.8))


def wood(rng: np.random.Generator) -> Array:
    """Wood grain, along v."""
    rings = np.sin(40 * fbm(rng, 1, 2, 3) * rng.uniform(0.5, 2.0)) * 0.5 + 0.5
    return _unit(rings * rng.uniform(0.1, 0.6) + fbm(rng, 2, int(rng.integers(16, 40)), 3))


def planks(rng: np.random.Generator) -> Array:
    """Boards of differing tone with joints."""
    count, grain = int(rng.choice([4, 8, 16])), wood(rng)
    u, v = _axes()
    board = (u * count).astype(int)
    joint = (v + rng.random(count)[board]) * int(rng.choice([1, 2, 4]))
    tone = rng.random((count, 16))[board, joint.astype(int) % 16]
    gap = ((u * count) % 1 < 0.07) | (joint % 1 < 0.015)
    return np.where(gap, 0.0, 0.25 + rng.uniform(0.2, 0.6) * tone + 0.25 * grain).astype(np.float32)


def bricks(rng: np.random.Generator) -> Array:
    """A brick bond."""
    rows, cols = int(rng.choice([4, 8])), int(rng.choice([2, 4]))
    u, v = _axes()
    row = (v * rows).astype(int)
    shifted = u * cols + 0.5 * (row % 2)
    tone = rng.random((rows, cols))[row, shifted.astype(int) % cols]
    gap = ((v * rows) % 1 < 0.12) | (shifted % 1 < 0.06)
    return np.where(gap, rng.uniform(0.7, 1.0), 0.5 * tone + 0.3 * fbm(rng, 8, 8, 4)).astype(np.float32)


def tiles(rng: np.random.Generator) -> Array:
    """Square tiles with grout."""
    n, width = int(rng.choice([1, 2, 4, 8])), rng.uniform(0.02, 0.06)
    u, v = _axes()
    gap = ((u * n) % 1 < width) | ((v * n) % 1 < width)
    tone = rng.random((n, n))[(v * n).astype(int), (u * n).astype(int)]
    body = 0.55 + rng.uniform(0, 0.4) * (tone - 0.5) + 0.2 * (fbm(rng) - 0.5)
    return np.where(gap, rng.uniform(0, 1), body).astype(np.float32)


def weave(rng: np.random.Generator) -> Array:
    """Cloth seen from near."""
    n = int(rng.choice([8, 16, 32]))
    u, v = _axes()
    cloth = np.sin(2 * np.pi * n * u) * np.sin(2 * np.pi * n * v) * 0.5 + 0.5
    return _unit(rng.uniform(0.1, 0.5) * cloth + 0.6 * grid(rng, SIZE, SIZE) + 0.5 * fbm(rng))


def stripes(rng: np.random.Generator) -> Array:
    """Stripes of random widths."""
    values = np.repeat(rng.random(SIZE // 4), 4)
    cuts = np.sort(rng.integers(0, SIZE, int(rng.integers(2, 12))))
    line = values[np.searchsorted(cuts, np.arange(SIZE))] if rng.random() < 0.7 else (np.arange(SIZE) // 8) % 2
    picture = np.tile(line.astype(np.float32), (SIZE, 1)) * 0.8 + 0.2 * fbm(rng, 8, 8, 4)
    return picture.T.copy() if rng.random() < 0.5 else picture


def checks(rng: np.random.Generator) -> Array:
    """Two sets of stripes, crossed."""
    a, b = stripes(rng), stripes(rng)
    return np.clip(0.5 * (a + b.T), 0, 1)


def dots(rng: np.random.Generator) -> Array:
    """Dots in rows."""
    n, radius = int(rng.choice([2, 4, 8])), rng.uniform(0.15, 0.4)
    u, v = _axes()
    inside = ((u * n) % 1 - 0.5) ** 2 + ((v * n) % 1 - 0.5) ** 2 < radius**2
    return (0.8 * inside + 0.2 * fbm(rng)).astype(np.float32)


def pile(rng: np.random.Generator) -> Array:
    """Carpet pile."""
    return _unit(grid(rng, SIZE, SIZE) + rng.uniform(0.2, 2) * fbm(rng, 2, 2, 4) + grid(rng, 64, 64))


def motif(rng: np.random.Generator) -> Array:
    """A mirrored ornament: wallpaper, or a rug when it is stretched over one."""
    half = (fbm(rng, 3, 3, 4)[: SIZE // 2, : SIZE // 2] * int(rng.integers(2, 6))) % 1
    half = np.round(half * 3) / 3
    whole = np.block([[half, half[:, ::-1]], [half[::-1], half[::-1, ::-1]]]).astype(np.float32)
    if rng.random() < 0.5:
        u, v = _axes()
        edge = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v))
        rings = rng.random(32)[np.clip(edge * 200, 0, 31).astype(int) // 3 * 3 % 32]
        whole = np.where(edge < rng.uniform(0.05, 0.16), rings, whole)
    return (0.9 * whole + 0.1 * grid(rng, SIZE, SIZE)).astype(np.float32)


def marble(rng: np.random.Generator) -> Array:
    """Veins."""
    return _unit(np.abs(np.sin(rng.uniform(4, 14) * fbm(rng, 2, 2, 5))) ** 0.5)


def picture(rng: np.random.Generator) -> Array:
    """A made-up painting, photo or poster, (SIZE, SIZE, 3)."""
    top, bottom = rng.random((2, 3))
    _, v = _axes()
    image = (top + (bottom - top) * v[..., None]).astype(np.float32)
    image += 0.5 * (np.stack([cloudy(rng) for _ in range(3)], -1) - 0.5) * rng.uniform(0, 1.2)
    for _ in range(int(rng.integers(0, 16))):
        centre, colour = rng.integers(0, SIZE, 2).tolist(), rng.random(3).tolist()
        axes = rng.integers(3, 50, 2).tolist()
        if rng.random() < 0.5:
            cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(image, centre, (np.array(centre) + axes).tolist(), colour, -1)
    return np.clip(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 3)), 0, 1)


def outside(rng: np.random.Generator) -> Array:
    """What a window shows: sky, trees, houses, (SIZE, SIZE, 3), v = 0 at the top."""
    _, v = _axes()
    sky = np.array([0.75, 0.87, 1.0]) * rng.uniform(0.8, 1.1)
    image = (sky + (1 - v[..., None]) * rng.uniform(-0.3, 0.1)).astype(np.float32)
    image += 0.2 * (fbm(rng, 2, 2, 5)[..., None] - 0.5)
    horizon = rng.uniform(0.3, 0.9)
    for _ in range(int(rng.integers(0, 4))):
        left, width, up = rng.integers(0, SIZE), rng.integers(10, 60), int(rng.integers(10, 60))
        corner = (int(left), int(SIZE * horizon) - up)
        cv2.rectangle(image, corner, (int(left + width), SIZE), (rng.random(3) * 0.7).tolist(), -1)
    line = horizon + 0.3 * (fbm(rng, 4, 4, 4)[0] - 0.5)
    green = np.array([0.2, 0.35, 0.12]) * rng.uniform(0.4, 1.6) * (0.4 + 1.2 * fbm(rng, 12, 12, 4)[..., None])
    return np.clip(np.where((v > line)[..., None], green, image), 0, 1).astype(np.float32)


def text(rng: np.random.Generator) -> Array:
    """Rows of dark marks on a light ground: pages, labels, keys."""
    rows = int(rng.choice([8, 16, 32]))
    marks = np.repeat(rng.random((rows, SIZE)) < 0.5, SIZE // rows, 0)
    _, v = _axes()
    return np.where(marks & ((v * rows) % 1 > 0.4), 0.15, 0.95).astype(np.float32)


KINDS: dict[str, tuple[Callable[[np.random.Generator], Array], int]] = {
    "plain": (plain, 12),
    "cloudy": (cloudy, 12),
    "wood": (wood, 12),
    "planks": (planks, 12),
    "bricks": (bricks, 4),
    "tiles": (tiles, 6),
    "weave": (weave, 10),
    "stripes": (stripes, 8),
    "checks": (checks, 4),
    "dots": (dots, 3),
    "pile": (pile, 6),
    "motif": (motif, 14),
    "marble": (marble, 4),
    "picture": (picture, 30),
    "outside": (outside, 16),
    "text": (text, 3),
}


@dataclass(frozen=True, eq=False)
class Library:
    """A set of textures.

    Attributes:
        flat: (P, 3) uint8, all mip levels of all textures one after another, level by level.
        first: (LEVELS,) index in `flat` of the first pixel of each level.
        names: texture numbers by kind.
    """

    flat: NDArray[np.uint8]
    first: NDArray[np.int64]
    names: dict[str, list[int]]

    def lookup(self, texture: NDArray[np.int64], uv: Array, level: Array) -> Array:
        """Bilinear look-up.

        Args:
            texture: (N,) texture numbers.
            uv: (N, 2), 1 = one repeat.
            level: (N,) mip level, fractions are rounded.

        Returns:
            (N, 3) in [0, 1].
        """
        level_idx = np.clip(np.rint(level), 0, LEVELS - 1).astype(np.int64)
        side = np.right_shift(SIZE, level_idx)
        position = (uv - np.floor(uv)) * side[:, None] - 0.5
        corner = np.floor(position).astype(np.int64)
        part = (position - corner).astype(np.float32)
        base = self.first[level_idx] + texture * side * side
        x0, y0 = corner[:, 0] % side, corner[:, 1] % side
        x1, y1 = (x0 + 1) % side, (y0 + 1) % side
        fx, fy = part[:, :1], part[:, 1:]
        row0, row1 = base + y0 * side, base + y1 * side
        top = self.flat[row0 + x0] * (1 - fx) + self.flat[row0 + x1] * fx
        low = self.flat[row1 + x0] * (1 - fx) + self.flat[row1 + x1] * fx
        return ((top * (1 - fy) + low * fy) * (1 / 255)).astype(np.float32)


def make_library(rng: np.random.Generator) -> Library:
    """Draws every kind of texture afresh."""
    images, names = [], {}
    for kind, (make, count) in KINDS.items():
        names[kind] = list(range(len(images), len(images) + count))
        for _ in range(count):
            image = make(rng)
            if image.ndim == 2:
                image = image[..., None] + rng.uniform(0, 0.06) * (np.stack([fbm(rng)] * 3, -1) - 0.5)
            images.append(np.broadcast_to(image, (SIZE, SIZE, 3)))
    stack = np.stack(images).astype(np.float32)
    levels, first, total = [], [], 0
    for _ in range(LEVELS):
        levels.append((np.clip(stack, 0, 1) * 255 + 0.5).astype(np.uint8).reshape(-1, 3))
        first.append(total)
        total += len(levels[-1])
        if stack.shape[1] > 1:
            n, half = len(stack), stack.shape[1] // 2
            stack = stack.reshape(n, half, 2, half, 2, 3).mean((2, 4))
    return Library(np.concatenate(levels), np.array(first, np.int64), names)
