"""Exports of a scene: all formats, what is kept, and what people do wrong."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pycolmap
import pytest
import trimesh
from commands import command
from synthetic import distance_to_room, room_frames, write_capture

import recon3d
from recon3d.cli.export import NAMES
from recon3d.errors import StageError
from recon3d.files import load_array
from recon3d.formats.blend import blender_python
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.ply import write_mesh
from recon3d.geometry import Mesh
from recon3d.scene import Scene
from recon3d.stages.chain import STAGES
from recon3d.stages.export import FORMATS

PLAIN = [name for name, form in FORMATS.items() if name != "blend" and form.stage in STAGES]
"""Formats that need no Blender, and no stage beyond those of a run."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A scene of the made-up room, four photos with recorded depth."""
    capture = write_capture(tmp_path_factory.mktemp("capture"), room_frames(4))
    return recon3d.run(capture, tmp_path_factory.mktemp("run") / "scene", model="recorded").root


@pytest.fixture
def scene(made, tmp_path):
    """A copy to spoil, at a place with blanks and quotes."""
    return Scene(Path(shutil.copytree(made, tmp_path / "my \"scene\" isn't 'flat' ü")))


@pytest.fixture
def blender():
    try:
        return blender_python()
    except StageError:
        pytest.skip("bpy: no .venv-bpy here; make blender makes it")


def contents(path):
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def refused(done, *words):
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("recon3d: ") and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert len(done.stderr) < 2500
    for word in words:
        assert word in done.stderr, done.stderr


def exported(scene, to, *more):
    """Exports to the default place, which it gives."""
    done = command("export", scene.root, "--to", to, *more)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{to}: ")
    path = scene.file("export") / FORMATS[to].default
    assert line.endswith(str(path))
    return path


def test_every_format_is_named_by_the_help():
    listed = [name for group in NAMES.split("; ") for name in group.partition(": ")[2].split(", ")]
    assert sorted(listed) == sorted(FORMATS)


def test_every_format_has_its_row_in_the_conventions():
    page = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text(encoding="utf-8")
    _, _, table = page.partition("What `recon3d export --to` writes")
    rows = re.findall(r"^\| ([a-z, -]+?)(?: \([^|]*\))? \|", table, re.MULTILINE)
    named = {name for row in rows for name in row.split(", ")}
    assert set(FORMATS) <= named, set(FORMATS) - named


@pytest.mark.parametrize("to", PLAIN)
def test_equal_scenes_give_equal_files_whatever_they_are_called(scene, tmp_path, to):
    first = contents(exported(scene, to))
    assert first and all(first.values())
    out = tmp_path / f"other{Path(FORMATS[to].default).suffix}"
    assert command("export", scene.root, "--to", to, "-o", out).returncode == 0
    assert contents(out).keys() == first.keys() or len(first) == 1
    assert list(contents(out).values()) == list(first.values())
    assert not [path for path in tmp_path.rglob(".tmp-*")]


def test_the_line_says_what_was_made_and_how_large(scene):
    done = command("export", scene.root, "--to", "glb")
    triangles = len(read_mesh(scene.file("mesh.ply")).triangles)
    assert f"{triangles} triangles, " in done.stdout and " m, 4 cameras, " in done.stdout and "B: " in done.stdout
    facts = json.loads(command("export", scene.root, "--to", "glb", "--force", "--json").stdout)
    assert facts["triangles"] == triangles and facts["cameras"] == 4 and len(facts["size_m"]) == 3
    assert facts["bytes"] == Path(facts["path"]).stat().st_size


@pytest.mark.parametrize("to", ["ply", "glb", "obj", "stl"])
def test_meshes_are_the_scene_s(scene, to):
    ours, back = read_mesh(scene.file("mesh.ply")), read_mesh(exported(scene, to))
    corners = ours.vertices[ours.triangles], back.vertices[back.triangles]
    np.testing.assert_allclose(corners[1], corners[0], atol=1e-6)


def test_every_export_names_the_scale(scene):
    comment = b"unit metre; scale given poses"
    for to in ("ply", "glb", "obj", "usd", "cloud-ply", "las", "splats", "tum"):
        assert comment in exported(scene, to).read_bytes(), to
    for to in ("colmap", "nerfstudio", "depth-png", "depth-exr"):
        record = json.loads((exported(scene, to) / "export.json").read_text())
        assert record["format"] == to and record["scale"].startswith(comment.decode())


