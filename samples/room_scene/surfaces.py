"""Painted building surfaces and cloths, as uint8 pictures: floor, walls, rug, fabrics, leaves, the garden outside.

None repeats itself and none is symmetric: a pattern that fits in two places would mislead feature matching.
"""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .noise import clouds, grained, shaded, to_bytes

Colour = tuple[int, int, int]
OAK: Colour = (176, 131, 88)
WALNUT: Colour = (104, 70, 46)


def wood(shape: tuple[int, int], colour: Colour, rng: np.random.Generator, knots: int = 2) -> np.ndarray:
    """One board, its grain across the picture, as floats."""
    height, width = shape
    bend = clouds(shape, 90, rng, octaves=2, stretch=(0.6, 4))
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None]
    rings = rows / 7 + 1.6 * bend
    dark = np.zeros(shape, np.float32)
    for _ in range(rng.poisson(knots)):
        x, y, size = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(5, 11)
        near = np.exp(-(((columns - x) / (2.5 * size)) ** 2) - ((rows - y) / size) ** 2)
        rings = rings + 5 * near
        dark = np.maximum(dark, near**2)
    fibre = clouds(shape, 3, rng, octaves=2, stretch=(1, 25))
    factor = 1 + 0.09 * np.sin(rings) + 0.07 * fibre + 0.05 * bend - 0.45 * dark
    return shaded(colour, factor)


def floor(width: int, height: int, plank: int, rng: np.random.Generator) -> np.ndarray:
    """Oak planks with staggered joints; `plank` is their breadth [px]."""
    picture = np.zeros((height, width, 3), np.float32)
    for top in range(0, height, plank):
        left = -int(rng.integers(0, 9 * plank))
        while left < width:
            length = int(rng.integers(7 * plank, 13 * plank))
            tone = rng.normal(1, 0.11) * np.array([1, rng.normal(1, 0.015), rng.normal(1, 0.03)])
            board = wood((plank, length), OAK, rng, knots=1) * tone
            board[:2] *= 0.55
            board[:, :2] *= 0.55
            a, b = max(left, 0), min(left + length, width)
            rows = min(plank, height - top)
            if b > a:
                picture[top : top + rows, a:b] = board[:rows, a - left : b - left]
            left += length
    return to_bytes(picture)


def boards(width: int, height: int, colour: Colour, rng: np.random.Generator) -> np.ndarray:
    """A sheet of veneer."""
    return to_bytes(wood((height, width), colour, rng, knots=4))


def bricks(width: int, height: int, px_per_m: float, rng: np.random.Generator) -> np.ndarray:
    """Old brickwork, partly whitewashed."""
    course, length, joint = 0.075 * px_per_m, 0.225 * px_per_m, max(2, round(0.009 * px_per_m))
    mortar = shaded((178, 170, 158), 1 + 0.07 * clouds((height, width), 4, rng))
    picture = mortar.copy()
    palette = [(150, 84, 62), (168, 98, 70), (128, 70, 56), (182, 118, 88), (140, 92, 76), (110, 66, 58)]
    speckle = clouds((height, width), 12, rng, octaves=4)
    for row in range(math.ceil(height / course)):
        left = -rng.uniform(0.35, 0.65) * length if row % 2 else -rng.uniform(0, 0.12) * length
        while left < width:
            brick = length * rng.uniform(0.93, 1.05)
            top, bottom = round(row * course) + joint, round((row + 1) * course)
            a, b = max(0, round(left) + joint), min(width, round(left + brick))
            colour = np.array(palette[rng.integers(len(palette))]) * rng.normal(1, 0.08)
            if b > a:
                area = (slice(top, bottom), slice(a, b))
                picture[area] = shaded(tuple(colour), 1 + 0.13 * speckle[area])
            left += brick
    wash = 1 / (1 + np.exp(-3 * (clouds((height, width), 0.5 * px_per_m, rng, octaves=6) - 0.5)))[..., None]
    return to_bytes(picture * (1 - 0.55 * wash) + np.array([212, 206, 196]) * 0.55 * wash)


