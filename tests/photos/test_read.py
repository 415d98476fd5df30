import struct
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from stored import STORED

from recon3d.photos.read import read_photo

HERE = Path(__file__).parent

D65_FROM_D50 = np.array(
    [[0.9555766, -0.0230393, 0.0631636], [-0.0282895, 1.0099416, 0.0210077], [0.0122982, -0.020483, 1.3299098]]
)
RGB_FROM_D65 = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.969266, 1.8760108, 0.041556], [0.0556434, -0.2040259, 1.0572252]]
)
ADOBE_D50 = np.array(
    [[0.6097559, 0.2052401, 0.149224], [0.3111242, 0.625656, 0.0632197], [0.0194811, 0.0608902, 0.7448387]]
)


def read(path, **options):
    return read_photo(path, max_megapixels=250, **options)


def assert_close(image, wanted, within=2):
    assert image.dtype == np.uint8
    assert image.shape == wanted.shape
    assert np.abs(image.astype(int) - wanted.astype(int)).max() <= within


def grey(values):
    return np.repeat(values[..., None], 3, axis=-1)


def over_white(rgb, alpha):
    share = alpha[..., None] / 255
    return np.rint(rgb * share + 255 * (1 - share)).astype(np.uint8)


def srgb_from_xyz_d50(xyz):
    """IEC 61966-2-1, after the Bradford adaptation to D65 (matrices: brucelindbloom.com)."""
    linear = (xyz @ D65_FROM_D50.T @ RGB_FROM_D65.T).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)


def saved(picture, mode, path, **options):
    Image.fromarray(picture).convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "tiff", "bmp"])
def test_rgb_is_read_as_it_is(picture, tmp_path, ending):
    photo = read(saved(picture, "RGB", tmp_path / f"a.{ending}"))
    assert_close(photo.image, picture, within=0)
    assert photo.lossless and not photo.copyable
    assert photo.size == (64, 48)
    assert not photo.image.flags.writeable


def test_transparency_lies_over_white(picture, tmp_path):
    luma = picture[..., 0]
    alpha = np.broadcast_to(np.linspace(0, 255, 48).astype(np.uint8)[:, None], luma.shape)
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "rgba.png")
    assert_close(read(tmp_path / "rgba.png").image, over_white(picture, alpha))
    Image.fromarray(np.dstack([luma, alpha])).save(tmp_path / "la.png")
    assert_close(read(tmp_path / "la.png").image, over_white(grey(luma), alpha))
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "rgba.webp", lossless=True, exact=True)
    assert_close(read(tmp_path / "rgba.webp").image, over_white(picture, alpha))


@pytest.mark.parametrize("ending", ["tiff", "jpg"])
def test_cmyk_multiplies_ink_and_black(picture, tmp_path, ending):
    ink = np.dstack([picture, np.full(picture.shape[:2], 40, np.uint8)])
    Image.frombytes("CMYK", (64, 48), ink.tobytes()).save(tmp_path / f"a.{ending}", quality=100, subsampling=0)
    wanted = np.rint((255 - ink[..., :3].astype(float)) * (255 - 40) / 255)
    assert_close(read(tmp_path / f"a.{ending}").image, wanted, within=2 if ending == "tiff" else 4)


@pytest.mark.parametrize("ending", [".png", ".tiff"])
def test_sixteen_bits_are_scaled_not_clipped(picture, tmp_path, ending):
    deep = picture.astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / f"rgb{ending}"), deep[..., ::-1])
    cv2.imwrite(str(tmp_path / f"grey{ending}"), deep[..., 0])
    assert_close(read(tmp_path / f"rgb{ending}").image, picture)
    assert_close(read(tmp_path / f"grey{ending}").image, grey(picture[..., 0]))


@pytest.mark.parametrize("top", [1.0, 12.5])
def test_floats_are_scaled_to_their_range(picture, tmp_path, top):
    """Up to 1 as it is, above by its maximum; 255 occurs, so both give the picture back."""
    picture = np.where(picture == picture.max(), 255, picture).astype(np.uint8)
    numbers = (picture / np.float32(255) * np.float32(top)).astype(np.float32)
    Image.fromarray(numbers[..., 0]).save(tmp_path / "grey.tiff")
    cv2.imwrite(str(tmp_path / "rgb.tiff"), numbers[..., ::-1])
    assert_close(read(tmp_path / "grey.tiff").image, grey(picture[..., 0]))
    assert_close(read(tmp_path / "rgb.tiff").image, picture)


