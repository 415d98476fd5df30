"""Walls with windows, curtains and doors, and what a room is."""

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from train_demo.palette import Palette
from train_demo.shapes import Material, Place, Soup

Array = NDArray[np.float32]
Rect = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Window:
    """A window pane: a corner, two edges [m], the direction into the room, and its brightness (linear RGB)."""

    corner: Array
    across: Array
    up: Array
    inward: Array
    radiance: Array


@dataclass
class Room:
    """A room: x in [0, size[0]], y in [0, size[1]], z in [0, size[2]] metres, z up.

    Attributes:
        taken: rectangles (x0, y0, x1, y1, height) where something stands [m].
        lamps: points that shine, with their power (linear RGB).
        sun: direction towards the sun, or None; `sun_colour` its brightness.
        panes: materials of the window panes.
    """

    size: tuple[float, float, float]
    soup: Soup
    taken: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    lamps: list[tuple[Array, Array]] = field(default_factory=list)
    panes: list[int] = field(default_factory=list)
    sun: Array | None = None
    sun_colour: Array | None = None


def wall_frame(room: Room, wall: int) -> tuple[Place, float]:
    """A frame whose x runs along a wall, y into the room and z up, origin at the wall's foot; and the wall's length."""
    w, d, _ = room.size
    origin = ((0, 0, 0), (w, 0, 0), (w, d, 0), (0, d, 0))[wall]
    return Place(room.soup, origin, wall * math.pi / 2), (w, d)[wall % 2]


def build_wall(
    room: Room, m: Palette, rng: np.random.Generator, wall: int, paints: tuple[int, int, int], window: bool, day: bool
) -> None:
    """A wall with its openings cut out, skirting, window or door; paints of wall, trim and frames."""
    paint, trim, white = paints
    p, length = wall_frame(room, wall)
    h = room.size[2]
    holes = []
    if window:
        ww, wh = min(rng.uniform(0.7, 2.4), length - 0.6), rng.uniform(0.8, 1.6)
        sill = rng.uniform(0.05, 0.3) if rng.random() < 0.2 else rng.uniform(0.7, 1.05)
        wh = min(wh if sill > 0.5 else 2.0, h - sill - 0.15)
        x = rng.uniform(0.25, length - ww - 0.25)
        holes.append((x, sill, x + ww, sill + wh))
        _window(room, m, rng, p, (x, sill, ww, wh), white, day)
    if rng.random() < 0.45 and not window:
        dw, dh = rng.uniform(0.75, 0.95), rng.uniform(1.97, 2.1)
        x = rng.uniform(0.15, length - dw - 0.15)
        holes.append((x, 0.0, x + dw, dh))
        _door(room, m, rng, p, (x, dw, dh), white)
    xs = sorted({0.0, length, *(v for a, _, c, _ in holes for v in (a, c))})
    zs = sorted({0.0, h, *(v for _, b, _, e in holes for v in (b, e))})
    for x0, x1 in itertools.pairwise(xs):
        for z0, z1 in itertools.pairwise(zs):
            if any(a <= x0 < c and b <= z0 < e for a, b, c, e in holes):
                continue
            idx = np.array(((0, 1, 2), (0, 2, 3)))
            points = np.array(((x0, 0, z0), (x1, 0, z0), (x1, 0, z1), (x0, 0, z1)), np.float32)
            p.put(points[idx], points[idx][..., (0, 2)], np.broadcast_to((0.0, 1.0, 0.0), (2, 3, 3)), paint)
    if rng.random() < 0.75:
        left = 0.0
        for a, b, c, _ in [*holes, (length, 0.0, length, 0.0)]:
            if b < 0.1:
                p.box(((left + a) / 2, 0.008, 0.05), (a - left, 0.016, 0.1), trim if rng.random() < 0.02 else white)
                left = c


def _window(room: Room, m: Palette, rng: np.random.Generator, p: Place, rect: Rect, white: int, day: bool) -> None:
    x, z, w, h = rect
    deep = rng.uniform(0.03, 0.3)
    frame, t = (white if rng.random() < 0.75 else m.wood()), rng.uniform(0.04, 0.08)
    power = rng.uniform(3, 14) if day else rng.uniform(0.01, 0.1)
    texture = int(rng.choice(m.library.names["outside"]))
    tone = tuple((power * np.array((rng.uniform(0.85, 1.1), 1.0, rng.uniform(0.9, 1.2)))).tolist())
    pane = room.soup.material(Material(texture, 0.0, (0.0, 0.0, 0.0), tone, 0.0, -1.0))
    p.quad((x, -deep, z), (w, 0, 0), (0, 0, h), pane, (1.0, 1.0))
    for a, b, c, e in ((x, z, 0, h), (x + w, z, 0, h), (x, z, w, 0), (x, z + h, w, 0)):  # the reveals
        p.quad((a, -deep, b), (0, deep, 0), (c, 0, e), white)
    for k in range(int(rng.integers(2, 5))):  # frames and bars
        for edge in (0, 1):
            xx = x + w * k / 3 if edge == 0 else x + w / 2
            if (edge == 0 and k in (0, 3)) or rng.random() < 0.3:
                p.box((min(max(xx, x + t / 2), x + w - t / 2), -deep + 0.03, z + h / 2), (t, 0.05, h), frame)
    for zz in (z + t / 2, z + h - t / 2, *([z + h * 0.6] if rng.random() < 0.3 else [])):
        p.box((x + w / 2, -deep + 0.03, zz), (w, 0.05, t), frame)
    if rng.random() < 0.6:
        p.box((x + w / 2, 0.08 - deep / 2, z - 0.015), (w + 0.1, deep + 0.16, 0.03), white)
    r = p.turn
    room.windows.append(
        Window(
            (r @ np.array((x, -deep + 0.06, z)) + p.origin).astype(np.float32),
            (r @ np.array((w, 0, 0))).astype(np.float32),
            (r @ np.array((0, 0, h))).astype(np.float32),
            (r @ np.array((0, 1, 0))).astype(np.float32),
            np.array(tone, np.float32) * 0.75,
        )
    )
    room.panes.append(pane)
    if rng.random() < 0.55:
        _curtains(m, rng, p, rect, room.size[2])
    if rng.random() < 0.4 and z > 0.6:
        p.cushion((x + w / 2, 0.07, 0.35), (min(w, 1.2), 0.1, 0.5), white, 0.15, 7)  # a radiator