def plaster(width: int, height: int, colour: Colour, rng: np.random.Generator) -> np.ndarray:
    """Limewash on trowelled plaster: clouds, strokes and pits."""
    shape = (height, width)
    strokes = clouds(shape, 10, rng, octaves=3, stretch=(1, 6)) + clouds(shape, 10, rng, octaves=3, stretch=(6, 1))
    pits = np.clip(clouds(shape, 8, rng, octaves=2) - 1.9, 0, 1)
    broad = clouds(shape, 350, rng, octaves=5)
    return to_bytes(shaded(colour, 1 + 0.045 * broad + 0.028 * strokes - 0.35 * pits))


def sprig(draw: ImageDraw.ImageDraw, x: float, y: float, size: float, colour: Colour, rng: np.random.Generator):
    """Draws a bent stem with leaves and perhaps a flower."""
    heading, bend = rng.uniform(0, 2 * math.pi), rng.normal(0, 0.25)
    leaves = int(rng.integers(4, 9))
    slim = rng.uniform(0.25, 0.5)
    for k in range(leaves):
        nx, ny = x + size / leaves * math.cos(heading), y + size / leaves * math.sin(heading)
        draw.line([x, y, nx, ny], fill=colour, width=3)
        x, y, heading = nx, ny, heading + bend
        for side in (-1, 1):
            angle = heading + side * rng.uniform(0.6, 1.1)
            length = size * rng.uniform(0.2, 0.34) * (1 - 0.5 * k / leaves)
            outline = []
            for t in np.linspace(0, 2 * math.pi, 14):
                a, b = length * (0.5 - 0.5 * math.cos(t)), slim * length * 0.5 * math.sin(t)
                outline.append(
                    (
                        x + a * math.cos(angle) - b * math.sin(angle),
                        y + a * math.sin(angle) + b * math.cos(angle),
                    )
                )
            tint = tuple(int(np.clip(c * rng.normal(1, 0.1), 0, 255)) for c in colour)
            draw.polygon(outline, fill=tint)
    if rng.random() < 0.45:
        hue = [(196, 120, 86), (208, 164, 84), (176, 98, 104), (236, 226, 208)][rng.integers(4)]
        for k in range(6):
            px, py = x + 0.09 * size * math.cos(k * 1.047), y + 0.09 * size * math.sin(k * 1.047)
            r = 0.06 * size
            draw.ellipse([px - r, py - r, px + r, py + r], fill=hue)
        draw.ellipse([x - 4, y - 4, x + 4, y + 4], fill=(90, 70, 40))


def sprigs(
    width: int, height: int, ground: Colour, spacing: float, palette: list[Colour], rng: np.random.Generator
) -> np.ndarray:
    """Scattered sprigs on a ground: wallpaper, curtains, a cushion."""
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    for y in np.arange(0, height + spacing, spacing):
        for x in np.arange(0, width + spacing, spacing):
            px, py = rng.normal((x, y), 0.22 * spacing)
            colour = palette[rng.integers(len(palette))]
            sprig(draw, px, py, spacing * rng.uniform(0.5, 0.95), colour, rng)
    return grained(np.asarray(image, np.float32), rng, 0.03)


