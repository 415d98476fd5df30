"""Furniture of realistic sizes: each function builds one piece, its back to y = 0, and returns its size [m]."""

import math

import numpy as np

from train_demo.palette import Palette
from train_demo.shapes import Place
from train_demo.small import Size, clutter, legs, plant, screen


def chair(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A chair with a solid or slatted back."""
    wood, seat = m.wood(), m.cloth() if rng.random() < 0.5 else m.wood()
    w, d, h = rng.uniform(0.4, 0.5), rng.uniform(0.4, 0.5), rng.uniform(0.43, 0.48)
    q = p.at(0, d / 2)
    legs(q, wood, w, d, h, rng.uniform(0.03, 0.05), rng.random() < 0.5)
    q.box((0, 0, h), (w, d, 0.04), seat)
    top = rng.uniform(0.8, 1.05)
    if rng.random() < 0.5:
        q.box((0, -d / 2 + 0.02, (h + top) / 2 + 0.08), (w, 0.03, top - h - 0.16), seat)
    else:
        for k in range(int(rng.integers(2, 6))):
            q.box((0, -d / 2 + 0.02, h + 0.12 + 0.09 * k), (w, 0.02, 0.05), wood)
    for sx in (-1, 1):
        q.box((sx * (w / 2 - 0.02), -d / 2 + 0.02, (h + top) / 2), (0.035, 0.035, top - h), wood)
    return w, d, top


def table(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A dining table with chairs, centred in its space."""
    h = rng.uniform(0.71, 0.77)
    w, d = rng.uniform(1.0, 2.0), rng.uniform(0.7, 1.0)
    wood = m.wood()
    q = p.at(0, d / 2 + 0.45)
    if rng.random() < 0.3:
        w = d = rng.uniform(0.8, 1.25)
        q = p.at(0, d / 2 + 0.45)
        q.cone((0, 0, h - 0.035), d / 2, d / 2, 0.035, wood, 24)
        q.cone((0, 0, 0), 0.25, 0.05, h - 0.03, m.wood(), 14)
    else:
        q.box((0, 0, h - 0.02), (w, d, rng.uniform(0.025, 0.05)), wood)
        legs(q, wood if rng.random() < 0.6 else m.metal(), w, d, h - 0.03, rng.uniform(0.05, 0.09), rng.random() < 0.3)
    if rng.random() < 0.15:
        q.box((0, 0, h + 0.003), (w * 1.0, d * 0.4, 0.006), m.cloth())
    clutter(q, m, rng, w, d, h + 0.005, int(rng.integers(0, 9)))
    state = int(rng.integers(1 << 31))
    for k in range(int(rng.integers(0, 7))):
        side = 1 if k % 2 else -1
        x = (k // 2 - 1) * 0.55 * min(w, 1.8) / 1.5
        c = q.at(x, side * (d / 2 + rng.uniform(0.0, 0.3)), 0, (math.pi if side > 0 else 0.0) + rng.normal(0, 0.2))
        chair(c.at(0, -0.3), m, np.random.default_rng(state))
    return w + 0.2, d + 0.9, h


def coffee_table(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A low table."""
    w, d, h = rng.uniform(0.6, 1.3), rng.uniform(0.45, 0.8), rng.uniform(0.32, 0.5)
    wood = m.wood()
    q = p.at(0, d / 2)
    if rng.random() < 0.3:
        q.cone((0, 0, h - 0.03), d / 2, d / 2, 0.03, wood, 20)
        legs(q, m.metal(), d * 0.75, d * 0.75, h - 0.03, 0.04, True)
    else:
        q.box((0, 0, h - 0.02), (w, d, 0.04), wood)
        legs(q, wood, w, d, h - 0.03, rng.uniform(0.03, 0.08), rng.random() < 0.4)
        if rng.random() < 0.4:
            q.box((0, 0, h * 0.35), (w * 0.9, d * 0.9, 0.02), wood)
    clutter(q, m, rng, w, d, h, int(rng.integers(0, 7)))
    return w, d, h


def sofa(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """One to three seats with cushions."""
    seats = int(rng.choice([1, 2, 2, 3, 3]))
    seat_w, d = rng.uniform(0.55, 0.8), rng.uniform(0.8, 1.0)
    arm, seat_h, back_h = rng.uniform(0.08, 0.25), rng.uniform(0.38, 0.46), rng.uniform(0.7, 0.95)
    w, cloth = seats * seat_w + 2 * arm, m.cloth()
    back, r, foot = rng.uniform(0.15, 0.28), rng.uniform(0.12, 0.4), rng.uniform(0.02, 0.15)
    p.cushion((0, d / 2, (seat_h - 0.1 + foot) / 2), (w, d, seat_h - 0.1 - foot), cloth, 0.12)
    p.cushion((0, back / 2, (back_h + foot) / 2), (w, back, back_h - foot), cloth, r)
    arm_h = rng.uniform(0.52, 0.68)
    for s in (-1, 1):
        p.cushion((s * (w - arm) / 2, d / 2, (arm_h + foot) / 2), (arm, d, arm_h - foot), cloth, r)
        p.box((s * (w / 2 - 0.08), d - 0.08, foot / 2), (0.05, 0.05, foot), m.wood())
    seat_mat = cloth if rng.random() < 0.8 else m.cloth()
    for k in range(seats):
        x = (k - (seats - 1) / 2) * seat_w
        p.cushion((x, (d + back) / 2, seat_h - 0.06), (seat_w, d - back, 0.17), seat_mat, 0.25)
        if rng.random() < 0.7:
            p.cushion((x, back + 0.08, seat_h + 0.22), (seat_w * 0.95, 0.2, 0.42), seat_mat, 0.45)
    for _ in range(int(rng.integers(0, 4))):
        size = rng.uniform(0.3, 0.5)
        q = p.at(rng.uniform(-0.4, 0.4) * w, back + 0.22, seat_h + size * 0.45, rng.normal(0, 0.3))
        q.cushion((0, 0, 0), (size, 0.15, size), m.cloth(), 0.5, 8)
    return w, d, back_h


def shelf(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A shelf with books and odds and ends."""
    w, d = rng.uniform(0.4, 1.8), rng.uniform(0.22, 0.4)
    h = rng.choice([rng.uniform(0.7, 1.2), rng.uniform(1.6, 2.2)])
    rows = max(2, round(h / rng.uniform(0.28, 0.4)))
    wood, t = m.wood(), 0.02
    back = wood if rng.random() < 0.7 else m.paint()
    for s in (-1, 1):
        p.box((s * (w - t) / 2, d / 2, h / 2), (t, d, h), wood)
    p.box((0, 0.005, h / 2), (w - 2 * t, 0.01, h), back)
    step = (h - t) / rows
    for k in range(rows + 1):
        z = t / 2 + k * step
        p.box((0, d / 2, z), (w, d, t), wood)
        if k == rows:
            break
        x = -w / 2 + t + 0.01
        books = [m.book() for _ in range(6)]
        fill = rng.choice([0.3, 0.95, 1.0])
        while x < w / 2 - 0.06:
            if rng.random() > fill:
                gap = rng.uniform(0.1, 0.35)
                if gap > 0.2 and x + gap < w / 2 - 0.05:
                    clutter(p.at(x + gap / 2, d * 0.6), m, rng, 0.1, 0.05, z + t / 2, 1)
                x += gap
                continue
            bw, bh = rng.uniform(0.015, 0.05), min(rng.uniform(0.16, 0.3), step - 0.04)
            bd = min(rng.uniform(0.12, 0.22), d - 0.02)
            front = d - rng.uniform(0.01, 0.05)
            p.box((x + bw / 2, front - bd / 2, z + t / 2 + bh / 2), (bw, bd, bh), int(rng.choice(books)))
            x += bw + 0.001
    if h < 1.3:
        clutter(p.at(0, d / 2), m, rng, w, d, h, int(rng.integers(0, 6)))
    return w, d, h


def cupboard(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A low board, a chest of drawers or a wardrobe."""
    h = float(rng.choice([rng.uniform(0.45, 0.65), rng.uniform(0.75, 1.1), rng.uniform(1.8, 2.3)]))
    w, d = rng.uniform(0.5, 2.0), rng.uniform(0.35, 0.62)
    body, front, knob = m.wood(), m.wood(), m.metal()
    foot = rng.uniform(0, 0.15)
    p.box((0, d / 2, (h + foot) / 2), (w, d, h - foot), body)
    if foot > 0.02:
        legs(p.at(0, d / 2), knob, w, d, foot, 0.05, False)
    cols, rows = max(1, round(w / rng.uniform(0.35, 0.6))), 1 if h > 1.5 else int(rng.integers(1, 5))
    cw, ch = (w - 0.02) / cols, (h - foot - 0.02) / rows
    for i in range(cols):
        for j in range(rows):
            x, z = -w / 2 + 0.01 + (i + 0.5) * cw, foot + 0.01 + (j + 0.5) * ch
            p.box((x, d + 0.006, z), (cw - 0.012, 0.018, ch - 0.012), front)
            p.box((x + (0.4 * cw if rows == 1 else 0), d + 0.025, z), (0.02, 0.03, 0.12 if rows == 1 else 0.02), knob)
    if h < 1.3:
        clutter(p.at(0, d / 2), m, rng, w, d, h, int(rng.integers(0, 7)))
        if rng.random() < 0.35:
            screen(p.at(0, d * 0.4, h), m, rng, min(w, rng.uniform(0.5, 1.4)))
    return w, d, h


def bed(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A bed, its head to the wall."""
    w, d, h = rng.choice([0.9, 1.4, 1.6, 1.8]), rng.uniform(2.0, 2.15), rng.uniform(0.4, 0.6)
    wood = m.wood()
    p.box(
        (0, 0.02, rng.uniform(0.35, 0.6)),
        (w + 0.06, 0.05, rng.uniform(0.7, 1.2)),
        wood if rng.random() < 0.6 else m.cloth(),
    )
    p.box((0, d / 2, h * 0.4), (w, d, h * 0.3), wood)
    legs(p.at(0, d / 2), wood, w, d, h * 0.3, 0.07, False)
    p.cushion((0, d / 2 + 0.03, h * 0.75), (w * 0.98, d * 0.98, h * 0.5), m.cloth(), 0.15)
    cover = rng.uniform(0.5, 0.8) * d
    p.cushion((0, d - cover / 2, h * 0.88), (w * 1.06, cover, h * 0.4), m.cloth(), 0.22)
    for k in range(2 if w > 1.2 else 1):
        x = (k - 0.5) * w * 0.5 if w > 1.2 else 0
        p.cushion((x, 0.3, h + 0.07), (min(0.7, w * 0.45), 0.45, 0.18), m.cloth(), 0.5)
    return w + 0.06, d, h


def desk(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A desk, often with a screen and a chair."""
    w, d, h = rng.uniform(0.9, 1.6), rng.uniform(0.5, 0.8), rng.uniform(0.71, 0.76)
    wood = m.wood()
    q = p.at(0, d / 2)
    q.box((0, 0, h - 0.015), (w, d, 0.03), wood)
    legs(q, wood if rng.random() < 0.5 else m.metal(), w, d, h - 0.03, 0.05, False)
    if rng.random() < 0.6:
        q.box((w / 2 - 0.22, 0, h * 0.5), (0.4, d - 0.05, h * 0.8), m.wood())
    if rng.random() < 0.7:
        screen(p.at(rng.uniform(-0.2, 0.2), 0.18, h), m, rng, rng.uniform(0.4, 0.7))
    clutter(q, m, rng, w, d, h, int(rng.integers(0, 8)))
    if rng.random() < 0.7:
        chair(p.at(rng.uniform(-0.2, 0.2), d + 0.45, 0, math.pi + rng.normal(0, 0.4)), m, rng)
    return w, d + 0.5, h


def kitchen(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A kitchen counter, often with cupboards above."""
    w, d, h = rng.uniform(1.2, 3.0), 0.6, rng.uniform(0.86, 0.94)
    front, top, knob = m.wood(), m.make(("marble", "plain", "wood"), (1, 3), m.colour(0.3), 0.6, 0.2), m.metal()
    upper = rng.random() < 0.7
    p.box((0, d / 2, h / 2), (w, d - 0.04, h), front)
    p.box((0, d / 2, h), (w + 0.02, d + 0.02, 0.04), top)
    n = max(2, round(w / 0.5))
    for k in range(n):
        x = -w / 2 + (k + 0.5) * w / n
        p.box((x, d, h / 2), (w / n - 0.01, 0.02, h - 0.12), front)
        p.box((x, d + 0.02, h - 0.12), (0.12, 0.02, 0.015), knob)
        if upper:
            p.box((x, 0.17, 1.75), (w / n - 0.01, 0.34, 0.7), front)
    clutter(p.at(0, d / 2), m, rng, w, d * 0.8, h + 0.02, int(rng.integers(2, 10)))
    return w, d, 2.1 if upper else h


def lamp(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A standing lamp."""
    h, r, q = rng.uniform(1.3, 1.8), rng.uniform(0.12, 0.25), p.at(0, 0.2)
    metal = m.metal()
    q.cone((0, 0, 0), 0.14, 0.12, 0.03, metal)
    q.cone((0, 0, 0), 0.015, 0.015, h, metal, 6, cap=False)
    q.cone((0, 0, h - 0.15), r, r * rng.uniform(0.5, 1), rng.uniform(0.2, 0.35), m.shade(), 14, cap=False)
    return 0.4, 0.4, h + 0.1


def odds(p: Place, m: Palette, rng: np.random.Generator) -> Size:
    """A stool, a box, a bin, a ball, a heap of boxes: what stands about."""
    s = rng.uniform(0.25, 0.6)
    q = p.at(0, s / 2)
    kind = rng.integers(4)
    if kind == 0:
        q.cone(
            (0, 0, 0), s * rng.uniform(0.3, 0.5), s * rng.uniform(0.3, 0.5), s * rng.uniform(0.7, 1.3), m.anything(), 16
        )
    elif kind == 1:
        q.cushion((0, 0, s / 2), (s, s, s), m.cloth(), rng.uniform(0.2, 1.0))
    elif kind == 2:
        for k in range(int(rng.integers(1, 4))):
            q.at(0, 0, 0, rng.normal(0, 0.3)).box((0, 0, s * (0.3 + 0.6 * k)), (s, s * 0.8, s * 0.6), m.anything())
    else:
        legs(q, m.wood(), s, s, s, 0.04, True)
        q.box((0, 0, s), (s, s, 0.05), m.anything())
    return s, s, s * 1.3


ALONG_WALLS = {
    sofa: 0.20, shelf: 0.20, cupboard: 0.18, bed: 0.07, desk: 0.08, kitchen: 0.04, lamp: 0.06, plant: 0.10, odds: 0.07,
}  # fmt: skip
"""What stands along walls, and how often."""
IN_THE_MIDDLE = {table: 0.35, coffee_table: 0.3, sofa: 0.1, chair: 0.1, odds: 0.1, plant: 0.05}
"""What stands away from walls, and how often."""
