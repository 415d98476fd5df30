"""Depth maps from files of any tool, in metres."""

import re
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import OpenEXR
from PIL import Image

from recon3d.errors import InputError
from recon3d.formats.untrusted import naming, read_bytes
from recon3d.geometry.arrays import Array

MAX_PIXELS = 200_000_000
"""Larger depth maps are refused before they are decoded."""
MAX_FILE_BYTES = 8 * MAX_PIXELS + 2**20
NONE_UINT16 = 65535
"""Written by Kinect tools where there is no depth."""
EXR_CHANNELS = ("depth", "z", "y", "v", "r")
"""Channels taken for depth, in this order; of `layer.name` the name counts."""
NOT_DEPTH = frozenset(("color", "colour", "rgb", "sigma", "confidence", "conf", "mask", "pose", "normal", "normals"))
"""Last words of file names that say that a file is not depth."""


def read_depth(path: Path, *, unit_m: float) -> Array:
    """Depth along z from a file, in metres.

    Integers (uint16 PNG, TIFF, NPY) are steps of `unit_m`, 0 and 65535 = none; floats (NPY, NPZ, EXR, PFM, TIFF) are
    metres. NaN, infinite and negative values become 0 = none.

    Args:
        path: .png .tif .tiff .npy .npz .exr .pfm
        unit_m: metres per step of an integer [m].

    Returns:
        (H, W) float32 [m], finite and ≥ 0.

    Raises:
        InputError: no depth map: a picture of depth (8 bits), colour, another shape, pickled objects, or broken.
    """
    if not 0 < unit_m < np.inf:
        raise InputError(f"depth unit: got {unit_m:g} m, wanted metres per step > 0 (0.001 for millimetres)")
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{path}: got the ending {path.suffix!r}, wanted a depth map: {' '.join(_READERS)}")
    with naming(path):
        try:
            values = read(path)
        except InputError:
            raise
        except (MemoryError, Exception) as error:  # each decoder has errors of its own for broken files
            raise InputError(f"the depth map can't be read: {type(error).__name__}: {error}") from error
        return clean_depth(_metres(values, unit_m))[0]


def clean_depth(values: Array) -> tuple[Array, int]:
    """Depth without what is none.

    Args:
        values: (H, W) of any float type [m].

    Returns:
        (H, W) float32 [m], where NaN, infinite and negative values are 0 = none; and how many those were.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        depth = values.astype(np.float32)  # a copy; what float32 can't hold becomes infinite
    bad = ~(np.isfinite(depth) & (depth >= 0))
    depth[bad | (depth == 0)] = 0.0  # -0.0 too
    return depth, int(np.count_nonzero(bad))


def find_depth_maps(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The depth map of each photo in a folder, by file name.

    A file is a photo's where its stem is the photo's name, or where both are the same but for a last word after a dot
    (`frame-000000.color` and `frame-000000.depth`, or `frame-000000`). Of several, the one whose last word is `depth`
    counts, else the one with the very name. Nothing goes by order. Photos without a file are left out.

    Args:
        folder: the depth maps, perhaps among other files.
        names: the photos' names.

    Returns:
        Path by name, in the order of `names`.

    Raises:
        InputError: no such folder, none matches, or two files could be one photo's.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, wanted the folder of the depth maps")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _READERS and path.is_file())
    by_core: dict[str, list[Path]] = {}
    for path in files:
        by_core.setdefault(_core(path.stem), []).append(path)
    found: dict[str, Path] = {}
    owner: dict[Path, str] = {}
    for name in names:
        ranked = sorted((rank, path) for path in by_core.get(_core(name), []) if (rank := _rank(path, name)) < 3)
        best = [path for rank, path in ranked if rank == ranked[0][0]]
        if len(best) > 1:
            raise InputError(f"{folder}: got {best[0].name} and {best[1].name} for photo {name}, wanted one depth map")
        for path in best:
            if path in owner:
                raise InputError(
                    f"{path}: could be the depth of photo {owner[path]} or {name}, wanted one of their names"
                )
            found[name], owner[path] = path, name
    if not found:
        example = f", such as {files[0].name}," if files else ""
        photo = f", such as {names[0]}" if names else ""
        raise InputError(
            f"{folder}: got {len(files)} depth maps{example} and none is called as one of {len(names)} photos{photo}; "
            "wanted files named as the photos are"
        )
    return found


def _core(stem: str) -> str:
    """A stem without a last word after a dot; numbers (a TUM time, 1305031102.175304) stay."""
    return re.sub(r"\.[A-Za-z_]+$", "", stem)


def _rank(path: Path, name: str) -> int:
    """How well a file of the same core fits a photo's name: 0 best, 3 not at all."""
    word = path.stem[len(_core(path.stem)) + 1 :].lower()
    if word == "depth":
        return 0
    if path.stem == name:
        return 1
    return 3 if word in NOT_DEPTH else 2