def test_floats_that_are_no_numbers_are_black(picture, tmp_path):
    numbers = (picture[..., 0] / 255).astype(np.float32)
    numbers[0, :4] = [np.nan, np.inf, -np.inf, -3]
    Image.fromarray(numbers).save(tmp_path / "a.tiff")
    wanted = picture[..., 0].copy()
    wanted[0, :4] = 0
    assert_close(read(tmp_path / "a.tiff").image, grey(wanted))


def oriented(picture, orientation, path, **options):
    tags = Image.Exif()
    tags[274] = orientation
    stored = STORED.get(orientation, STORED[1])(picture)
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=tags, **options)
    return path


def float_tiff(numbers, orientation):
    """An uncompressed TIFF of three 32-bit floats a pixel, which only OpenCV reads."""
    height, width = numbers.shape[:2]
    data = numbers.astype("<f4").tobytes()
    entries = [(256, 1, width), (257, 1, height), (258, 3, 32), (259, 1, 1), (262, 1, 2), (273, 1, 8)]
    entries += [(274, 1, orientation), (277, 1, 3), (278, 1, height), (279, 1, len(data)), (284, 1, 1), (339, 3, 3)]
    behind = 8 + len(data) + 2 + 12 * len(entries) + 4
    directory, extra = struct.pack("<H", len(entries)), b""
    for tag, count, value in entries:
        directory += struct.pack(
            "<HHII", tag, 3 if count == 3 else 4, count, behind + len(extra) if count == 3 else value
        )
        extra += struct.pack("<3H", *[value] * 3) if count == 3 else b""
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + b"\0\0\0\0" + extra


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_that_opencv_decodes_is_upright_too(picture, tmp_path, orientation):
    (tmp_path / "a.tiff").write_bytes(float_tiff(STORED[orientation](picture / 255), orientation))
    photo = read(tmp_path / "a.tiff")
    assert_close(photo.image, picture)
    assert photo.size == (64, 48)


@pytest.mark.parametrize("ending", ["png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_same_upright_pixels(picture, tmp_path, orientation, ending):
    options = {"lossless": True} if ending == "webp" else {}
    photo = read(oriented(picture, orientation, tmp_path / f"a.{ending}", **options))
    assert_close(photo.image, picture, within=0)
    assert photo.size == (64, 48)
    assert photo.exif.orientation == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_and_avif_turn_upright_and_only_an_upright_jpeg_is_copyable(picture, tmp_path, orientation):
    jpeg = read(oriented(picture, orientation, tmp_path / "a.jpg", quality=95, subsampling=0))
    assert_close(jpeg.image, picture, within=8)
    assert jpeg.copyable == (orientation == 1)
    assert not jpeg.lossless
    avif = read(oriented(picture, orientation, tmp_path / "a.avif", quality=95))
    assert_close(avif.image, picture, within=16)
    assert not avif.copyable


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_a_meaningless_orientation_is_ignored(picture, tmp_path, orientation):
    photo = read(oriented(picture, orientation, tmp_path / "a.jpg", quality=95))
    assert photo.size == (64, 48)
    assert photo.exif.orientation is None
    assert photo.copyable


@pytest.mark.parametrize("name", ["corners.heic", "corners-rotated.heic"])
def test_heic_is_read_upright(name):
    """Red, green; blue, white. The second is stored lying, with a rotation property and an EXIF orientation of 6."""
    photo = read(HERE / name)
    corners = photo.image[[8, 8, -8, -8], [8, -8, 8, -8]]
    assert_close(corners, np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [220, 220, 220]]), within=12)
    assert photo.size == (64, 48)
    assert photo.exif.focal_35mm_mm == 26
    assert not photo.lossless and not photo.copyable


