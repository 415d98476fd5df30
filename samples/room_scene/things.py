"""The small pieces: plant, flowers, mugs, bowl of fruit, magazines, laptop, clock, radio, toys."""

import itertools
import math

import bpy
import numpy as np
from mathutils import Matrix

from .shapes import box, cushion, grid, panel, place, rod, turned

Materials = dict[str, bpy.types.Material]


def leaf(
    at: Matrix,
    foot: np.ndarray,
    heading: float,
    rise: float,
    length: float,
    material: bpy.types.Material,
    breadth: float = 0.45,
) -> None:
    """One drooping leaf that starts at `foot`, rising at `rise` radians."""

    def blade(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        across = (u - 0.5) * breadth * length * np.sin(np.pi * np.clip(v, 0.02, 1) ** 0.8) ** 0.8
        along, drop = length * v * math.cos(rise), length * (v * math.sin(rise) - 0.42 * v**2)
        lift = 0.5 * np.abs(across)
        x = along * math.cos(heading) - across * math.sin(heading)
        y = along * math.sin(heading) + across * math.cos(heading)
        return foot + np.stack([x, y, drop + lift], -1)

    grid(at, blade, (5, 9), (1, 1), material)


def plant(at: Matrix, m: Materials, rng: np.random.Generator) -> None:
    """A fig in a basket, about 1.5 m high."""
    turned(at, (0, 0, 0), [(0, 0), (0.15, 0), (0.2, 0.16), (0.18, 0.3), (0.165, 0.3), (0.16, 0.26)], m["basket"])
    turned(at, (0, 0, 0), [(0.165, 0.25), (0, 0.27)], m["soil"])
    for _ in range(4):
        heading, lean = rng.uniform(0, 2 * math.pi), rng.uniform(0.03, 0.2)
        high = rng.uniform(0.7, 1.15)
        foot = np.array([0.04 * math.cos(heading), 0.04 * math.sin(heading), 0.26])
        tip = foot + np.array([lean * math.cos(heading), lean * math.sin(heading), high])
        rod(at, foot, tip, 0.012, m["bark"], tip=0.006)
        for t in np.linspace(0.25, 1, 11):
            turn = rng.uniform(0, 2 * math.pi)
            spot = foot + t * (tip - foot)
            leaf(at, spot, turn, rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.32), m["leaf"])


def flowers(at: Matrix, m: Materials, rng: np.random.Generator) -> None:
    """A vase with a bunch."""
    turned(at, (0, 0, 0), [(0, 0), (0.04, 0), (0.065, 0.08), (0.03, 0.17), (0.04, 0.2), (0.03, 0.18)], m["glaze"])
    for _ in range(14):
        heading, lean = rng.uniform(0, 2 * math.pi), rng.uniform(0.02, 0.13)
        tip = np.array([lean * math.cos(heading), lean * math.sin(heading), rng.uniform(0.3, 0.42)])
        rod(at, (0, 0, 0.12), tip, 0.0025, m["leaf"])
        leaf(at, 0.6 * tip + (0, 0, 0.05), heading, 0.8, 0.1, m["leaf"], 0.3)
        petals = m[["terracotta", "mustard", "paper"][rng.integers(3)]]
        for k in range(7):
            leaf(at, tip, k * 0.9, 0.5, rng.uniform(0.03, 0.045), petals, 0.7)


def mug(at: Matrix, material: bpy.types.Material) -> None:
    """A mug with a handle towards +x."""
    turned(at, (0, 0, 0), [(0, 0), (0.036, 0), (0.04, 0.09), (0.036, 0.09), (0.033, 0.01), (0, 0.01)], material)
    ring = np.linspace(-1.4, 1.4, 6)
    points = [(0.036 + 0.026 * math.cos(a), 0, 0.046 + 0.026 * math.sin(a)) for a in ring]
    for a, b in itertools.pairwise(points):
        rod(at, a, b, 0.005, material)


