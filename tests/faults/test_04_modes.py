"""Pixels of every mode that photos are stored in come out as the same 8-bit sRGB."""

import cv2
import numpy as np
import pytest
from faulty import HEIGHT, WIDTH, picture
from PIL import Image

from recon3d.photos.read import read_photo

GROUP = "4. Modes"
D65_FROM_D50 = np.array(
    [[0.9555766, -0.0230393, 0.0631636], [-0.0282895, 1.0099416, 0.0210077], [0.0122982, -0.020483, 1.3299098]]
)
RGB_FROM_D65 = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.969266, 1.8760108, 0.041556], [0.0556434, -0.2040259, 1.0572252]]
)
RGB = picture()
LUMA = np.asarray(Image.fromarray(RGB).convert("L"))
ALPHA = np.broadcast_to(np.linspace(0, 255, HEIGHT).astype(np.uint8)[:, None], LUMA.shape)
PALETTE = Image.fromarray(RGB).quantize(16)


def grey(values):
    return np.repeat(values[..., None], 3, axis=-1)


def over_white(rgb):
    share = ALPHA[..., None] / 255
    return np.rint(rgb * share + 255 * (1 - share))


def save(image, path, **options):
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
    return path


def grey_8(folder):
    return save(LUMA, folder / "a.png"), grey(LUMA)


def grey_alpha(folder):
    return save(np.dstack([LUMA, ALPHA]), folder / "a.png"), over_white(grey(LUMA))


def palette(folder):
    return save(PALETTE, folder / "a.png"), np.asarray(PALETTE.convert("RGB"))


def palette_transparent(folder):
    wanted = np.asarray(PALETTE.convert("RGB")).copy()
    wanted[np.asarray(PALETTE) == 3] = 255
    return save(PALETTE, folder / "a.png", transparency=3), wanted


def rgb_alpha(folder):
    return save(np.dstack([RGB, ALPHA]), folder / "a.png"), over_white(RGB)


def cmyk(folder):
    ink = np.dstack([RGB, np.full(LUMA.shape, 40, np.uint8)])
    path = save(Image.frombytes("CMYK", (WIDTH, HEIGHT), ink.tobytes()), folder / "a.tiff")
    return path, np.rint((255 - RGB.astype(float)) * (255 - 40) / 255)


def ycbcr(folder):
    """By JFIF's own equations."""
    image = Image.fromarray(RGB).convert("YCbCr")
    y, cb, cr = np.moveaxis(np.asarray(image).astype(float), -1, 0)
    wanted = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    return save(image, folder / "a.tiff"), np.rint(np.stack(wanted, -1).clip(0, 255))


def lab(folder):
    """By CIE's definition, over D65 by Bradford's matrix; a and b are signed bytes."""
    stored = np.empty((HEIGHT, WIDTH, 3))
    stored[..., 0] = np.rint(55 * 2.55)
    stored[..., 1], stored[..., 2] = np.linspace(-20, 20, WIDTH), np.linspace(-20, 20, HEIGHT)[:, None]
    stored = np.rint(stored)
    path = folder / "a.tiff"
    save(Image.frombytes("LAB", (WIDTH, HEIGHT), stored.astype(np.int16).astype(np.uint8).tobytes()), path)
    f = np.empty_like(stored)
    f[..., 1] = (stored[..., 0] / 2.55 + 16) / 116
    f[..., 0], f[..., 2] = f[..., 1] + stored[..., 1] / 500, f[..., 1] - stored[..., 2] / 200
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.9642, 1.0, 0.8249]
    linear = (xyz @ D65_FROM_D50.T @ RGB_FROM_D65.T).clip(0, 1)
    return path, np.rint(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255)


def one_bit(folder):
    bits = np.where(LUMA > 127, 255, 0).astype(np.uint8)
    return save(Image.fromarray(bits).convert("1"), folder / "a.png"), grey(bits)


def grey_16(folder):
    return save(LUMA.astype(np.uint16) * 257, folder / "a.png"), grey(LUMA)


def rgb_16(folder):
    assert cv2.imwrite(str(folder / "a.png"), RGB[..., ::-1].astype(np.uint16) * 257)
    return folder / "a.png", RGB


def float_tiff(folder):
    return save((LUMA / 255).astype(np.float32), folder / "a.tiff"), grey(LUMA)


CASES = {
    "grey (L)": grey_8,
    "grey with alpha (LA)": grey_alpha,
    "palette (P)": palette,
    "palette with a transparent colour": palette_transparent,
    "RGBA": rgb_alpha,
    "CMYK": cmyk,
    "YCbCr": ycbcr,
    "CIE Lab": lab,
    "one bit a pixel": one_bit,
    "grey of 16 bits (I;16)": grey_16,
    "RGB of 16 bits a channel": rgb_16,
    "TIFF of floats": float_tiff,
}


def test_the_group_is_whole():
    assert len(CASES) == 12


@pytest.mark.parametrize("case", CASES)
def test_every_mode_is_its_colours_within_2_of_255(case, tmp_path):
    path, wanted = CASES[case](tmp_path)
    image = read_photo(path, max_megapixels=1).image
    assert image.dtype == np.uint8 and image.shape == wanted.shape
    assert np.abs(image.astype(int) - wanted).max() <= 2
