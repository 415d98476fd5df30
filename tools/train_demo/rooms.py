"""Builds a furnished room of realistic size at random: walls with openings, furniture and lights."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from train_demo import furniture
from train_demo.palette import Palette
from train_demo.shapes import Place, Soup
from train_demo.textures import Library
from train_demo.walls import Room, build_wall, rectangle, wall_frame

Array = NDArray[np.float32]
WALLS = 4


def build(rng: np.random.Generator, library: Library) -> Room:
    """Draws a room."""
    size = (rng.uniform(2.8, 7.0), rng.uniform(2.8, 7.0), rng.choice([rng.uniform(2.3, 2.7), rng.uniform(2.4, 3.1)]))
    room = Room(tuple(float(x) for x in size), Soup())
    m = Palette(rng, room.soup, library)
    w, d, h = room.size
    floor, ceiling, paint = m.floor(), m.ceiling(), m.wall()
    Place(room.soup).quad((0, 0, 0), (w, 0, 0), (0, d, 0), floor)
    Place(room.soup).quad((0, d, h), (w, 0, 0), (0, -d, 0), ceiling)
    trim, white = m.wood(), m.make(("plain",), (1, 2), m.colour(0.1, 0.7, 1.0), 0.1)
    day = rng.random() < 0.8
    count = int(rng.integers(1, 4))
    with_window = set(rng.permutation(WALLS)[:count].tolist())
    for wall in range(WALLS):
        cover = m.wall() if rng.random() < 0.25 else paint
        build_wall(room, m, rng, wall, (cover, trim, white), wall in with_window, day)
    if rng.random() < 0.25:  # a chimney breast or a pillar
        a, b = rng.uniform(0.2, 0.9, 2)
        _stand(room, m, rng, lambda p, *_: (p.box((0, b / 2, h / 2), (a, b, h), paint), (a, b, h))[1], None)
    if rng.random() < 0.12:
        beam = m.wood()
        for k in range(int(rng.integers(1, 5))):
            Place(room.soup).box((w / 2, (k + 0.5) * d / 4, h - 0.08), (w, 0.14, 0.16), beam)
    if rng.random() < 0.6:
        _rug(room, m, rng)
    for _ in range(int(rng.integers(0, 5))):
        _stand(room, m, rng, _pick(rng, furniture.IN_THE_MIDDLE), None)
    for _ in range(int(rng.integers(3, 16))):
        _stand(room, m, rng, _pick(rng, furniture.ALONG_WALLS), int(rng.integers(WALLS)))
    for _ in range(int(rng.integers(0, 8))):
        _hang(room, m, rng)
    _lights(room, m, rng, day)
    return room


def _pick(rng: np.random.Generator, table: dict[Callable, float]) -> Callable:
    share = np.array(list(table.values()))
    return list(table)[int(rng.choice(len(share), p=share / share.sum()))]


def _stand(room: Room, m: Palette, rng: np.random.Generator, piece: Callable, wall: int | None) -> None:
    """Builds a piece at a free spot: in a copy first, kept if it fits."""
    for _ in range(4):
        soup = Soup(list(room.soup.materials))
        trial = Palette(rng, soup, m.library)
        if wall is None:
            w, d, _ = room.size
            p = Place(soup, (rng.uniform(0.6, w - 0.6), rng.uniform(0.6, d - 0.6), 0), rng.integers(4) * math.pi / 2)
            if rng.random() < 0.3:
                p = Place(soup, tuple(p.origin.tolist()), rng.uniform(0, 7))
        else:
            frame, length = wall_frame(room, wall)
            x = rng.uniform(0.3, length - 0.3) if rng.random() < 0.7 else rng.choice([0.6, length - 0.6])
            gap = 0.02 if rng.random() < 0.7 else rng.uniform(0.02, 0.3)
            p = Place(soup, tuple(frame.at(float(x), gap).origin.tolist()), frame.yaw + rng.normal(0, 0.02))
        size = piece(p, trial, rng)
        rect = rectangle(p, 0, 0, size[0], size[1], size[2])
        inside = rect[0] > -0.01 and rect[1] > -0.01 and rect[2] < room.size[0] + 0.01 and rect[3] < room.size[1] + 0.01
        clear = all(rect[0] > t[2] or rect[2] < t[0] or rect[1] > t[3] or rect[3] < t[1] for t in room.taken)
        if inside and clear and size[2] < room.size[2]:
            s = room.soup
            s.materials, s.corners = soup.materials, s.corners + soup.corners
            s.uvs, s.normals, s.owners = s.uvs + soup.uvs, s.normals + soup.normals, s.owners + soup.owners
            room.taken.append(rect)
            return


def _upright(room: Room) -> list[tuple[float, float, float, float, float]]:
    """What stands in the way of a picture: doors (height 0) and tall pieces."""
    return [t for t in room.taken if t[4] == 0.0 or t[4] > 1.2]


def _rug(room: Room, m: Palette, rng: np.random.Generator) -> None:
    w, d = rng.uniform(1.2, 3.0), rng.uniform(0.8, 2.2)
    two = m.colour(0.9)
    if rng.random() < 0.6:
        cloth = m.make(("motif",), (0, 0), m.colour(0.9), 0, other=two)
    else:
        cloth = m.make(("stripes", "checks", "pile", "weave"), (0.4, 2), m.colour(0.9), 0.6, other=two)
    x, y = rng.uniform(0.25, 0.75, 2) * room.size[:2]
    p = Place(room.soup, (x, y, 0), rng.choice([0, math.pi / 2, rng.uniform(0, 7)]))
    stretched = room.soup.materials[cloth].repeat == 0
    p.quad((-w / 2, -d / 2, 0.012), (w, 0, 0), (0, d, 0), cloth, (1, 1) if stretched else None)


def _hang(room: Room, m: Palette, rng: np.random.Generator) -> None:
    """A picture, a mirror-less frame, a wall board or a clock."""
    wall = int(rng.integers(WALLS))
    p, length = wall_frame(room, wall)
    w, h = rng.uniform(0.2, 1.1), rng.uniform(0.2, 0.9)
    x, z = rng.uniform(0.2 + w / 2, max(length - w / 2 - 0.2, 0.3 + w / 2)), rng.uniform(1.2, 1.8)
    rect = rectangle(p, x, 0.0, w, 0.1, z)
    if any(rect[0] < t[2] and rect[2] > t[0] and rect[1] < t[3] and rect[3] > t[1] for t in _upright(room)):
        return  # something taller, a door or a window is there
    draw = rng.random()
    if draw < 0.75:
        t = rng.uniform(0.01, 0.05)
        p.box((x, 0.012, z), (w + 2 * t, 0.024, h + 2 * t), m.wood())
        p.quad((x - w / 2, 0.026, z - h / 2), (w, 0, 0), (0, 0, h), m.picture(), (1, 1))
    elif draw < 0.92:
        p.box((x, 0.1, z), (w, 0.2, 0.025), m.wood())
        furniture.clutter(p.at(x, 0.1), m, rng, w, 0.15, z + 0.012, int(rng.integers(1, 5)))
    else:
        p.cushion((x, 0.02, z), (0.3, 0.04, 0.3), m.paint(), 1.0)


def _lights(room: Room, m: Palette, rng: np.random.Generator, day: bool) -> None:
    """A ceiling lamp or none, standing lamps' glow, and the sun."""
    w, d, h = room.size
    if rng.random() < 0.7:
        x, y = w * rng.uniform(0.35, 0.65), d * rng.uniform(0.35, 0.65)
        drop, r = rng.choice([0.03, rng.uniform(0.2, 0.9)]), rng.uniform(0.1, 0.25)
        shade, p = m.shade(), Place(room.soup, (x, y, h - drop))
        if drop < 0.1:
            p.cushion((0, 0, -0.04), (2 * r, 2 * r, 0.1), shade, 0.9)
        else:
            p.cone((0, 0, 0), 0.006, 0.006, drop, m.metal(), 4, cap=False)
            p.cone((0, 0, -0.2), r, r * rng.uniform(0.2, 1.0), 0.2, shade, 14, cap=False)
        if rng.random() < (0.25 if day else 0.95):
            tint = np.array((1.0, rng.uniform(0.72, 0.95), rng.uniform(0.45, 0.9)), np.float32)
            room.lamps.append((np.array((x, y, h - drop - 0.27), np.float32), tint * rng.uniform(1.5, 5)))
    if rng.random() < (0.2 if day else 0.8):
        tint = np.array((1.0, rng.uniform(0.7, 0.9), rng.uniform(0.4, 0.7)), np.float32)
        spot = np.array((w * rng.uniform(0.1, 0.9), d * rng.uniform(0.1, 0.9), rng.uniform(1.2, h - 0.2)), np.float32)
        room.lamps.append((spot, tint * rng.uniform(0.7, 3)))
    if day and room.windows and rng.random() < 0.35:
        inward = room.windows[int(rng.integers(len(room.windows)))].inward
        turn, rise = math.atan2(-inward[1], -inward[0]) + rng.normal(0, 0.6), rng.uniform(0.3, 1.0)
        sun = np.array((math.cos(turn) * math.cos(rise), math.sin(turn) * math.cos(rise), math.sin(rise)))
        room.sun = sun.astype(np.float32)
        room.sun_colour = np.array((1.0, rng.uniform(0.8, 1.0), rng.uniform(0.6, 0.95)), np.float32) * rng.uniform(
            4, 14
        )
