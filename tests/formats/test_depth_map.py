import io
import struct
import zipfile

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from recon3d.errors import InputError
from recon3d.formats.depth_map import clean_depth, find_depth_maps, read_depth

METRES = np.array([[0.0, 0.5, 1.25], [2.5, 30.0, 80.0]], np.float32)
STEPS = np.array([[0, 1, 1000], [65534, 65535, 34464]], np.uint16)


def exr(path, **channels):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {name: np.ascontiguousarray(values) for name, values in channels.items()}) as file:
        file.write(str(path))
    return path


def pfm(path, values, order="<", kind=b"Pf"):
    height, width = values.shape
    scale = b"-1.0" if order == "<" else b"1.0"
    data = values[::-1].astype(f"{order}f4").tobytes()
    path.write_bytes(kind + b"\n%d %d\n%s\n" % (width, height, scale) + data)
    return path


def save_png(path, values):
    Image.fromarray(values).save(path)


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: np.save(folder / "d.npy", METRES),
        lambda folder: np.save(folder / "d.npy", np.asfortranarray(METRES.astype(">f8"))),
        lambda folder: np.savez(folder / "d.npz", METRES),
        lambda folder: np.savez_compressed(folder / "d.npz", depth=METRES, K=np.eye(3)),
        lambda folder: exr(folder / "d.exr", Z=METRES),
        lambda folder: exr(folder / "d.exr", **{"View.Depth.Z": METRES, "R": METRES * 0, "G": METRES * 0}),
        lambda folder: exr(folder / "d.exr", whatever=METRES),
        lambda folder: pfm(folder / "d.pfm", METRES),
        lambda folder: pfm(folder / "d.pfm", METRES, ">"),
        lambda folder: Image.fromarray(METRES).save(folder / "d.tiff"),
    ],
)
def test_floats_are_metres_whatever_the_unit(tmp_path, write):
    write(tmp_path)
    (path,) = tmp_path.iterdir()
    depth = read_depth(path, unit_m=0.001)
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, METRES)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("unit_m", [0.001, 1 / 256, 0.01])
def test_uint16_is_steps_without_wrapping(tmp_path, suffix, unit_m):
    path = tmp_path / f"d{suffix}"
    np.save(path, STEPS) if suffix == ".npy" else Image.fromarray(STEPS).save(path)
    depth = read_depth(path, unit_m=unit_m)
    expected = [[0, unit_m, 1000 * unit_m], [65534 * unit_m, 0, 34464 * unit_m]]
    np.testing.assert_allclose(depth, expected, rtol=3e-7)  # two roundings to float32
    assert depth.dtype == np.float32


def test_half_floats_and_doubles_become_float32(tmp_path):
    exr(tmp_path / "d.exr", Y=METRES.astype(np.float16))
    np.testing.assert_array_equal(read_depth(tmp_path / "d.exr", unit_m=1), METRES)
    np.save(tmp_path / "d.npy", np.array([[1e300, 1.0]]))
    np.testing.assert_array_equal(read_depth(tmp_path / "d.npy", unit_m=1), [[0, 1]])


def test_what_is_no_depth_is_none_and_counted(tmp_path):
    values = np.array([[np.nan, np.inf, -np.inf], [-1.0, -0.0, 2.0]])
    depth, dropped = clean_depth(values)
    np.testing.assert_array_equal(depth, [[0, 0, 0], [0, 0, 2]])
    assert not np.signbit(depth).any()
    assert dropped == 4
    assert np.isnan(values[0, 0])  # the input is left alone
    np.save(tmp_path / "d.npy", values)
    np.testing.assert_array_equal(read_depth(tmp_path / "d.npy", unit_m=1), depth)


class Evil:
    def __reduce__(self):
        return (print, ("unpickled",))


def huge_npy(shape):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return out.getvalue() + b"\0" * 64