def test_colmap_and_depth_are_of_one_world(scene):
    """The points that photos share lie where the depth of the photos says."""
    folder = exported(scene, "colmap")
    depths = exported(scene, "depth-png")
    model = pycolmap.Reconstruction(folder / "sparse" / "0")
    assert model.num_reg_images() == 4 and model.num_points3D() > 20
    assert model.compute_mean_reprojection_error() < 1.5
    errors = []
    for image in model.images.values():
        assert (folder / "images" / image.name).is_file()
        depth = cv2.imread(str(depths / f"{Path(image.name).stem}.png"), cv2.IMREAD_UNCHANGED) / 1000
        for feature in image.points2D:
            column, row = np.floor(feature.xy).astype(int)  # pixel centres at a half
            z = (image.cam_from_world() * model.points3D[feature.point3D_id].xyz)[2]
            errors.append(abs(z - depth[row, column]) / z if depth[row, column] else np.nan)
    assert np.nanmedian(errors) < 0.02
    picture = cv2.imread(str(folder / "images" / model.images[1].name))[..., ::-1].astype(int)
    colors = [
        (picture[int(p.xy[1]), int(p.xy[0])], model.points3D[p.point3D_id].color) for p in model.images[1].points2D
    ]
    assert np.median([np.abs(a - b).mean() for a, b in colors]) < 12


def test_nerfstudio_finds_all_that_it_trains_on(scene):
    """As nerfstudio's data parser reads it: files, depth in millimetres, and points in the axes of the poses."""
    folder = exported(scene, "nerfstudio")
    data = json.loads((folder / "transforms.json").read_text())
    points = trimesh.load(folder / data["ply_file_path"])
    assert len(points.vertices) > 1000 and points.colors.shape[1] == 4
    assert np.median(distance_to_room(np.asarray(points.vertices))) < 0.03
    for frame in data["frames"]:
        assert cv2.imread(str(folder / frame["file_path"])).shape == (data["h"], data["w"], 3)
        depth = cv2.imread(str(folder / frame["depth_file_path"]), cv2.IMREAD_ANYDEPTH) * 1e-3
        v, u = np.nonzero(depth)
        z = depth[v, u]
        # nerfstudio: pixel centres at a half, y up, looking along -z
        opengl = np.stack(
            [(u + 0.5 - data["cx"]) / data["fl_x"] * z, -(v + 0.5 - data["cy"]) / data["fl_y"] * z, -z], -1
        )
        matrix = np.array(frame["transform_matrix"])
        assert np.median(distance_to_room(opengl @ matrix[:3, :3].T + matrix[:3, 3])) < 0.005


def test_masks_go_along_for_all_photos_or_none(scene):
    name = scene.names()[0]
    scene.file("masks").mkdir()
    cv2.imwrite(str(scene.file("masks") / f"{name}.png"), np.zeros((120, 160), np.uint8))
    folder = exported(scene, "nerfstudio")
    data = json.loads((folder / "transforms.json").read_text())
    masks = [cv2.imread(str(folder / frame["mask_path"]), cv2.IMREAD_UNCHANGED) for frame in data["frames"]]
    assert [int(mask.max()) for mask in masks] == [0, 255, 255, 255]


def test_depth_comes_back(scene):
    for to, step in (("depth-png", 0.0005), ("depth-exr", 0.0)):
        folder = exported(scene, to)
        for name in scene.names():
            back = recon3d_depth(next(folder.glob(f"{name}.*")))
            np.testing.assert_allclose(back, load_array(scene.refined_path(name)), atol=step + 1e-7)


def recon3d_depth(path):
    from recon3d.formats.depth_map import read_depth

    return read_depth(path, unit_m=0.001)


def test_splats_begin_from_the_cloud_with_normals(scene):
    start, cloud = read_cloud(exported(scene, "splats")), read_cloud(scene.file("cloud.ply"))
    assert start.normals is not None and 1000 < len(start.points) <= len(cloud.points)


def test_a_blend_of_a_scene(scene, blender):
    assert exported(scene, "blend").stat().st_size > 10_000
    for path in scene.file("images").iterdir():
        path.unlink()
    refused(command("export", scene.root, "--to", "blend", "--force"), "4 of 4 photos are gone", "recon3d poses")


# What is there is kept


@pytest.mark.parametrize("to", ["glb", "depth-png"])
def test_an_export_that_is_there_is_kept_unless_forced(scene, to):
    path = exported(scene, to)
    victim = path if path.is_file() else next(path.glob("*.png"))
    victim.write_bytes(b"mine")
    refused(command("export", scene.root, "--to", to), "is there already", "--force")
    assert victim.read_bytes() == b"mine"
    exported(scene, to, "--force")
    assert victim.read_bytes() != b"mine"


def test_force_replaces_a_whole_folder_that_was_exported(scene):
    path = exported(scene, "depth-png")
    (path / "of-a-photo-that-is-gone.png").write_bytes(b"old")
    exported(scene, "depth-png", "--force")
    assert not (path / "of-a-photo-that-is-gone.png").exists()