@pytest.mark.parametrize(
    ("ending", "options"), [("webp", {"quality": 95}), ("avif", {"quality": 95}), ("jp2", {}), ("gif", {})]
)
def test_other_containers_are_read(picture, tmp_path, ending, options):
    photo = read(saved(picture, "RGB", tmp_path / f"a.{ending}", **options))
    assert np.abs(photo.image.astype(int) - picture).mean() < 4
    assert photo.lossless == (ending == "gif")


def test_what_a_file_is_comes_from_its_bytes(picture, tmp_path):
    photo = read(saved(picture, "RGB", tmp_path / "a.jpg", format="PNG"))
    assert photo.lossless and not photo.copyable


def test_the_first_page_counts(picture, tmp_path):
    pages = [Image.fromarray(picture), Image.new("RGB", (64, 48)), Image.new("RGB", (10, 10))]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    assert_close(read(tmp_path / "a.tiff").image, picture, within=0)
    pages[0].save(tmp_path / "a.mpo", save_all=True, append_images=pages[1:], quality=95, subsampling=0)
    photo = read(tmp_path / "a.mpo")
    assert_close(photo.image, picture, within=8)
    assert not photo.copyable


def test_lossless_is_said_of_files_that_keep_every_pixel(picture, tmp_path):
    assert read(saved(picture, "RGB", tmp_path / "a.webp", lossless=True)).lossless
    assert not read(saved(picture, "RGB", tmp_path / "b.webp", quality=90)).lossless
    assert read(saved(picture, "RGB", tmp_path / "a.tiff", compression="tiff_lzw")).lossless
    assert not read(saved(picture, "RGB", tmp_path / "b.tiff", compression="jpeg")).lossless


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_of_other_than_three_channels_is_not_copyable(picture, tmp_path, mode):
    assert not read(saved(picture, mode, tmp_path / "a.jpg")).copyable


def test_a_jpeg_without_its_end_mark_may_load_but_is_not_copyable(picture, tmp_path):
    path = saved(np.tile(picture, (20, 20, 1)), "RGB", tmp_path / "a.jpg", quality=95)
    path.write_bytes(path.read_bytes()[:-2] + b"\0" * 40)
    cut = read(path)
    assert cut.image.shape == (960, 1280, 3)
    assert not cut.copyable


