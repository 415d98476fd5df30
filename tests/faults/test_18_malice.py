"""Files made to harm: refused before they run code, take memory or reach outside; markup is shown as the text it is."""

import io
import json
import os
import re
import struct
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from commands import command
from faulty import HEIGHT, WIDTH, encoded, good_folder, picture, refused, said
from PIL import Image

import recon3d.cli
from recon3d.formats.csv_table import csv_bytes

GROUP = "18. Malice"
MARKUP = '<img src=x onerror="alert(1)">&<script>'


class Payload:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self):
        return (os.mkdir, ("owned",))


def one_photo(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture(), format="PNG"))
    return tmp_path / "a.png"


def depth_refused(tmp_path, name, data, *words):
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / name).write_bytes(data)
    refused(command("run", one_photo(tmp_path), "-o", tmp_path / "s", "--depth", maps), name, *words)


def camera_refused(tmp_path, name, text, *words):
    (tmp_path / name).write_text(text)
    photos = good_folder(tmp_path / "photos")
    refused(command("init", photos, "-o", tmp_path / "s", "--camera", tmp_path / name), name, *words)


def mesh_refused(tmp_path, name, data, *words):
    (tmp_path / name).write_bytes(data)
    refused(command("evaluate", "mesh", tmp_path / name, tmp_path / name), name, *words)


def saved(save, *arrays, **options):
    buffer = io.BytesIO()
    save(buffer, *arrays, **options)
    return buffer.getvalue()


def objects():
    array = np.empty((HEIGHT, WIDTH), dtype=object)
    array[:] = 1.0
    array[0, 0] = Payload()
    return array


def pickle_in_npz(tmp_path):
    depth_refused(tmp_path, "a.npz", saved(np.savez, depth=objects()), "can't be read")


def object_array(tmp_path):
    depth_refused(tmp_path, "a.npy", saved(np.save, objects(), allow_pickle=True), "can't be read")


def yaml_tag(tmp_path):
    text = "image_width: !!python/object/apply:os.mkdir [owned]\nimage_height: 48\n"
    camera_refused(tmp_path, "camera.yaml", text, "wanted")


def yaml_bomb(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    camera_refused(tmp_path, "camera.yaml", "\n".join(lines), "got a YAML alias")


def deep_json(tmp_path):
    camera_refused(tmp_path, "camera.json", '{"a":' * 200_000, "nests too deeply")


def nan_in_json(tmp_path):
    poses = '{"frame": "world_from_cam", "unit": "m", "poses": {"a": [[NaN, 0, 0, 0]]}}'
    (tmp_path / "poses.json").write_text(poses)
    done = command(
        "run", one_photo(tmp_path), "-o", tmp_path / "s", "--poses", tmp_path / "poses.json", "--model", "demo"
    )
    refused(done, "poses.json", "got NaN")


def ply(count, faces=b"", face_count=0):
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {count}\nproperty float x\nproperty float y\n"
    header += f"property float z\nelement face {face_count}\nproperty list uchar int vertex_indices\nend_header\n"
    return header.encode() + np.eye(3, dtype="<f4").tobytes() + faces


def ply_huge(tmp_path):
    mesh_refused(tmp_path, "m.ply", ply(4_000_000_000), "is the file whole?")


def ply_negative(tmp_path):
    mesh_refused(tmp_path, "m.ply", ply(-3), "element vertex -3")


def ply_out_of_range(tmp_path):
    mesh_refused(tmp_path, "m.ply", ply(3, struct.pack("<B3i", 3, 0, 1, 2**31 - 1), 1), "triangles of vertices")


def glb_that_names_files(tmp_path):
    os.mkfifo(tmp_path / "secret.bin")  # opening it would wait for ever
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36, "uri": "../secret.bin"}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunk = struct.pack("<I4s", len(text), b"JSON") + text
    (tmp_path / "in").mkdir()
    mesh_refused(tmp_path / "in", "m.glb", struct.pack("<4sII", b"glTF", 2, 12 + len(chunk)) + chunk, "can't be read")


def obj_that_names_files(tmp_path):
    """It is read, and what it names is left alone: the pipe would wait for ever."""
    os.mkfifo(tmp_path / "secret.mtl")
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "m.obj"
    path.write_text("mtllib ../secret.mtl\nusemtl x\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    said(command("evaluate", "mesh", path, path), 0)


def zip_slip(tmp_path):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("../../owned.npy", saved(np.save, np.ones((HEIGHT, WIDTH), np.float32)))
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / "a.npz").write_bytes(data.getvalue())
    said(command("run", one_photo(tmp_path), "-o", tmp_path / "s", "--depth", maps), 0)  # read, never unpacked
    assert not list(tmp_path.parent.glob("owned*"))


class Page(HTMLParser):
    """Remembers what a browser would make of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.handlers = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs).get("src", "")))
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def report_of(tmp_path, name, **options):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / name).write_bytes(encoded(picture(), format="PNG", **options))
    said(command("run", photos, "-o", tmp_path / "s", "--model", "demo"), 0)
    return (tmp_path / "s" / "report.html").read_text()


def shown_as_text(page):
    parsed = Page(page)
    assert ("img", "x") not in parsed.tags and not parsed.handlers
    assert "<script>" not in page.replace('<script type="application/json">', "") or "onerror" not in page


def markup_in_exif(tmp_path):
    tags = Image.Exif()
    tags[271], tags[272] = MARKUP, MARKUP
    shown_as_text(report_of(tmp_path, "a.png", exif=tags))


def markup_in_names(tmp_path):
    page = report_of(tmp_path, MARKUP.replace("/", "") + ".png")
    shown_as_text(page)
    assert "&lt;img src=x" in page


def csv_formula(tmp_path):
    """What a spreadsheet would run stands in no file of ours: tables are JSON or HTML, but for one that escapes it."""
    report_of(tmp_path, "=HYPERLINK(1).png")
    assert not list((tmp_path / "s").rglob("*.csv")) + list((tmp_path / "s").rglob("*.tsv"))
    package = Path(recon3d.cli.__path__[0]).parent
    writers = [
        p.name for p in package.rglob("*.py") if re.search(r"^import csv|csv\.writer|to_csv", p.read_text(), re.M)
    ]
    assert writers == ["csv_table.py"]
    assert b"'=HYPERLINK(1)" in csv_bytes(["photos"], [["=HYPERLINK(1)"]])


CASES = {
    "a pickle in NPZ": pickle_in_npz,
    "an array of objects": object_array,
    "a YAML tag that makes objects": yaml_tag,
    "a YAML bomb": yaml_bomb,
    "JSON that nests without end": deep_json,
    "NaN in JSON": nan_in_json,
    "PLY that promises billions": ply_huge,
    "PLY with a negative count": ply_negative,
    "PLY with an index out of range": ply_out_of_range,
    "GLB that names ../ files": glb_that_names_files,
    "OBJ that names ../ files": obj_that_names_files,
    "an archive that unpacks upwards (zip slip)": zip_slip,
    "markup in EXIF": markup_in_exif,
    "markup in names": markup_in_names,
    "a formula for spreadsheets": csv_formula,
}


def test_the_group_is_whole():
    assert len(CASES) == 15


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_or_shown_as_the_text_it_is(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CASES[case](tmp_path)
    assert not (tmp_path / "owned").exists()
