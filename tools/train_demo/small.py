"""Small things and parts: what stands on furniture, legs, screens, plants."""

import numpy as np

from train_demo.palette import Palette
from train_demo.shapes import Place

Size = tuple[float, float, float]
"""Width along x, depth along y (the piece stands on y in [0, depth]) and height [m]."""


def clutter(p: Place, m: Palette, rng: np.random.Generator, width: float, depth: float, z: float, count: int) -> None:
    """Cups, bottles, books, bowls and boxes on a surface width x depth with its centre at the origin."""
    for _ in range(count):
        x, y = rng.uniform(-0.45, 0.45, 2) * (width, depth)
        q = p.at(x, y, z, rng.uniform(0, 7))
        kind = rng.integers(7)
        if kind == 0:
            q.cone((0, 0, 0), 0.035, rng.uniform(0.03, 0.05), rng.uniform(0.08, 0.13), m.paint(), 10)
        elif kind == 1:
            r, h = rng.uniform(0.03, 0.05), rng.uniform(0.12, 0.25)
            mat = m.paint()
            q.cone((0, 0, 0), r, r, h, mat, 10)
            q.cone((0, 0, h), r, 0.3 * r, 0.3 * h, mat, 10)
        elif kind == 2:
            for k in range(int(rng.integers(1, 5))):
                q.at(0, 0, 0, rng.normal(0, 0.2)).box((0, 0, 0.015 + 0.03 * k), (0.15, 0.22, 0.03), m.book())
        elif kind == 3:
            q.cone((0, 0, 0), 0.05, rng.uniform(0.09, 0.15), rng.uniform(0.05, 0.1), m.paint(), 14)
            for _ in range(4):
                fruit = (*rng.uniform(-0.06, 0.06, 2), 0.1)
                q.cushion(fruit, (0.08, 0.08, 0.08), m.paint(), 1.0, 6)
        elif kind == 4:
            w, d, h = rng.uniform(0.08, 0.3, 3)
            q.box((0, 0, h / 2), (w, d, h), m.anything())
        elif kind == 5:
            plant(q, m, rng, rng.uniform(0.15, 0.4))
        else:
            frame = m.wood()
            q.box((0, 0, 0.1), (0.16, 0.02, 0.2), frame)
            q.quad((-0.07, 0.011, 0.01), (0.14, 0, 0), (0, 0, 0.18), m.picture(), (1, 1))


def legs(p: Place, mat: int, width: float, depth: float, height: float, thick: float, round_: bool) -> None:
    """Four legs at the corners of width x depth, centred."""
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (width / 2 - thick), sy * (depth / 2 - thick)
            if round_:
                p.cone((x, y, 0), thick * 0.35, thick * 0.5, height, mat, 8, cap=False)
            else:
                p.box((x, y, height / 2), (thick, thick, height), mat)


def screen(p: Place, m: Palette, rng: np.random.Generator, width: float) -> None:
    """A television or a monitor."""
    h, dark = width * 0.57, m.make(("plain",), (1, 2), (0.015, 0.015, 0.018), 0.2, 0.3)
    p.box((0, 0, 0.03), (width * 0.4, 0.18, 0.02), dark)
    p.box((0, 0, h / 2 + 0.06), (width, 0.04, h), dark)
    if rng.random() < 0.2:
        p.quad((-width * 0.48, 0.022, 0.08), (width * 0.96, 0, 0), (0, 0, h - 0.04), m.picture(), (1, 1))


def plant(p: Place, m: Palette, rng: np.random.Generator, height: float | None = None) -> Size:
    """A pot plant; `height` for one on a table."""
    h = height or rng.uniform(0.5, 1.9)
    q = p if height else p.at(0, 0.25)
    pot, leaf, n = h * rng.uniform(0.2, 0.35), m.leaf(), int(rng.integers(25, 160))
    q.cone((0, 0, 0), pot * 0.35, pot * rng.uniform(0.35, 0.55), pot, m.paint(), 12)
    crown, base = h * rng.uniform(0.2, 0.4), pot * 0.9
    q.cone((0, 0, base), 0.01, 0.008, h * 0.55, m.wood(), 5, cap=False)
    size, aspect = h * rng.uniform(0.07, 0.26), rng.uniform(0.12, 0.5)
    heading, rise = rng.uniform(0, 2 * np.pi, n), rng.uniform(-0.6, 1.2, n)
    out = np.stack((np.cos(heading) * np.cos(rise), np.sin(heading) * np.cos(rise), np.sin(rise)), 1)
    start = out * crown * rng.random((n, 1))
    start[:, 2] += base + (h - base) * rng.uniform(0.1, 0.8, n)
    side = np.cross(out, (0, 0, 1)) + rng.normal(0, 0.2, (n, 3))
    side *= size * aspect / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    middle, tip = start + out * size * 0.5, start + out * size + (0, 0, -0.2 * size)
    corners = np.stack((start, middle - side, middle + side, tip, middle + side, middle - side), 1).reshape(-1, 3, 3)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    uv = np.tile(np.array(((0.5, 0), (0, 0.5), (1, 0.5), (0.5, 1), (1, 0.5), (0, 0.5)), np.float32) * size, (n, 1))
    q.put(corners.astype(np.float32), uv.reshape(-1, 3, 2), np.repeat(normal[:, None], 3, 1), leaf)
    return 0.5, 0.5, h