def zipped(name, data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("d.png", lambda p: save_png(p, np.zeros((4, 4), np.uint8)), "picture of depth"),
        ("d.png", lambda p: save_png(p, np.zeros((4, 4, 3), np.uint8)), "3 channels"),
        ("d.png", lambda p: Image.new("P", (4, 4)).save(p), "picture of depth"),
        ("d.png", lambda p: Image.new("1", (4, 4)).save(p), "picture of depth"),
        ("d.png", lambda p: Image.new("LA", (4, 4)).save(p), "2 channels"),
        ("d.png", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"), "can't be read"),
        ("d.png", lambda p: np.save(p.with_suffix(".npy"), METRES) or p.write_bytes(b"x"), "can't be read"),
        ("d.tif", lambda p: Image.fromarray(np.zeros((4, 4), np.int32)).save(p), "int32"),
        ("d.npy", lambda p: np.save(p, np.zeros((4, 4, 3), np.float32)), r"shape \(4, 4, 3\)"),
        ("d.npy", lambda p: np.save(p, np.zeros(4, np.float32)), r"shape \(4,\)"),
        ("d.npy", lambda p: np.save(p, np.zeros((0, 4), np.float32)), r"shape \(0, 4\)"),
        ("d.npy", lambda p: np.save(p, np.zeros((4, 4), np.int64)), "int64"),
        ("d.npy", lambda p: np.save(p, np.zeros((4, 4), np.uint8)), "8 bits"),
        ("d.npy", lambda p: np.save(p, np.zeros((4, 4), bool)), "8 bits|bool"),
        ("d.npy", lambda p: np.save(p, np.zeros((4, 4), complex)), "complex128"),
        ("d.npy", lambda p: np.save(p, np.array([[Evil()]]), allow_pickle=True), "can't be read"),
        ("d.npy", lambda p: p.write_bytes(b"cos\nsystem\n(S'ls'\ntR."), "not a numpy file"),
        ("d.npy", lambda p: p.write_bytes(huge_npy((1000, 1000))), "can't be read"),
        ("d.npy", lambda p: p.write_bytes(huge_npy((10**9, 10**9))), "can't be read"),
        ("d.npy", lambda p: p.write_bytes(huge_npy((-1, 4))), "can't be read|shape"),
        ("d.npz", lambda p: p.write_bytes(zipped("depth.npy", huge_npy((10**8, 10**8)))), "can't be read"),
        ("d.npz", lambda p: np.savez(p, a=METRES, b=METRES), "arrays a, b"),
        ("d.npz", lambda p: np.savez(p, np.array([[Evil()]]), allow_pickle=True), "can't be read"),
        ("d.npz", lambda p: p.write_bytes(b"PK nonsense"), "can't be read"),
        ("d.npz", lambda p: p.write_bytes(zipped("readme.txt", b"hello")), "shape|can't be read"),
        ("d.exr", lambda p: exr(p, R=METRES, G=METRES, B=METRES), "channels"),
        ("d.exr", lambda p: exr(p, Z=METRES.astype(np.uint32)), "uint32"),
        ("d.exr", lambda p: p.write_bytes(b"v/1\x01nonsense"), "can't be read"),
        ("d.pfm", lambda p: pfm(p, METRES, kind=b"PF"), "colour PFM"),
        ("d.pfm", lambda p: p.write_bytes(b"Pf\n3 2\n-1.0\n\0\0"), "2 bytes for 3 x 2"),
        ("d.pfm", lambda p: p.write_bytes(b"P5\n3 2\n"), "not a PFM"),
        ("d.pfm", lambda p: p.write_bytes(b"Pf\n1 1\n--1\n\0\0\0\0"), "can't be read|not a PFM"),
        ("d.jpg", lambda p: save_png(p, np.zeros((4, 4), np.uint8)), "ending"),
        ("d.npy", lambda p: p.mkdir(), "can't be read"),
        ("none.npy", lambda p: None, "can't be read"),
    ],
)
def test_what_is_no_depth_map_is_refused_with_its_file(tmp_path, capsys, name, write, message):
    path = tmp_path / name
    write(path)
    with pytest.raises(InputError, match=message) as caught:
        read_depth(path, unit_m=0.001)
    assert str(path) in str(caught.value)
    assert "unpickled" not in capsys.readouterr().out


def test_a_png_that_claims_a_huge_size_is_refused(tmp_path):
    data = bytearray(png_bytes())
    at = data.index(b"IHDR") + 4
    data[at : at + 8] = struct.pack(">II", 60000, 60000)
    import zlib

    data[at + 13 : at + 17] = struct.pack(">I", zlib.crc32(data[at - 4 : at + 13]))
    (tmp_path / "d.png").write_bytes(data)
    with pytest.raises(InputError, match=r"d\.png"):
        read_depth(tmp_path / "d.png", unit_m=0.001)


def png_bytes():
    out = io.BytesIO()
    Image.fromarray(STEPS).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("unit_m", [0.0, -1.0, float("nan"), float("inf")])
def test_the_unit_is_a_positive_number(tmp_path, unit_m):
    np.save(tmp_path / "d.npy", METRES)
    with pytest.raises(InputError, match="depth unit"):
        read_depth(tmp_path / "d.npy", unit_m=unit_m)