def kilim(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A flat-woven rug: bands of diamonds, zigzags, teeth and stripes, no two alike."""
    image = Image.new("RGB", (width, height), (58, 44, 52))
    draw = ImageDraw.Draw(image)
    palette = [
        (164, 62, 48),
        (38, 62, 92),
        (214, 196, 164),
        (196, 138, 62),
        (92, 104, 78),
        (120, 48, 58),
        (52, 40, 40),
    ]

    def pick() -> Colour:
        return palette[rng.integers(len(palette))]

    x = 0
    while x < width:
        band = int(rng.integers(26, 120))
        draw.rectangle([x, 0, x + band, height], fill=pick())
        kind, y = rng.integers(4), -int(rng.integers(0, 60))
        while y < height and band > 34:
            size = int(band * rng.uniform(0.7, 1.3))
            middle, half = x + band / 2, 0.42 * band
            if kind == 0:
                for shrink in (1, 0.66, 0.33):
                    h, s = half * shrink, size / 2 * shrink
                    c = y + size / 2
                    draw.polygon([(middle - h, c), (middle, c - s), (middle + h, c), (middle, c + s)], fill=pick())
            elif kind == 1:
                draw.line(
                    [(x + 4, y), (x + band - 4, y + size / 2), (x + 4, y + size)],
                    fill=pick(),
                    width=max(6, band // 6),
                )
            elif kind == 2:
                draw.polygon([(x + 3, y), (x + 3, y + size), (x + band - 3, y + size / 2)], fill=pick())
            else:
                draw.rectangle([x + 5, y + 4, x + band - 5, y + size - 4], fill=pick())
                draw.rectangle([middle - half / 2, y + size * 0.3, middle + half / 2, y + size * 0.7], fill=pick())
            y += size
        x += band
    picture = np.asarray(image, np.float32)
    picture *= (1 + 0.07 * np.sign(np.sin(np.arange(height) * 1.4)))[:, None, None]
    return grained(picture, rng, 0.08)


def weave(width: int, height: int, colour: Colour, rng: np.random.Generator, strength: float = 0.12) -> np.ndarray:
    """Heathered cloth."""
    shape = (height, width)
    threads = clouds(shape, 4, rng, octaves=2, stretch=(1, 5)) + clouds(shape, 4, rng, octaves=2, stretch=(5, 1))
    return to_bytes(shaded(colour, 1 + strength * 0.6 * threads + 0.3 * strength * clouds(shape, 40, rng)))


def plaid(width: int, height: int, palette: list[Colour], rng: np.random.Generator) -> np.ndarray:
    """A blanket of crossing stripes of many breadths."""
    stripes = []
    for length in (width, height):
        line = np.zeros((length, 3), np.float32)
        x = 0
        while x < length:
            step = int(rng.integers(6, 60))
            line[x : x + step] = palette[rng.integers(len(palette))]
            x += step
        stripes.append(line)
    return grained((stripes[0][None] + stripes[1][:, None]) / 2, rng, 0.08)


def leaf(rng: np.random.Generator) -> np.ndarray:
    """One leaf from stalk (bottom) to tip: midrib, side veins, mottling."""
    height, width = 256, 128
    x = np.abs(np.linspace(-1, 1, width))[None]
    y = np.linspace(1, 0, height)[:, None]
    veins = np.clip(np.cos((y * 22 - x * 7) * 2), 0.86, 1) - 0.86
    factor = 0.9 + 2.2 * veins + 0.12 * clouds((height, width), 14, rng)
    picture = shaded((62, 104, 44), factor)
    picture[:, width // 2 - 3 : width // 2 + 3] = (150, 176, 96)
    return to_bytes(picture)


def basket(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Wickerwork."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    over = np.sin(x / 6 + math.pi * (np.floor(y / 9) % 2)) * 0.5 + 0.5
    factor = (0.55 + 0.45 * over) * (0.75 + 0.25 * np.abs(np.sin(y / 9 * math.pi)))
    return to_bytes(shaded((190, 150, 96), factor * (1 + 0.14 * clouds((height, width), 20, rng))))


def garden(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """What stands outside the window: sky, three rows of trees, a hedge and a lawn, out of focus."""
    rows = np.linspace(0, 1, height)[:, None, None]
    sky = np.array([206, 222, 240]) * (1 - 0.04 * rows) + 7 * clouds((height, width), 300, rng)[..., None]
    image = Image.fromarray(to_bytes(sky))
    draw = ImageDraw.Draw(image)
    layers = [((142, 166, 150), 0.40, 0.10), ((104, 136, 96), 0.47, 0.12), ((80, 114, 66), 0.54, 0.09)]
    for colour, level, spread in [*layers, ((64, 98, 52), 0.69, 0.015)]:
        skyline = height * (level + spread * clouds((1, width), width / 5, rng, octaves=3)[0])
        draw.polygon([(0, height), *enumerate(skyline.tolist()), (width, height)], fill=colour)
        for _ in range(6000):
            x, r = rng.uniform(0, width), height * rng.uniform(0.004, 0.015)
            y = skyline[int(x)] + abs(rng.normal(0, 0.1)) * height - 0.3 * r
            tint = tuple(int(c) for c in np.clip(np.array(colour) * rng.normal(1, 0.12), 0, 255))
            draw.ellipse([x - 1.3 * r, y - r, x + 1.3 * r, y + r], fill=tint)
    lawn = to_bytes(shaded((138, 160, 88), 1 + 0.06 * clouds((height, width), 40, rng, stretch=(0.3, 2))))
    image.paste(Image.fromarray(lawn[int(0.75 * height) :]), (0, int(0.75 * height)))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(width / 500)))
