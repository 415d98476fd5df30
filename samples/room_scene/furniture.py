"""The big pieces: sofa, book shelf, tables, chairs, sideboard with the screen, door, curtains, floor lamp."""

import math

import bpy
import numpy as np
from mathutils import Matrix

from . import prints
from .materials import painted
from .shapes import body, box, cushion, grid, panel, place, rod, turned

Materials = dict[str, bpy.types.Material]


def sofa(at: Matrix, m: Materials) -> None:
    """Two metres broad, back towards -y, with cushions and a blanket over one arm."""
    for x in (-0.88, 0.88):
        for y in (-0.36, 0.36):
            rod(at, (x, y, 0), (x, y, 0.13), 0.02, m["walnut"], tip=0.03)
    box(at, (1.96, 0.86, 0.16), (0, 0, 0.13), m["sofa"], bevel=0.03)
    for x in (-0.9, 0.9):
        cushion(at, (0.2, 0.88, 0.48), (x, 0, 0.14), m["sofa"], puff=0.18)
    cushion(at, (1.9, 0.24, 0.66), (0, -0.34, 0.15), m["sofa"], lean=8, puff=0.16)
    for x in (-0.4, 0.4):
        cushion(at, (0.79, 0.7, 0.2), (x, 0.1, 0.27), m["sofa"], puff=0.2)
        cushion(at, (0.76, 0.2, 0.42), (x, -0.17, 0.44), m["sofa"], lean=14, puff=0.3)
    for x, kind, turn in ((-0.62, "kilim", 12), (-0.28, "mustard", -6), (0.58, "sprigs", -14)):
        cushion(at, (0.42, 0.15, 0.42), (x, 0.06, 0.46), m[kind], lean=22, turn=turn, puff=0.62)

    def fall(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        across = (v - 0.5) * 1.1
        over = np.clip(np.abs(across) - 0.1, 0, None)
        x = 0.9 + np.clip(across, -0.1, 0.1) * 1.12 + np.sign(across) * 0.02 * np.sin(u * 19 + 2)
        z = 0.642 - over - 0.012 * (np.abs(across) / 0.1).clip(0, 1) ** 2
        return np.stack([x, (u - 0.35) * 0.62 + 0.02 * np.sin(v * 11), z], -1)

    grid(at, fall, (26, 40), (1, 1), m["plaid"])


def book(size: tuple[float, float, float], slot: int, slots: int) -> tuple[np.ndarray, list, list]:
    """Vertices, faces and UVs of a book whose spine is its -y side."""
    sx, sy, sz = size
    corners = np.array([(x, y, z) for z in (0, sz) for y in (0, sy) for x in (0, sx)])
    left, right = (slot + 0.03) / slots, (slot + 0.97) / slots
    cover = [(left, 0.02), (left + 0.01 / slots, 0.02), (left + 0.01 / slots, 0.03), (left, 0.03)]
    faces = [(0, 1, 5, 4), (0, 4, 6, 2), (1, 3, 7, 5), (2, 6, 7, 3), (4, 5, 7, 6), (0, 2, 3, 1)]
    spine = [(left, 0.0), (right, 0.0), (right, 1.0), (left, 1.0)]
    return corners, faces, [spine, *[cover] * 5]


def books(at: Matrix, start: float, end: float, room: float, m: Materials, rng: np.random.Generator) -> None:
    """A row of books from x = start to x = end, standing on z = 0, spines at about y = 0, `room` high."""
    slots = 160
    vertices, faces, uv = [], [], []
    x = start
    while x < end - 0.05:
        thick, high = rng.uniform(0.014, 0.05), min(room - 0.02, rng.uniform(0.17, 0.29))
        corners, quads, corner_uv = book((thick, rng.uniform(0.13, 0.2), high), int(rng.integers(slots)), slots)
        count = 8 * len(vertices)
        tilt = math.radians(rng.uniform(3, 9)) if rng.random() < 0.06 else 0.0
        corners[:, 0] += math.tan(tilt) * corners[:, 2]
        corners += (x, rng.uniform(-0.012, 0.03), 0)
        vertices.append(corners)
        faces += [[k + count for k in quad] for quad in quads]
        uv += corner_uv
        x += thick + 0.001 + math.tan(tilt) * high
        if rng.random() < 0.05:
            x += rng.uniform(0.03, 0.08)
    body(at, np.concatenate(vertices), faces, np.array(uv).reshape(-1, 2), m["spines"])


def pile(at: Matrix, m: Materials, rng: np.random.Generator, count: int = 4) -> float:
    """Books lying on one another, the top cover printed; returns the height."""
    z = 0.0
    for k in range(count):
        thick, turn = rng.uniform(0.016, 0.04), rng.uniform(-14, 14)
        sx, sy = rng.uniform(0.2, 0.27), rng.uniform(0.14, 0.19)
        corners, faces, uv = book((thick, sy, sx), int(rng.integers(160)), 160)
        corners = np.stack([corners[:, 2] - sx / 2, corners[:, 1] - sy / 2, thick - corners[:, 0] + z], -1)
        body(at @ place(0, 0, 0, turn), corners, faces, np.array(uv).reshape(-1, 2), m["spines"])
        z += thick
        if k == count - 1:
            c = [(-sx / 2, -sy / 2), (sx / 2, -sy / 2), (sx / 2, sy / 2), (-sx / 2, sy / 2)]
            panel(at @ place(0, 0, z + 0.0006, turn), [(*p, 0) for p in c], m[f"cover{rng.integers(4)}"])
    return z


def shelf(at: Matrix, m: Materials, rng: np.random.Generator, broad: float = 1.8, high: float = 2.06) -> None:
    """An open book case with its back towards +y, and things among the books."""
    for x in (-broad / 2, 0, broad / 2):
        box(at, (0.028, 0.3, high), (x, 0, 0), m["walnut"], grain="z")
    box(at, (broad, 0.01, high), (0, 0.145, 0), m["walnut"], grain="z", bevel=0)
    levels = [0.06, 0.42, 0.76, 1.1, 1.43, 1.75]
    for z in [*levels, high - 0.025]:
        box(at, (broad, 0.29, 0.024), (0, 0, z), m["walnut"])
    for row, z in enumerate(levels):
        room = [*levels, high - 0.025][row + 1] - z - 0.026
        for side in (-1, 0):
            left = side * broad / 2 + 0.02
            gap = rng.uniform(0.0, 0.3) if rng.random() < 0.7 else 0.0
            on = at @ place(0, -0.1, z + 0.024)
            books(on, left, left + broad / 2 - 0.04 - gap, room, m, rng)
            if gap > 0.24:
                pile(on @ place(left + broad / 2 - 0.04 - gap / 2, 0.1, 0, 90), m, rng, 3)
            elif gap > 0.1:
                r = min(0.05, gap / 2 - 0.01)
                shape = [(0, 0), (r * 0.6, 0), (r, 0.06), (r * 0.9, 0.12), (r * 0.35, 0.17), (r * 0.5, 0.2)]
                spot = (left + broad / 2 - 0.05 - gap / 2, 0.1, 0)
                turned(on, spot, shape, m[["glaze", "terracotta", "brass"][row % 3]])
    box(at, (0.4, 0.26, 0.2), (-0.55, 0, high), m["basket"], bevel=0.02)
    pile(at @ place(0.45, 0, high), m, rng, 5)


def table(at: Matrix, size: tuple[float, float, float], m: Materials, top: str) -> None:
    """A rectangular table: (x, y, height)."""
    sx, sy, high = size
    box(at, (sx, sy, 0.035), (0, 0, high - 0.035), m[top], bevel=0.006)
    box(at, (sx - 0.12, sy - 0.12, 0.05), (0, 0, high - 0.085), m["walnut"])
    for x in (-sx / 2 + 0.07, sx / 2 - 0.07):
        for y in (-sy / 2 + 0.07, sy / 2 - 0.07):
            rod(at, (x, y, high - 0.04), (x * 1.04, y * 1.04, 0), 0.026, m["walnut"], tip=0.016)


def chair(at: Matrix, m: Materials, seat: str) -> None:
    """A wooden chair looking towards +y."""
    for x in (-0.19, 0.19):
        rod(at, (x, 0.18, 0.43), (x * 1.1, 0.2, 0), 0.018, m["oak"], tip=0.013)
        rod(at, (x, -0.18, 0.43), (x * 1.1, -0.23, 0), 0.018, m["oak"], tip=0.013)
        rod(at, (x, -0.18, 0.42), (x * 0.97, -0.26, 0.9), 0.017, m["oak"])
    box(at, (0.44, 0.43, 0.03), (0, 0, 0.42), m["oak"], bevel=0.012)
    cushion(at, (0.42, 0.41, 0.06), (0, 0, 0.445), m[seat], puff=0.25)
    for z in (0.6, 0.72, 0.84):
        y = -0.19 - 0.07 * (z - 0.42) / 0.48
        box(at, (0.37, 0.018, 0.06), (0, y, z), m["oak"], bevel=0.006)


def sideboard(at: Matrix, m: Materials, broad: float = 1.7) -> None:
    """A low chest of drawers, its front towards +y, with a glossy black screen on it."""
    box(at, (broad, 0.42, 0.5), (0, 0, 0.12), m["oak"], bevel=0.006)
    for x in (-broad / 2 + 0.1, broad / 2 - 0.1):
        for y in (-0.15, 0.15):
            rod(at, (x, y, 0.12), (x, y, 0), 0.02, m["walnut"])
    for column in range(3):
        x = (column - 1) * (broad - 0.06) / 3
        for row in range(2):
            box(at, ((broad - 0.12) / 3, 0.016, 0.215), (x, 0.212, 0.145 + 0.23 * row), m["oak_light"])
            rod(at, (x, 0.218, 0.25 + 0.23 * row), (x, 0.245, 0.25 + 0.23 * row), 0.013, m["brass"])
    box(at, (0.3, 0.2, 0.015), (0.05, 0, 0.62), m["black"])
    box(at, (0.06, 0.03, 0.08), (0.05, -0.02, 0.63), m["black"])
    box(at, (1.12, 0.035, 0.65), (0.05, 0, 0.69), m["black"], bevel=0.004)
    x, z, y = 0.55, 0.315, 0.0181
    panel(
        at @ place(0.05, y, 1.015),
        [(x, 0, -z), (-x, 0, -z), (-x, 0, z), (x, 0, z)],
        m["screen"],
    )


def framed(
    at: Matrix,
    name: str,
    size: tuple[float, float],
    seed: int,
    frame: bpy.types.Material,
    mount: bpy.types.Material,
) -> None:
    """A picture on a wall: hangs in the plane y = 0 of `at`, looks towards +y, (0, 0) is its centre."""
    w, h = size
    box(at, (w, 0.022, h), (0, 0.011, -h / 2), frame, bevel=0.003, grain="z" if h > w else "x")
    inner = (w - 0.045) / 2, (h - 0.045) / 2
    art = inner[0] - 0.045, inner[1] - 0.045
    pixels = prints.ART[name](int(1200 * art[0] * 2), int(1200 * art[1] * 2), np.random.default_rng(seed))
    shown = painted(f"art {name} {seed}", pixels, roughness=0.5)
    for (x, z), y, material in ((inner, 0.0226, mount), (art, 0.0232, shown)):
        panel(at, [(x, y, -z), (-x, y, -z), (-x, y, z), (x, y, z)], material)


def door(at: Matrix, m: Materials) -> None:
    """A panelled door in its frame: in the plane y = 0, looking towards +y."""
    box(at, (0.86, 0.03, 2.02), (0, 0.015, 0.005), m["door"], grain="z")
    for x in (-0.47, 0.47):
        box(at, (0.08, 0.05, 2.03), (x, 0.025, 0), m["oak_light"], grain="z")
    box(at, (1.02, 0.05, 0.08), (0, 0.025, 2.03), m["oak_light"])
    for x in (-0.2, 0.2):
        for z, h in ((0.16, 0.62), (0.9, 0.98)):
            box(at, (0.3, 0.014, h), (x, 0.033, z), m["door"], bevel=0.012, grain="z")
    rod(at, (0.36, 0.03, 1.02), (0.36, 0.08, 1.02), 0.011, m["brass"])
    rod(at, (0.37, 0.078, 1.02), (0.25, 0.078, 1.02), 0.009, m["brass"])


def curtain(at: Matrix, broad: float, high: float, m: Materials, phase: float) -> None:
    """Hangs in the plane y = 0 from z = high, in folds."""

    def folds(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        wave = np.sin(u * broad / 0.085 * 2 * math.pi / 1.6 + phase + 0.7 * np.sin(v * 3 + phase))
        x = (u - 0.5) * broad * (1 - 0.05 * np.sin(v * 2.6)) + 0.012 * np.cos(u * 40 + 2 * v)
        return np.stack([x, (0.035 + 0.012 * v) * wave, 0.02 + v * (high - 0.02)], -1)

    grid(at, folds, (110, 24), (broad * 1.6, high), m["curtain"])


def floor_lamp(at: Matrix, m: Materials) -> None:
    """A pole with a cloth shade that shines."""
    turned(at, (0, 0, 0), [(0, 0.03), (0.14, 0.03), (0.15, 0.015), (0.15, 0)], m["black"])
    rod(at, (0, 0, 0.02), (0, 0, 1.5), 0.011, m["brass"])
    turned(at, (0, 0, 1.36), [(0.2, 0), (0.14, 0.3)], m["shade"])
