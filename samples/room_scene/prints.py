"""Printed things, as uint8 pictures: framed art, posters, book spines, magazine covers."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .noise import clouds, grained
from .surfaces import Colour, sprig

SYLLABLES = [
    "ar", "bel", "cor", "dan", "el", "fin", "gar", "hol", "is", "jun", "kor", "lum", "mer",
    "nol", "or", "pas", "quil", "ros", "sel", "tam", "ul", "ven", "wil", "yar", "zen",
]  # fmt: skip
INKS: list[Colour] = [
    (178, 58, 44), (32, 74, 120), (222, 178, 70), (46, 108, 92), (236, 228, 210), (38, 36, 44),
    (206, 122, 76), (124, 92, 140), (94, 138, 168), (150, 160, 96), (226, 206, 196), (110, 44, 52),
]  # fmt: skip


def word(rng: np.random.Generator) -> str:
    """A made-up word."""
    return "".join(SYLLABLES[k] for k in rng.integers(len(SYLLABLES), size=rng.integers(1, 4))).capitalize()


def ink(rng: np.random.Generator) -> Colour:
    """One of the printer's colours."""
    return INKS[rng.integers(len(INKS))]


def landscape(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Ranges of hills under a low sun."""
    rows = np.linspace(0, 1, height)[:, None, None]
    picture = np.array([236, 190, 140]) * (1 - rows) + np.array([250, 226, 190]) * rows
    picture = picture + 10 * clouds((height, width), 60, rng, stretch=(0.4, 2))[..., None]
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    x, r = width * rng.uniform(0.25, 0.75), 0.09 * width
    draw.ellipse([x - r, 0.3 * height - r, x + r, 0.3 * height + r], fill=(250, 240, 214))
    for k in range(6):
        line = (0.42 + 0.1 * k) * height + 0.05 * height * clouds((1, width), width / (2 + k), rng, octaves=6)[0]
        shade = tuple(int(c) for c in np.array([120, 130, 160]) * (1 - 0.13 * k) + rng.normal(0, 10, 3))
        draw.polygon([(0, height), *enumerate(line.tolist()), (width, height)], fill=shade)
        for _ in range(14 * k):
            tx = int(rng.integers(0, width))
            ty, s = line[tx], 5 + 3 * k
            draw.polygon([(tx - s / 3, ty + 3), (tx, ty - s), (tx + s / 3, ty + 3)], fill=(30, 52, 48))
    return grained(np.asarray(image, np.float32), rng, 0.05)


def city(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A crowd of houses with lit windows."""
    image = Image.new("RGB", (width, height), (222, 212, 190))
    draw = ImageDraw.Draw(image)
    for depth in range(4):
        x = -20
        while x < width:
            w = int(rng.integers(width // 14, width // 6))
            top = int(height * rng.uniform(0.15 + 0.17 * depth, 0.4 + 0.17 * depth))
            wall = ink(rng)
            draw.rectangle([x, top, x + w, height], fill=wall, outline=(40, 36, 36), width=2)
            draw.polygon([(x, top), (x + w / 2, top - w * rng.uniform(0.2, 0.7)), (x + w, top)], fill=ink(rng))
            for wy in range(top + 8, height, 20):
                for wx in range(x + 7, x + w - 8, 15):
                    if rng.random() < 0.75:
                        pane = (246, 222, 140) if rng.random() < 0.4 else (52, 56, 74)
                        draw.rectangle([wx, wy, wx + 7, wy + 11], fill=pane)
            x += w
    return grained(np.asarray(image, np.float32), rng, 0.05)


def town_map(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A street map: blocks, avenues, a river, names."""
    image = Image.new("RGB", (width, height), (238, 230, 210))
    draw = ImageDraw.Draw(image)
    seeds = rng.uniform((0, 0), (width, height), (160, 2))
    y, x = np.mgrid[0:height:2, 0:width:2]
    distance = (x[..., None] - seeds[:, 0]) ** 2 + (y[..., None] - seeds[:, 1]) ** 2
    first, second = np.partition(np.sqrt(distance), 1, axis=-1)[..., :2].transpose(2, 0, 1)
    blocks = np.array([ink(rng) for _ in seeds], np.float32)[np.argmin(distance, -1)] * 0.4 + 145
    blocks[(second - first) < 6] = (250, 248, 240)
    image.paste(Image.fromarray(blocks.astype(np.uint8)).resize((width, height)))
    river = 0.5 * height + 0.15 * height * clouds((1, width), width / 3, rng)[0]
    draw.line(list(enumerate(river.tolist())), fill=(104, 150, 186), width=width // 22, joint="curve")
    for _ in range(26):
        font = ImageFont.load_default(float(rng.integers(10, 26)))
        draw.text(
            rng.uniform((0, 0), (width * 0.85, height * 0.95)),
            word(rng).upper(),
            fill=(60, 44, 40),
            font=font,
        )
    return grained(np.asarray(image, np.float32), rng, 0.04)


def herbarium(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Pressed plants with a label each."""
    image = Image.new("RGB", (width, height), (240, 232, 214))
    draw = ImageDraw.Draw(image)
    greens: list[Colour] = [(66, 96, 58), (104, 122, 66), (140, 92, 60), (60, 84, 84), (150, 70, 66)]
    for row in range(3):
        for column in range(2):
            x, y = width * (0.27 + 0.46 * column), height * (0.2 + 0.3 * row)
            for _ in range(2):
                spot = rng.normal((x, y), 0.05 * width)
                sprig(draw, *spot, 0.3 * width, greens[rng.integers(len(greens))], rng)
            font = ImageFont.load_default(0.035 * width)
            draw.text(
                (x - 0.12 * width, y + 0.12 * height),
                f"{word(rng)} {word(rng)}",
                fill=(50, 40, 36),
                font=font,
            )
    return grained(np.asarray(image, np.float32), rng, 0.05)


def mosaic(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Rectangles split and split again, each with a disc, a stripe or nothing."""
    image = Image.new("RGB", (width, height), (30, 28, 30))
    draw = ImageDraw.Draw(image)
    todo = [(0, 0, width, height)]
    while todo:
        a, b, c, d = todo.pop()
        w, h = c - a, d - b
        if max(w, h) > width / 9 and (max(w, h) > width / 3 or rng.random() < 0.8):
            cut = rng.uniform(0.35, 0.65)
            if w > h:
                todo += [(a, b, int(a + cut * w), d), (int(a + cut * w), b, c, d)]
            else:
                todo += [(a, b, c, int(b + cut * h)), (a, int(b + cut * h), c, d)]
            continue
        draw.rectangle([a + 2, b + 2, c - 2, d - 2], fill=ink(rng))
        if rng.random() < 0.5:
            r = min(w, h) * 0.35
            x, y = (a + c) / 2, (b + d) / 2
            draw.ellipse([x - r, y - r, x + r, y + r], fill=ink(rng))
        elif rng.random() < 0.5:
            for k in range(a + 5, c - 4, 9):
                draw.line([k, b + 4, k, d - 4], fill=ink(rng), width=3)
    return grained(np.asarray(image, np.float32), rng, 0.05)


def poster(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Large type, discs and small print: a poster or a magazine cover."""
    image = Image.new("RGB", (width, height), ink(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(9):
        x, y = rng.uniform((0, 0.25 * height), (width, 0.8 * height))
        r = width * rng.uniform(0.05, 0.3)
        if rng.random() < 0.6:
            draw.ellipse([x - r, y - r, x + r, y + r], fill=ink(rng))
        else:
            turn = rng.uniform(0, math.pi)
            points = [(x + r * math.cos(turn + k), y + r * math.sin(turn + k)) for k in (0, 2.1, 4.2)]
            draw.polygon(points, fill=ink(rng))
    draw.text((0.05 * width, 0.02 * height), word(rng), fill=ink(rng), font=ImageFont.load_default(0.2 * width))
    for k in range(7):
        font = ImageFont.load_default(0.05 * width)
        line = f"{word(rng)} {word(rng)} {word(rng)}"
        draw.text((0.06 * width, (0.8 + 0.027 * k) * height), line, fill=ink(rng), font=font)
    return grained(np.asarray(image, np.float32), rng, 0.04)


def spines(count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` book spines side by side, each 48 px broad and 400 px high, title running down."""
    strip = Image.new("RGB", (48 * count, 400))
    for k in range(count):
        ground, print_ink = ink(rng), ink(rng)
        if rng.random() < 0.5:
            ground = tuple(int(c * rng.uniform(0.5, 1)) for c in ground)
        while sum(abs(a - b) for a, b in zip(ground, print_ink, strict=True)) < 150:
            print_ink = ink(rng)
        one = Image.new("RGB", (400, 48), ground)
        draw = ImageDraw.Draw(one)
        for _ in range(rng.integers(0, 4)):
            x, w = int(rng.integers(5, 390)), int(rng.integers(2, 22))
            draw.rectangle([x, 0, x + w, 48], fill=ink(rng))
        title = " ".join(word(rng) for _ in range(rng.integers(1, 4)))
        if rng.random() < 0.5:
            title = title.upper()
        x, size = int(rng.integers(20, 60)), float(rng.integers(20, 36))
        draw.text((x, 24), title, fill=print_ink, font=ImageFont.load_default(size), anchor="lm")
        draw.text((390, 24), word(rng), fill=print_ink, font=ImageFont.load_default(14.0), anchor="rm")
        strip.paste(one.rotate(-90, expand=True), (48 * k, 0))
    return grained(np.asarray(strip, np.float32), rng, 0.05)


ART = {
    "landscape": landscape,
    "city": city,
    "map": town_map,
    "herbarium": herbarium,
    "mosaic": mosaic,
    "poster": poster,
}
