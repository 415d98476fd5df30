import numpy as np
import pytest
from PIL import Image

from recon3d.errors import InputError
from recon3d.photos.read import read_photo
from recon3d.photos.working import load_working, save_image, working_suffix, write_working


def copied(source, folder, **options):
    photo = read_photo(source, max_megapixels=250, **options)
    target = folder / f"working{working_suffix(photo)}"
    write_working(photo, source, target)
    return photo, target


def test_a_plain_jpeg_is_copied_byte_for_byte(picture, tmp_path):
    source = tmp_path / "a.jpg"
    Image.fromarray(picture).save(source, quality=80)
    photo, target = copied(source, tmp_path)
    assert target.read_bytes() == source.read_bytes()
    assert np.array_equal(load_working(target), photo.image)


@pytest.mark.parametrize("ending", ["png", "tiff", "bmp", "webp"])
@pytest.mark.parametrize("max_side", [None, 20])
def test_a_lossless_photo_keeps_every_pixel(picture, tmp_path, ending, max_side):
    source = tmp_path / f"a.{ending}"
    Image.fromarray(picture).save(source, **({"lossless": True} if ending == "webp" else {}))
    photo, target = copied(source, tmp_path, max_side=max_side)
    assert target.suffix == ".png"
    assert np.array_equal(load_working(target), photo.image)


@pytest.mark.parametrize(("orientation", "max_side"), [(6, None), (1, 20)])
def test_a_jpeg_that_changes_is_written_anew_nearly_the_same(picture, tmp_path, orientation, max_side):
    tags = Image.Exif()
    tags[274] = orientation
    source = tmp_path / "a.jpg"
    Image.fromarray(picture).save(source, quality=95, subsampling=0, exif=tags)
    photo, target = copied(source, tmp_path, max_side=max_side)
    with Image.open(target) as image:
        assert not image.getexif() and "icc_profile" not in image.info
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # 4:4:4
    assert np.abs(load_working(target).astype(int) - photo.image).max() < 8


def test_equal_photos_give_equal_bytes(picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / "a.webp", quality=90)
    first = copied(tmp_path / "a.webp", tmp_path)[1].read_bytes()
    assert copied(tmp_path / "a.webp", tmp_path)[1].read_bytes() == first


def test_a_source_that_is_gone_is_named(picture, tmp_path):
    source = tmp_path / "a.jpg"
    Image.fromarray(picture).save(source)
    photo = read_photo(source, max_megapixels=250)
    source.unlink()
    with pytest.raises(InputError, match=r"a\.jpg: the photo can no longer be read"):
        write_working(photo, source, tmp_path / "working.jpg")


def test_a_mask_is_read_back_in_three_equal_channels(tmp_path):
    mask = np.where(np.arange(20) % 3, np.uint8(255), np.uint8(0)).reshape(4, 5)
    save_image(tmp_path / "mask.png", mask)
    assert np.array_equal(load_working(tmp_path / "mask.png"), np.repeat(mask[..., None], 3, axis=-1))


def test_a_damaged_or_missing_working_photo_is_named(picture, tmp_path):
    save_image(tmp_path / "a.png", picture)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:100])
    for name in ("a.png", "b.png"):
        with pytest.raises(InputError, match=f"{name}: the scene's image can't be read"):
            load_working(tmp_path / name)


def test_only_png_and_jpeg_are_written(picture, tmp_path):
    with pytest.raises(InputError, match=r"wanted \.png or \.jpg"):
        save_image(tmp_path / "a.gif", picture)