def _metres(values: Array, unit_m: float) -> Array:
    """Floats as they are; uint16 times its unit, never in integer arithmetic (65.536 m would wrap to 0)."""
    if values.ndim != 2:
        raise InputError(f"got an array of shape {values.shape}, wanted a depth map (height, width)")
    if values.size == 0 or values.size > MAX_PIXELS:
        raise InputError(f"got a depth map of shape {values.shape}, wanted 1 to {MAX_PIXELS} pixels")
    if values.dtype.kind == "f":
        return values
    if values.dtype == np.uint16:
        return np.where(values == NONE_UINT16, np.float32(0), values.astype(np.float32) * np.float32(unit_m))
    if values.dtype.itemsize == 1:
        raise InputError(
            "got 8 bits a pixel: that is a picture of depth, not depth; wanted uint16 steps or float metres"
        )
    raise InputError(f"got {values.dtype.name} values, wanted uint16 steps or float metres")


def _read_image(path: Path) -> Array:
    """PNG and TIFF, through Pillow."""
    kind = "PNG" if path.suffix.lower() == ".png" else "TIFF"
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=[kind]) as image:
            if len(image.getbands()) > 1:
                raise InputError(f"got {len(image.getbands())} channels ({image.mode}): a colour picture, not depth")
            if image.mode in ("P", "1"):
                raise InputError(f"got a {image.mode}-mode picture of depth, not depth; wanted uint16 steps")
            return np.asarray(image)


def _read_npy(path: Path) -> Array:
    _check_array_file(path)
    # Mapped, so that a header that promises more than the file holds is refused before memory is taken.
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    if values.size > MAX_PIXELS:
        raise InputError(f"got an array of shape {values.shape}, wanted at most {MAX_PIXELS} pixels")
    return np.array(values)


def _read_npz(path: Path) -> Array:
    _check_array_file(path)
    with zipfile.ZipFile(path) as archive:
        size = max((info.file_size for info in archive.infolist()), default=0)
        if size > MAX_FILE_BYTES:
            raise InputError(f"got an array of {size} bytes, wanted at most {MAX_FILE_BYTES}")
    with np.load(path, allow_pickle=False) as arrays:
        keys = list(arrays.files)
        key = keys[0] if len(keys) == 1 else "depth"
        if key not in keys:
            raise InputError(f"got arrays {', '.join(keys[:5]) or 'none'}, wanted one, or one called depth")
        return np.asarray(arrays[key])


def _check_array_file(path: Path) -> None:
    """Refuses by magic what is no array file: `np.load` would try to unpickle it."""
    with path.open("rb") as file:
        head = file.read(6)
    if not head.startswith((b"\x93NUMPY", b"PK")):
        raise InputError("not a numpy file (arrays pickled as objects are never read)")


def _read_exr(path: Path) -> Array:
    header = OpenEXR.File(str(path), separate_channels=True, header_only=True).header()
    low, high = header["dataWindow"]
    width, height = (int(high[i]) - int(low[i]) + 1 for i in (0, 1))
    if not 0 < width * height <= MAX_PIXELS:
        raise InputError(f"got an image of {width} x {height} px, wanted at most {MAX_PIXELS} pixels")
    channels = OpenEXR.File(str(path), separate_channels=True).channels()
    by_word = {name.rpartition(".")[2].lower(): name for name in reversed(list(channels))}
    if len(channels) == 1:
        return np.asarray(next(iter(channels.values())).pixels)
    colour = {"r", "g", "b"} <= set(by_word)
    for word in EXR_CHANNELS:
        if word in by_word and not (word == "r" and colour):
            return np.asarray(channels[by_word[word]].pixels)
    raise InputError(f"got channels {', '.join(list(channels)[:8])}, wanted one, or one called Z, Y or depth")


def _read_pfm(path: Path) -> Array:
    """One-channel portable float map: rows from the bottom up, the sign of the scale gives the byte order."""
    data = read_bytes(path, limit=MAX_FILE_BYTES)
    match = re.match(rb"(P[Ff])\s+(\d{1,9})\s+(\d{1,9})\s+(-?[0-9.eE+-]{1,20})\s", data)
    if not match or match[1] != b"Pf":
        raise InputError("got a colour PFM, wanted one channel" if match else "not a PFM file")
    width, height = int(match[2]), int(match[3])
    if len(data) - match.end() != 4 * width * height:
        raise InputError(f"got {len(data) - match.end()} bytes for {width} x {height} px, wanted 4 a pixel")
    order = "<f4" if float(match[4]) < 0 else ">f4"
    return np.frombuffer(data, order, offset=match.end()).reshape(height, width)[::-1].astype(np.float32)


_READERS: dict[str, Callable[[Path], Array]] = {
    ".png": _read_image,
    ".tif": _read_image,
    ".tiff": _read_image,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".exr": _read_exr,
    ".pfm": _read_pfm,
}
