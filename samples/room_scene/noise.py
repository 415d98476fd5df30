"""Random fields and pixel grids: the raw matter of every painted surface."""

import numpy as np
from PIL import Image


def clouds(
    shape: tuple[int, int],
    cell: float,
    rng: np.random.Generator,
    octaves: int = 4,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Smooth noise of mean 0 and standard deviation 1.

    Args:
        shape: (height, width) [px].
        cell: size of the largest blobs [px].
        rng: where the numbers come from.
        octaves: how often the blobs are halved, each time at 0.6 of the strength.
        stretch: (down, across) factors of the blobs' size, for grain.
    """
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        rows = int(np.ceil(height / max(1.0, cell * stretch[0] / 2**octave))) + 2
        columns = int(np.ceil(width / max(1.0, cell * stretch[1] / 2**octave))) + 2
        grid = Image.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
        box = (0.5, 0.5, columns - 0.5, rows - 0.5)
        total += 0.6**octave * np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC, box=box))
    total -= total.mean()
    return total / max(float(total.std()), 1e-6)


def shaded(colour: tuple[float, float, float], factor: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 picture of one colour times a (H, W) field."""
    return np.asarray(colour, np.float32) * factor[..., None]


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) values of any size → uint8 sRGB."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def grained(picture: np.ndarray, rng: np.random.Generator, strength: float = 0.04) -> np.ndarray:
    """The picture with paper or weave grain: neighbouring pixels differ by about `strength` of their value."""
    fine = clouds(picture.shape[:2], 3, rng, octaves=2)
    broad = clouds(picture.shape[:2], 60, rng, octaves=3)
    return to_bytes(picture * (1 + strength * fine + 0.5 * strength * broad)[..., None])