def _curtains(m: Palette, rng: np.random.Generator, p: Place, rect: Rect, height: float) -> None:
    x, z, w, h = rect
    cloth, top = m.cloth(), min(z + h + rng.uniform(0.05, 0.25), height - 0.02)
    low = 0.02 if rng.random() < 0.7 else max(z - 0.1, 0.02)
    for s in (-1, 1):
        width = rng.uniform(0.25, 0.7)
        n, folds = 40, rng.uniform(3, 9)
        along = np.linspace(0, 1, n)
        y = 0.1 + rng.uniform(0.02, 0.06) * np.sin(2 * np.pi * folds * along + rng.normal(0, 0.3, n).cumsum() * 0.5)
        centre = x - 0.1 if s < 0 else x + w + 0.1
        xs = centre + s * 0.15 - s * along * width
        zs = np.array((top, low))
        points = np.stack((np.tile(xs, (2, 1)), np.tile(y, (2, 1)), np.repeat(zs[:, None], n, 1)), -1)
        uv = np.stack((np.tile(along * width * 1.6, (2, 1)), np.repeat(zs[:, None], n, 1)), -1)
        p.sheet(points.astype(np.float32), uv.astype(np.float32), cloth)
    p.box((x + w / 2, 0.1, top + 0.01), (w + 0.5, 0.025, 0.025), m.metal())


def _door(
    room: Room, m: Palette, rng: np.random.Generator, p: Place, rect: tuple[float, float, float], white: int
) -> None:
    x, w, h = rect
    leaf = white if rng.random() < 0.5 else m.wood()
    for a, b, c, e in ((x, 0, 0, h), (x + w, 0, 0, h), (x, h, w, 0)):  # the reveals
        p.quad((a, -0.13, b), (0, 0.13, 0), (c, 0, e), white)
    for xx in (x - 0.035, x + w + 0.035):
        p.box((xx, 0.01, h / 2), (0.07, 0.02, h), white)
    p.box((x + w / 2, 0.01, h + 0.035), (w + 0.14, 0.02, 0.07), white)
    if rng.random() < 0.3:  # open: a corridor behind
        deep, inner = rng.uniform(1.0, 3.0), m.wall()
        p.box((x + w / 2, -deep, 1.3), (w + 2.4, 0.1, 2.6), inner)
        for s in (-1, 1):
            p.box((x + w / 2 + s * (w / 2 + 0.6), -deep / 2 - 0.05, 1.3), (0.1, deep, 2.6), inner)
        p.box((x + w / 2, -deep / 2, -0.05), (w + 2.4, deep, 0.1), m.floor())
        p.box((x + w / 2, -deep / 2 - 0.1, 2.6), (w + 2.4, deep, 0.1), inner)
        if rng.random() < 0.7:
            p.at(x, 0.02, 0, rng.uniform(0.8, 2.6)).box((w / 2, 0, h / 2), (w, 0.04, h), leaf)
    else:
        y = -rng.uniform(0.01, 0.08)
        p.box((x + w / 2, y - 0.02, h / 2), (w + 0.02, 0.04, h + 0.02), leaf)
        rows = int(rng.integers(0, 4))
        for k in range(rows):
            p.box((x + w / 2, y, (k + 0.5) * h / rows), (w * 0.7, 0.015, h / rows * 0.75), leaf)
        p.box((x + 0.07, y + 0.04, 1.02), (0.12, 0.02, 0.02), m.metal())
    room.taken.append(rectangle(p, x + w / 2, 0.0, w, 0.5, 0.0))


def rectangle(p: Place, x: float, y: float, w: float, d: float, h: float) -> tuple[float, float, float, float, float]:
    """The room's rectangle (x0, y0, x1, y1, height) around w x d at (x, y) of a frame."""
    corners = np.array(((x - w / 2, y, 0), (x + w / 2, y, 0), (x - w / 2, y + d, 0), (x + w / 2, y + d, 0))) @ p.turn.T
    corners += p.origin
    (x0, y0), (x1, y1) = corners[:, :2].min(0), corners[:, :2].max(0)
    return float(x0), float(y0), float(x1), float(y1), h