@given(suffix=st.sampled_from([".png", ".npy", ".npz", ".pfm", ".exr", ".tif"]), data=st.data())
def test_cut_and_noisy_files_are_depth_or_an_input_error(tmp_path_factory, suffix, data):
    folder = tmp_path_factory.getbasetemp() / "noisy-depth"
    folder.mkdir(exist_ok=True)
    whole = folder / f"whole{suffix}"
    if not whole.exists():
        {
            ".png": lambda: save_png(whole, STEPS),
            ".npy": lambda: np.save(whole, METRES),
            ".npz": lambda: np.savez_compressed(whole, METRES),
            ".pfm": lambda: pfm(whole, METRES),
            ".exr": lambda: exr(whole, Z=METRES),
            ".tif": lambda: Image.fromarray(METRES).save(whole),
        }[suffix]()
    raw = whole.read_bytes()
    at = data.draw(st.integers(0, len(raw)))
    noise = data.draw(st.binary(max_size=4))
    rest = raw[at + len(noise) :] if data.draw(st.booleans()) else b""
    path = folder / f"d{suffix}"
    path.write_bytes(raw[:at] + noise + rest)
    try:
        depth = read_depth(path, unit_m=0.001)
        assert depth.ndim == 2
        assert np.isfinite(depth).all()
        assert (depth >= 0).all()
    except InputError as error:
        assert "noisy-depth" in str(error)


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_maps_are_found_by_name(tmp_path):
    folder = touch(tmp_path, "IMG_1.png", "IMG_2.npy", "IMG_2.txt", "IMG_4.exr", "notes.md")
    assert find_depth_maps(folder, ["IMG_1", "IMG_2", "IMG_3"]) == {
        "IMG_1": folder / "IMG_1.png",
        "IMG_2": folder / "IMG_2.npy",
    }


@pytest.mark.parametrize("file", ["frame-000005.depth.png", "frame-000005.png", "frame-000005.color.npy"])
def test_a_last_word_after_a_dot_does_not_count(tmp_path, file):
    folder = touch(tmp_path, file, "frame-000050.depth.png", "frame-000005.color.jpg", "frame-000005.pose.txt")
    assert find_depth_maps(folder, ["frame-000005.color"]) == {"frame-000005.color": folder / file}


def test_depth_goes_before_the_photo_beside_it(tmp_path):
    folder = touch(tmp_path, "f-1.color.png", "f-1.depth.png", "IMG.npy", "IMG.sigma.npy", "IMG.confidence.png")
    assert find_depth_maps(folder, ["f-1.color", "IMG"]) == {
        "f-1.color": folder / "f-1.depth.png",
        "IMG": folder / "IMG.npy",
    }


def test_times_are_whole_names(tmp_path):
    folder = touch(tmp_path, "1305031102.160407.png")
    with pytest.raises(InputError, match="none is called"):
        find_depth_maps(folder, ["1305031102.175304"])


def test_nothing_goes_by_order(tmp_path):
    folder = touch(tmp_path, "depth_1.png", "depth_2.png")
    with pytest.raises(InputError, match=r"2 depth maps, such as depth_1\.png.*IMG_1"):
        find_depth_maps(folder, ["IMG_1", "IMG_2"])


def test_two_files_for_a_photo_and_a_file_for_two_photos_are_refused(tmp_path):
    folder = touch(tmp_path, "IMG_1.png", "IMG_1.npy")
    with pytest.raises(InputError, match=r"IMG_1\.npy and IMG_1\.png for photo IMG_1"):
        find_depth_maps(folder, ["IMG_1"])
    (folder / "b").mkdir()
    with pytest.raises(InputError, match="could be the depth of photo"):
        find_depth_maps(touch(folder / "b", "x.depth.png"), ["x.left", "x.right"])


def test_no_folder_or_no_maps_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_depth_maps(tmp_path / "none", ["a"])
    with pytest.raises(InputError, match="0 depth maps"):
        find_depth_maps(tmp_path, ["a"])


def test_real_depth(shared):
    from recon3d.photos.find import find_photos, scene_names

    names = list(scene_names(find_photos(shared / "data/hololens/images")))
    maps = find_depth_maps(shared / "data/hololens/depth", names)
    assert list(maps) == names
    depth = read_depth(maps[names[0]], unit_m=0.001)
    assert depth.shape == (360, 540)
    assert 0.7 < (depth > 0).mean() < 0.9  # about 78 % of the pixels are valid
    assert 0.3 < np.median(depth[depth > 0]) < 6  # a walk through an office
    kitchen = find_depth_maps(shared / "data/redkitchen", ["frame-000000.color", "frame-000495.color"])
    assert kitchen["frame-000495.color"].name == "frame-000495.depth.png"
    assert read_depth(kitchen["frame-000495.color"], unit_m=0.001).max() < 10