def fruit_bowl(at: Matrix, m: Materials, rng: np.random.Generator) -> None:
    """A wide bowl with apples and oranges."""
    turned(at, (0, 0, 0), [(0, 0), (0.06, 0), (0.15, 0.075), (0.145, 0.08), (0.06, 0.012), (0, 0.01)], m["glaze"])
    spots = [(0.07 * math.cos(k), 0.07 * math.sin(k), 0.03) for k in np.arange(6) * 1.05] + [(0, 0.01, 0.075)]
    ball = [(math.sin(t), 1 - math.cos(t)) for t in np.linspace(0, math.pi, 12)]
    for k, spot in enumerate(spots):
        r = rng.uniform(0.032, 0.038)
        turned(at, spot, [(r * a, r * b) for a, b in ball], m["apple" if k % 2 else "orange"], 18)


def magazine(at: Matrix, cover: bpy.types.Material) -> None:
    """A magazine lying on a table."""
    box(at, (0.21, 0.28, 0.006), (0, 0, 0), bpy.data.materials["paper"], bevel=0)
    panel(
        at @ place(0, 0, 0.0066),
        [(-0.105, -0.14, 0), (0.105, -0.14, 0), (0.105, 0.14, 0), (-0.105, 0.14, 0)],
        cover,
    )


def laptop(at: Matrix, m: Materials) -> None:
    """An open laptop, its keys towards -y."""
    box(at, (0.32, 0.22, 0.014), (0, 0, 0), m["steel"])
    for row in range(5):
        for column in range(13):
            box(
                at,
                (0.018, 0.017, 0.003),
                (-0.135 + 0.0225 * column, 0.065 - 0.022 * row, 0.013),
                m["black"],
                bevel=0,
            )
    lid = at @ place(0, 0.11, 0.01) @ Matrix.Rotation(math.radians(-18), 4, "X")
    box(lid, (0.32, 0.008, 0.21), (0, 0.004, 0), m["steel"])
    panel(
        lid,
        [(-0.15, -0.0008, 0.012), (0.15, -0.0008, 0.012), (0.15, -0.0008, 0.2), (-0.15, -0.0008, 0.2)],
        m["page"],
    )


def clock(at: Matrix, m: Materials) -> None:
    """A round wall clock in the plane y = 0, looking towards +y."""
    flat = at @ Matrix.Rotation(math.radians(-90), 4, "X")
    turned(flat, (0, 0, 0), [(0.16, 0), (0.16, 0.03), (0.145, 0.034), (0.14, 0.02), (0, 0.02)], m["walnut"])
    turned(flat, (0, 0, 0.0205), [(0.14, 0), (0, 0.0002)], m["paper"])
    for k in range(12):
        s, c = math.sin(k * math.pi / 6), math.cos(k * math.pi / 6)
        box(at, (0.012, 0.004, 0.026), (0.118 * s, 0.022, 0.118 * c - 0.013), m["black"], bevel=0)
    rod(at, (0, 0.026, 0), (0.05, 0.026, 0.05), 0.005, m["black"])
    rod(at, (0, 0.026, 0), (-0.09, 0.026, 0.045), 0.004, m["black"])


def radio(at: Matrix, m: Materials) -> None:
    """A wooden radio looking towards +y."""
    box(at, (0.3, 0.12, 0.17), (0, 0, 0), m["walnut"], bevel=0.015)
    panel(
        at,
        [(0.03, 0.061, 0.02), (-0.14, 0.061, 0.02), (-0.14, 0.061, 0.15), (0.03, 0.061, 0.15)],
        m["basket_fine"],
    )
    for z in (0.05, 0.11):
        rod(at, (0.09, 0.06, z), (0.09, 0.08, z), 0.022, m["brass"])


def toys(at: Matrix, m: Materials, rng: np.random.Generator) -> None:
    """Wooden blocks on the floor and a ball."""
    for _ in range(9):
        x, y = rng.uniform(-0.22, 0.22, 2)
        size = rng.uniform(0.035, 0.06)
        kind = ["terracotta", "mustard_paint", "glaze", "oak", "leaf_paint"][rng.integers(5)]
        box(at, (size, size, size), (x, y, 0), m[kind], turn=rng.uniform(0, 90))
    box(at, (0.05, 0.05, 0.05), (0.02, 0.3, 0), m["terracotta"], turn=20)


def pouf(at: Matrix, m: Materials) -> None:
    """A low round seat."""
    cushion(at, (0.5, 0.5, 0.36), (0, 0, 0), m["kilim"], puff=0.75)
