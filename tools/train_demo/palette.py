"""Draws materials at random: wood, cloth, paint, metal, glass, paper, leaves."""

import colorsys

import numpy as np

from train_demo.shapes import Material, Soup
from train_demo.textures import Library

Colour = tuple[float, float, float]


class Palette:
    """Makes materials in one room's soup; every call draws a new one."""

    def __init__(self, rng: np.random.Generator, soup: Soup, library: Library) -> None:
        self.rng, self.soup, self.library = rng, soup, library

    def colour(self, saturation: float = 0.5, low: float = 0.1, high: float = 0.85) -> Colour:
        """A random colour, linear RGB."""
        rng = self.rng
        hue = rng.choice([rng.random(), rng.normal(0.08, 0.05) % 1])  # half of a home is brownish
        value = rng.uniform(low, high)
        r, g, b = colorsys.hsv_to_rgb(hue, saturation * rng.random() ** 1.5, value)
        return r**1.8, g**1.8, b**1.8

    def make(
        self,
        kinds: tuple[str, ...],
        repeat: tuple[float, float],
        colour: Colour,
        contrast: float = 0.5,
        gloss: float = 0.0,
        other: Colour | None = None,
        emission: float = 0.0,
    ) -> int:
        """A material from one of the texture kinds; texture 0 is darker than `colour` by `contrast`."""
        rng = self.rng
        texture = int(rng.choice(self.library.names[str(rng.choice(kinds))]))
        c = np.array(colour)
        dark = np.array(other) if other is not None else c * (1 - contrast * rng.random())
        if rng.random() < 0.15:
            c, dark = dark, c
        scale = float(np.exp(rng.uniform(np.log(repeat[0]), np.log(repeat[1])))) if repeat[0] else 0.0
        gloss = gloss * float(rng.random())
        return self.soup.material(Material(texture, scale, tuple(dark), tuple(c), gloss, emission))

    def wood(self) -> int:
        """Bare or painted wood."""
        rng = self.rng
        tone = np.exp(rng.uniform(np.log(0.06), np.log(0.75)))
        c = tone * np.array((1.0, rng.uniform(0.55, 0.8), rng.uniform(0.25, 0.55)))
        if rng.random() < 0.25:
            c = np.array(self.colour(0.3))  # painted
            return self.make(("plain",), (1, 3), tuple(c), 0.3, 0.08)
        return self.make(("wood", "wood", "cloudy"), (0.7, 2.5), tuple(c), 0.7, 0.08)

    def cloth(self) -> int:
        """Upholstery, bedding, curtains."""
        kinds = ("weave", "weave", "plain", "cloudy", "stripes", "checks", "dots", "pile", "motif")
        two = self.colour(0.8) if self.rng.random() < 0.3 else None
        return self.make(kinds, (1.0, 6), self.colour(0.8, 0.12), 0.5, 0.0, two)

    def paint(self) -> int:
        """A painted or plastic thing."""
        return self.make(("plain", "plain", "cloudy"), (0.5, 3), self.colour(0.7), 0.2, 0.06)

    def metal(self) -> int:
        """Grey metal."""
        g = self.rng.uniform(0.02, 0.6)
        return self.make(("plain",), (2, 6), (g, g, g * self.rng.uniform(0.8, 1.05)), 0.3, 0.3)

    def book(self) -> int:
        """A book's cover."""
        return self.make(("plain", "text", "stripes", "cloudy"), (2, 12), self.colour(1.0, 0.05, 0.95), 0.8, 0.05)

    def picture(self) -> int:
        """A picture, stretched over its sheet."""
        return self.make(("picture",), (0, 0), (1, 1, 1), 0, 0.05, (0, 0, 0))

    def leaf(self) -> int:
        """Leaves."""
        g = self.rng.uniform(0.05, 0.4)
        c = (g * self.rng.uniform(0.3, 0.9), g, g * self.rng.uniform(0.1, 0.5))
        return self.make(("cloudy", "stripes", "plain"), (3, 10), c, 0.5, 0.04)

    def shade(self) -> int:
        """A lamp shade, lit or not."""
        c = (1.0, self.rng.uniform(0.75, 0.95), self.rng.uniform(0.5, 0.9))
        return self.make(("plain",), (1, 2), c, 0.2, emission=self.rng.uniform(0.0, 3.0))

    def wall(self) -> int:
        """Paint, wallpaper, brick or panels."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.6:
            return self.make(("plain", "plain", "cloudy"), (0.2, 1.5), self.colour(0.35, 0.55, 0.97), 0.12)
        if draw < 0.8:
            pale = self.colour(0.5, 0.35, 0.95)
            other = tuple(np.array(pale) * rng.uniform(0.5, 1.2, 3))
            return self.make(("motif", "stripes", "dots", "checks"), (0.8, 4), pale, 0, other=other)
        if draw < 0.9:
            return self.make(("bricks", "tiles"), (0.6, 2), self.colour(0.5, 0.4, 0.95), 0.5)
        return self.make(("planks", "wood", "marble", "cloudy"), (0.4, 1), self.colour(0.5, 0.3, 0.95), 0.5)

    def ceiling(self) -> int:
        """Mostly white."""
        if self.rng.random() < 0.85:
            return self.make(("plain", "cloudy"), (0.3, 1), self.colour(0.08, 0.85, 1.0), 0.06)
        return self.make(("planks", "tiles", "plain"), (0.4, 1), self.colour(0.3, 0.3, 0.95), 0.5)

    def floor(self) -> int:
        """Boards, tiles or carpet."""
        rng = self.rng
        draw = rng.random()
        tone = np.exp(rng.uniform(np.log(0.07), np.log(0.7)))
        brown = tuple(tone * np.array((1.0, rng.uniform(0.6, 0.85), rng.uniform(0.3, 0.7))))
        if draw < 0.6:
            return self.make(("planks",), (0.5, 1.2), brown, 0.7, rng.choice([0.02, 0.25]))
        if draw < 0.8:
            return self.make(("tiles", "marble"), (0.4, 1.5), self.colour(0.3, 0.2, 0.95), 0.5, 0.2)
        return self.make(("pile", "plain", "cloudy", "motif"), (0.5, 2), self.colour(0.5, 0.2, 0.9), 0.4)

    def anything(self) -> int:
        """Any of the above."""
        return (self.wood, self.cloth, self.paint, self.metal, self.book)[int(self.rng.integers(5))]()