def matrix_profile(columns, gamma):
    """A version 2 ICC display profile: three D50 colorants and one gamma."""

    def fixed(value):
        return struct.pack(">i", round(value * 65536))

    def xyz(values):
        return b"XYZ \0\0\0\0" + b"".join(fixed(value) for value in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 78 + b"\0"
    tags = [(b"desc", name), (b"wtpt", xyz([0.9642, 1, 0.8249])), (b"cprt", b"text\0\0\0\0none\0\0\0\0")]
    tags += [(f"{c}XYZ".encode(), xyz(column)) for c, column in zip("rgb", columns.T, strict=True)]
    tags += [(f"{c}TRC".encode(), curve) for c in "rgb"]
    at, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, data in tags:
        table += tag + struct.pack(">II", at + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"\0\0\0\0", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    head += fixed(0.9642) + fixed(1) + fixed(0.8249)
    return head.ljust(128, b"\0") + table + body


def test_an_embedded_profile_is_applied(picture, tmp_path):
    wide = matrix_profile(ADOBE_D50, 2.19921875)
    inside = (60 + picture * 0.5).astype(np.uint8)  # within sRGB, where both ways must agree
    wanted = srgb_from_xyz_d50((inside / 255) ** 2.19921875 @ ADOBE_D50.T)
    assert np.abs(wanted.astype(int) - inside).max() > 10
    assert_close(read(saved(inside, "RGB", tmp_path / "a.png", icc_profile=wide)).image, wanted)
    assert not read(saved(inside, "RGB", tmp_path / "a.jpg", icc_profile=wide)).copyable


def test_a_profile_that_is_srgb_under_another_name_changes_nothing(picture, tmp_path):
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert_close(read(saved(picture, "RGB", tmp_path / "a.png", icc_profile=srgb)).image, picture, within=0)
    assert read(saved(picture, "RGB", tmp_path / "a.jpg", icc_profile=srgb)).copyable


def test_a_broken_profile_or_one_for_other_colours_is_ignored(picture, tmp_path):
    wide = matrix_profile(ADOBE_D50, 2.2)
    for name, profile in (("garbage", b"not a profile" * 20), ("cut", wide[:200])):
        assert_close(
            read(saved(picture, "RGB", tmp_path / f"{name}.png", icc_profile=profile)).image, picture, within=0
        )
    luma = np.asarray(Image.fromarray(picture).convert("L"))
    assert_close(read(saved(luma, "L", tmp_path / "l.png", icc_profile=wide)).image, grey(luma), within=0)


def test_shrinking_reaches_the_longer_side_and_never_enlarges(picture, tmp_path):
    path = saved(picture, "RGB", tmp_path / "a.png")
    assert read(path, max_side=64).image.shape == (48, 64, 3)
    assert read(path, max_side=1000).image.shape == (48, 64, 3)
    small = read(path, max_side=16)
    assert small.image.shape == (12, 16, 3)
    assert small.size == (64, 48)
    assert read(saved(picture[:1], "RGB", tmp_path / "thin.png"), max_side=8).image.shape == (1, 8, 3)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
@pytest.mark.parametrize("shape", [(600, 800), (601, 799), (800, 600)])
def test_shrinking_keeps_everything_in_place(tmp_path, ending, shape):
    """A ramp sampled at c = (small + ½) / s - ½ has a known value, also where a JPEG is decoded at a fraction."""
    height, width = shape
    y, x = np.mgrid[:height, :width]
    ramp = np.stack([x * 250 / width, y * 250 / height, np.full(shape, 90.0)], axis=-1)
    path = saved(np.rint(ramp).astype(np.uint8), "RGB", tmp_path / f"a.{ending}", quality=98, subsampling=0)
    photo = read(path, max_side=90)
    small = photo.image[3:-3, 3:-3].astype(float)  # the filter is cut at the border
    rows, columns = photo.image.shape[:2]
    assert max(rows, columns) == 90
    u, v = (np.arange(columns) + 0.5) * width / columns - 0.5, (np.arange(rows) + 0.5) * height / rows - 0.5
    # A tenth of a small pixel is 0.28 of 255: averages of the whole picture show it below the rounding.
    assert abs((small[..., 0] - (u * 250 / width)[None, 3:-3]).mean()) < 0.28 + 0.2 * (ending == "webp")
    assert abs((small[..., 1] - (v * 250 / height)[3:-3, None]).mean()) < 0.28 + 0.2 * (ending == "webp")
    assert not photo.copyable


def test_shrinking_and_turning_commute(picture, tmp_path):
    large = np.asarray(Image.fromarray(picture).resize((640, 480)))
    upright = read(oriented(large, 1, tmp_path / "1.jpg", quality=95), max_side=50)
    turned = read(oriented(large, 6, tmp_path / "6.jpg", quality=95), max_side=50)
    assert turned.size == upright.size == (640, 480)
    assert_close(turned.image, upright.image, within=6)


def test_reading_in_threads_gives_the_same_as_alone(picture, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    paths = [oriented(picture, k % 8 + 1, tmp_path / f"{k}.{end}") for k in range(8) for end in ("jpg", "png", "tiff")]
    alone = [read(path, max_side=40).image for path in paths]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda path: read(path, max_side=40).image, paths * 4))
    for image, wanted in zip(together, alone * 4, strict=True):
        assert np.array_equal(image, wanted)


def test_tiny_and_thin_photos_are_read(tmp_path):
    for size in ((1, 1), (2, 2), (1, 100), (600, 100), (65000, 1)):
        Image.new("RGB", size, (10, 200, 30)).save(tmp_path / "a.png")
        assert read(tmp_path / "a.png", max_side=50).size == size


@pytest.mark.slow
def test_a_one_bit_photo_of_many_megapixels_is_read(tmp_path):
    buffer = BytesIO()
    Image.new("1", (10000, 9500), 1).save(buffer, format="PNG")  # above the 89 megapixels that Pillow warns at
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    photo = read(tmp_path / "a.png", max_side=100)
    assert photo.size == (10000, 9500)
    assert (photo.image == 255).all()