def test_force_never_replaces_somebody_s_other_files(scene, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("three years of work")
    refused(command("export", scene.root, "--to", "colmap", "-o", home, "--force"), "did not make", "-o")
    refused(command("export", scene.root, "--to", "tum", "-o", tmp_path / "home.txt" / ".." / "home", "--force"))
    folder = tmp_path / "folder.glb"
    folder.mkdir()
    refused(command("export", scene.root, "--to", "glb", "-o", folder, "--force"), "is a folder")
    (tmp_path / "file").write_text("x")
    refused(command("export", scene.root, "--to", "colmap", "-o", tmp_path / "file", "--force"), "is a file")
    assert (home / "thesis.txt").read_text() == "three years of work"


@pytest.mark.parametrize("name", ["mesh.ply", "images/other.ply", "export/../mesh.ply", "../link/mesh.ply"])
def test_the_scene_s_own_files_are_not_written_over(scene, name):
    (scene.root.parent / "link").symlink_to(scene.root)
    before = scene.file("mesh.ply").read_bytes()
    refused(command("export", scene.root, "--to", "ply", "-o", scene.root / name, "--force"), "scene's own files")
    assert scene.file("mesh.ply").read_bytes() == before


def test_a_scene_that_is_worked_on_is_left_alone_and_exported_elsewhere(scene, tmp_path):
    with scene.locked():
        refused(command("export", scene.root, "--to", "tum"), "another recon3d works on this scene")
        assert command("export", scene.root, "--to", "tum", "-o", tmp_path / "t.txt").returncode == 0


# Bad input


@pytest.mark.parametrize("to", ["glb", "colmap"])
def test_a_name_of_70_000_characters(scene, tmp_path, to):
    refused(command("export", scene.root, "--to", to, "-o", tmp_path / ("x" * 70_000 + ".glb")), "70004 bytes")
    deep = tmp_path.joinpath(*["y" * 240] * 40, "m.glb")
    refused(command("export", scene.root, "--to", to, "-o", deep), "can't be written: File name too long")


def test_an_unknown_format_and_a_wrong_ending(scene, tmp_path):
    refused(command("export", scene.root, "--to", "fbx"), "'fbx'", "glb", "nerfstudio")
    refused(command("export", scene.root, "--to", "glb", "-o", tmp_path / "m.stl"), "'.stl' for glb", ".glb")
    refused(command("export", tmp_path / "nowhere", "--to", "glb"), "no scene there")


@pytest.mark.parametrize("to", ["colmap", "nerfstudio"])
def test_photos_that_were_deleted(scene, to):
    gone = scene.names()[2]
    scene.image_path(gone).unlink()
    refused(command("export", scene.root, "--to", to), f"1 of 4 photos are gone ({gone})", "recon3d poses")
    assert not (scene.file("export") / to).exists()


@pytest.mark.parametrize(("to", "file"), [("obj", "mesh.ply"), ("laz", "cloud.ply"), ("depth-exr", "refined")])
def test_what_is_not_made_yet(scene, to, file):
    path = scene.file(file)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    refused(command("export", scene.root, "--to", to), "is not done; run: recon3d")


@pytest.mark.parametrize("to", ["ply", "glb", "obj", "usd", "stl", "blend"])
def test_an_empty_mesh_or_one_with_nan(scene, to):
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32), np.zeros((0, 3), np.uint8))
    write_mesh(scene.file("mesh.ply"), nothing)
    refused(command("export", scene.root, "--to", to), "mesh.ply", "no triangles")
    broken = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    broken.vertices[0, 0] = np.nan
    broken.export(scene.file("mesh.ply"))
    refused(command("export", scene.root, "--to", to), "mesh.ply", "NaN")


def test_a_mesh_without_colours_is_grey(scene):
    trimesh.creation.box().export(scene.file("mesh.ply"))
    assert (read_mesh(exported(scene, "glb")).colors == 180).all()


def test_a_full_disk_leaves_nothing_behind(scene, tmp_path):
    """A limit on the size of files is met where a full disk would be: in the middle of writing."""
    code = """
import json, resource, sys
from recon3d.errors import Recon3dError
from recon3d.scene import Scene
from recon3d.stages.export import export
scene, folder, formats = Scene.open(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
said = {}
for to in formats:
    try:
        said[to] = export(scene, to).line
    except Recon3dError as error:
        said[to] = str(error)
print(json.dumps(said))
"""
    formats = [to for to in PLAIN if to != "tum"]  # a few hundred bytes
    arguments = [str(scene.root), str(tmp_path), json.dumps(formats)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for to, said in json.loads(done.stdout).items():
        assert "can't be written" in said and "\n" not in said, f"{to}: {said}"
    left = list(scene.file("export").iterdir()) if scene.file("export").exists() else []
    assert left == []
