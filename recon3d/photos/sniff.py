"""What a file is, told from its name and first bytes, before any decoder touches it."""

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL.TiffImagePlugin import ImageFileDirectory_v2

_PHOTO_ENDINGS = "jpg jpeg jpe jfif mpo png tif tiff webp heic heif hif avif bmp jp2 j2k jpx gif"
_RAW_ENDINGS = "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"

_VIDEO_ENDINGS = "mp4 m4v mov qt 3gp avi mkv webm mts m2ts ts mpg mpeg wmv"

SUFFIXES = frozenset(f".{ending}" for ending in _PHOTO_ENDINGS.split())
"""Suffixes (lower case) of the files that are taken for photos."""

RAW_SUFFIXES = frozenset(f".{ending}" for ending in _RAW_ENDINGS.split())
"""Suffixes (lower case) of undeveloped sensor data: many open as TIFF but hold only a thumbnail."""

VIDEO_SUFFIXES = frozenset(f".{ending}" for ending in _VIDEO_ENDINGS.split())
"""Suffixes (lower case) of the files that are taken for videos."""

HEAD_BYTES = 512
"""How much of a file `kind_of`, `is_video` and `what_instead` want to see."""

_TAIL_BYTES = 65536
_META_BYTES = 1 << 24
_MAGIC = (
    ("JPEG", 0, b"\xff\xd8\xff"),
    ("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    ("TIFF", 0, b"II*\0"),
    ("TIFF", 0, b"MM\0*"),
    ("TIFF", 0, b"II+\0"),
    ("TIFF", 0, b"MM\0+"),
    ("WEBP", 8, b"WEBP"),
    ("BMP", 0, b"BM"),
    ("JPEG2000", 4, b"jP  \r\n\x87\n"),
    ("JPEG2000", 0, b"\xff\x4f\xff\x51"),
    ("GIF", 0, b"GIF87a"),
    ("GIF", 0, b"GIF89a"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_VIDEO_MAGIC = (b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")
_VIDEO_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"8BPS", "a Photoshop document"),
    (b"\x93NUMPY", "a numpy array"),
    (b"FUJIFILMCCD-RAW", "a RAW file"),
    (b"version https://git-lfs", "a Git LFS pointer instead of the photo"),
)


def shown(path: Path) -> str:
    """The path for an error of one line: control characters and undecodable bytes escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(path))


def kind_of(head: bytes) -> str:
    """The container that the first bytes announce: JPEG, PNG, TIFF, WEBP, HEIF, AVIF, BMP, JPEG2000, GIF, else ""."""
    for kind, offset, magic in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return kind
    if head[4:8] == b"ftyp":
        size = min(max(struct.unpack(">I", head[:4])[0], 16), len(head))
        brands = [head[8:12], *(head[i : i + 4] for i in range(16, size, 4))]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if brands[0] in _HEIF_BRANDS:
            return "HEIF"
    return ""


def is_video(head: bytes) -> bool:
    """Whether the first bytes announce MP4 or QuickTime, AVI, Matroska or WebM, an MPEG stream, or ASF."""
    if kind_of(head):
        return False
    stream = any(head[at : at + 2 * packet + 1 : packet] == b"GGG" for at, packet in ((0, 188), (4, 192)))
    riff = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return head.startswith(_VIDEO_MAGIC) or _is_movie(head) or riff or stream


def lacks_index(file: BinaryIO, head: bytes) -> bool:
    """Whether a movie file lacks its `moov` box, which most cameras write last: nothing of it can be decoded then."""
    return _is_movie(head) and all(kind != b"moov" for kind, _, _ in _boxes(file, file.seek(0, os.SEEK_END)))


def is_video_cut_short(file: BinaryIO, head: bytes) -> bool | None:
    """Whether a movie or AVI file ends before its boxes do; None for containers that can't tell."""
    length = file.seek(0, os.SEEK_END)
    if _is_movie(head):
        return _boxes_end(file, length) > length
    return struct.unpack_from("<I", head, 4)[0] + 8 > length if head[:4] == b"RIFF" else None


def _is_movie(head: bytes) -> bool:
    return head[4:8] in _VIDEO_BOXES and head[8:11] != b"crx"


def what_instead(head: bytes) -> str:
    """Words for what a file that is no photo is, from its first bytes."""
    if not head:
        return "an empty file (0 bytes)"
    for magic, words in _OTHERS:
        if head.startswith(magic):
            return words
    if head[4:8] == b"ftyp":
        return "a RAW file" if head[8:11] == b"crx" else "a video"
    if head.lstrip()[:1] == b"<":
        return "an HTML or XML page"
    if len(head) > 3 and not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "text"
    return "no known photo format"


def is_cut_short(file: BinaryIO, kind: str) -> bool:
    """Whether a file that does not decode lacks its end; False where that can't be told."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _TAIL_BYTES))
    tail = file.read()
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if kind == "JPEG":
        return b"\xff\xd9" not in tail
    if kind == "PNG":
        return b"IEND" not in tail
    if kind == "GIF":
        return not tail.endswith(b";")
    if kind in ("WEBP", "BMP"):
        at, extra = (4, 8) if kind == "WEBP" else (2, 0)
        return len(head) < at + 4 or struct.unpack_from("<I", head, at)[0] + extra > length
    if kind == "TIFF":
        return _tiff_end(file, length) > length
    if head.startswith(b"\xff\x4f"):  # a bare JPEG 2000 codestream
        return not tail.endswith(b"\xff\xd9")
    return _boxes_end(file, length) > length


def is_lossless_webp(file: BinaryIO) -> bool:
    """Whether the first picture of a WebP file is in a lossless chunk."""
    at = 12
    while True:
        file.seek(at)
        header = file.read(8)
        if len(header) < 8 or header[:4] in (b"VP8 ", b"VP8L"):
            return header[:4] == b"VP8L"
        at += 8 + (struct.unpack_from("<I", header, 4)[0] + 1) // 2 * 2


def _tiff_end(file: BinaryIO, length: int) -> int:
    """Where the directory and the pixels of the first page of a TIFF file end, as far as it can be read."""
    file.seek(0)
    header = file.read(16)
    try:
        directory = ImageFileDirectory_v2(header if header[2:3] == b"+" or header[3:4] == b"+" else header[:8])
        file.seek(directory.next)
        directory.load(file)
        for offsets, counts in ((273, 279), (324, 325)):
            if offsets in directory and counts in directory:
                return int(max(a + b for a, b in zip(directory[offsets], directory[counts], strict=False)))
    except Exception:  # any damage at all: the directory itself is not to be read
        return length + 1
    return length + 1


def has_broken_texts(file: BinaryIO) -> bool:
    """Whether an item or auxiliary type in a HEIF file is no text: pi_heif 1.4.0 segfaults on it (pillow_heif#478)."""
    length = file.seek(0, os.SEEK_END)
    for kind, start, end in _boxes(file, length):
        if kind == b"meta":
            file.seek(start)
            meta = file.read(min(end - start, _META_BYTES))
            return any(not _is_text(text) for text in _texts(meta))
    return False


def _texts(meta: bytes) -> Iterator[bytes]:
    """The types in the `infe` and `auxC` boxes of a HEIF `meta` box."""
    for found in re.finditer(rb"infe|auxC", meta):
        at = found.start() - 4
        box = meta[at : at + struct.unpack_from(">I", meta, max(0, at))[0]]
        if found[0] == b"auxC":
            yield box[12:].split(b"\0")[0]
        else:
            yield box[18 if box[8:9] == b"\3" else 16 :]


def _is_text(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _boxes_end(file: BinaryIO, length: int) -> int:
    """Where the last top-level box of an ISO base media file (HEIF, AVIF, JPEG 2000) ends."""
    return max((end for _, _, end in _boxes(file, length)), default=0)


def _boxes(file: BinaryIO, length: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the top-level boxes; a header that is cut ends beyond the file."""
    at = 0
    while at < length:
        file.seek(at)
        header = file.read(16)
        size = struct.unpack_from(">I", header)[0] if len(header) >= 8 else length - at + 1
        if size == 1 and len(header) == 16:
            size = struct.unpack_from(">Q", header, 8)[0]
        if size < 8:  # 0 means to the end of the file; anything else is damage
            size = length - at
        yield header[4:8], at, at + size
        at += size
