"""recon3d evaluate, on made-up scenes of known error."""

import json
import shutil
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import trimesh
from commands import command
from synthetic import ROOM, look_at, room_frames, write_capture

from recon3d.depth.recorded import fitted
from recon3d.errors import InputError
from recon3d.files import write_json
from recon3d.formats.camera_file import calibration_as_json
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.depth_map import read_depth
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.ply import write_cloud, write_mesh
from recon3d.formats.scene_poses import poses_as_json
from recon3d.geometry import SE3, Calibration, Mesh, PointCloud
from recon3d.scene import OUTPUTS, Scene
from recon3d.stages.evaluate_depth import DepthOptions, evaluate_depth
from recon3d.stages.evaluate_mesh import MeshOptions, evaluate_mesh
from recon3d.stages.trajectories import matched

TURN = look_at([1.0, 2.0, 0.5], [4.0, 3.0, 1.0])


@pytest.fixture(scope="module")
def frames():
    return room_frames(6)


@pytest.fixture(scope="module")
def capture(frames, tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("evaluated") / "capture", frames)


@pytest.fixture(scope="module")
def scene(frames, tmp_path_factory):
    """A finished scene as the stages would write it, exact: depth to the millimetre, the room's walls as its mesh."""
    scene = Scene.create(tmp_path_factory.mktemp("evaluated") / "scene")
    cameras = {f"{frame.name}.color": calibration_as_json(Calibration(frame.camera)) for frame in frames}
    views = {name: {"factor": 2.0, "field": []} for name in cameras}
    tables = {
        "calibration.json": cameras,
        "cameras.json": {name: camera | {"lens": camera} for name, camera in cameras.items()},
        "scales.json": {"views": views},
        "poses.json": poses_as_json({f"{frame.name}.color": frame.world_from_cam for frame in frames}),
    }
    for stage, files in OUTPUTS.items():
        scene.start(stage, "key", {})
        for name in files:
            scene.file(name).touch() if "." in name else scene.file(name).mkdir()
            if name in tables:
                write_json(scene.file(name), tables[name])
        for name, frame in zip(cameras, frames, strict=True):
            depth = (np.rint(frame.depth * 1000) / 1000).astype(np.float32)
            refined = np.where(np.arange(160) < 80, depth, np.float32(0))
            content = {"init": scene.file("photos") / f"{name}.jpg", "poses": scene.image_path(name)}
            if stage in content:
                content[stage].touch()
            maps = {"depth": (scene.depth_path(name), depth / 2), "refine": (scene.refined_path(name), refined)}
            if stage in maps:
                np.save(*maps[stage])
        scene.finish(stage, {}, [])
    box = trimesh.creation.box(bounds=ROOM).subdivide_to_size(0.08)
    write_mesh(scene.file("mesh.ply"), Mesh(box.vertices, box.faces, np.zeros((len(box.vertices), 3), np.uint8)))
    return scene.root


def write_maps(folder, frames, change=lambda depth: depth):
    folder.mkdir()
    for frame in frames:
        np.save(folder / f"{frame.name}.npy", change(frame.depth.copy()))
    return folder


def facts(*arguments):
    done = command("evaluate", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# Depth


def test_each_depth_of_a_scene_is_compared_as_it_stands(scene, capture):
    expected = {"raw": (0.5, 1.0), "aligned": (0.0, 1.0), "refined": (0.0, 0.5)}
    for which, (abs_rel, coverage) in expected.items():
        found = facts("depth", scene, capture, "--which", which)
        assert (found["photos_compared"], found["what"]) == (6, f"{which} depth")
        assert found["mean"]["abs_rel"] == pytest.approx(abs_rel, abs=1e-6)
        assert found["mean"]["coverage"] == pytest.approx(coverage, abs=0.01)  # walls fill the photos
    assert facts("depth", scene, capture)["what"] == "refined depth"


def test_maps_a_tenth_too_large_say_so(frames, capture, tmp_path):
    maps = write_maps(tmp_path / "maps", frames, lambda depth: 1.1 * depth)
    found = facts("depth", maps, capture)
    assert found["mean"]["abs_rel"] == pytest.approx(0.1, abs=1e-3)  # millimetres at a metre and more
    assert found["pooled"]["abs_rel"] == pytest.approx(0.1, abs=1e-3)
    assert facts("depth", maps, capture, "--scale", "median")["mean"]["abs_rel"] < 1e-3


def test_the_worst_photo_is_named_and_one_without_depth_counts_as_uncovered(frames, capture, tmp_path):
    maps = write_maps(tmp_path / "maps", frames)
    np.save(maps / f"{frames[3].name}.npy", 2 * frames[3].depth)
    np.save(maps / f"{frames[4].name}.npy", np.full_like(frames[4].depth, np.nan))
    done = command("evaluate", "depth", maps, capture, "-o", tmp_path / "out.json")
    assert f"largest AbsRel: {frames[3].name} 1.0" in done.stdout
    assert f"no depth there (coverage 0): {frames[4].name}" in done.stderr
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["photos_without_depth"] == [frames[4].name]
    assert written["mean"]["coverage"] == pytest.approx(5 / 6)
    assert written["photos"][frames[3].name]["abs_rel"] == pytest.approx(1, abs=1e-3)


def test_truth_of_another_size_is_resampled_and_of_another_shape_refused(frames, tmp_path):
    maps = write_maps(tmp_path / "maps", frames)
    half = write_maps(tmp_path / "half", frames, lambda depth: np.repeat(np.repeat(depth, 2, axis=0), 2, axis=1))
    assert facts("depth", maps, half)["mean"]["abs_rel"] == 0
    square = write_maps(tmp_path / "square", frames, lambda depth: depth[:, :120])
    with pytest.raises(InputError, match=r"square: frame-000000: got a map of 120 x 120 px"):
        evaluate_depth(maps, square, DepthOptions())


def test_truth_goes_through_the_lens_that_the_photo_was_undistorted_by(scene, capture, frames, tmp_path):
    copy = shutil.copytree(scene, tmp_path / "scene")
    lens = Calibration(frames[0].camera, "opencv", (-0.2, 0.05, 0.0, 0.0))
    cameras = json.loads((copy / "cameras.json").read_text())
    write_json(
        copy / "cameras.json", {name: one | {"lens": calibration_as_json(lens)} for name, one in cameras.items()}
    )
    for name in cameras:
        drawn = read_depth(capture / f"{name.removesuffix('color')}depth.png", unit_m=0.001)
        np.save(copy / "depth" / f"{name}.npy", fitted(drawn, lens, frames[0].camera, name).values)
    assert facts("depth", copy, capture, "--which", "raw")["mean"]["abs_rel"] == 0
    assert facts("depth", copy, copy)["mean"]["abs_rel"] == 0  # whose depth is undistorted on both sides
    assert facts("depth", copy, scene)["mean"]["coverage"] == 1


def test_a_capture_with_a_depth_folder_and_its_millimetres_are_understood(frames, tmp_path):
    maps = write_maps(tmp_path / "maps", frames)
    (tmp_path / "walk" / "depth").mkdir(parents=True)
    for frame in frames[:4]:
        cv2.imwrite(
            str(tmp_path / "walk" / "depth" / f"{frame.name}.png"), np.rint(frame.depth * 5000).astype(np.uint16)
        )
    found = facts("depth", maps, tmp_path / "walk", "--unit-m", 0.0002)
    assert found["photos_without_truth"] == [frame.name for frame in frames[4:]]
    assert found["mean"]["abs_rel"] < 1e-3


def test_caps_and_crops_reach_the_figures(frames, capture, tmp_path):
    maps = write_maps(tmp_path / "maps", frames)
    everything, near = facts("depth", maps, capture), facts("depth", maps, capture, "--max-m", 2, "--crop", "nyu")
    name = frames[0].name
    assert 0 < near["photos"][name]["truth_count"] < everything["photos"][name]["truth_count"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda depth: 0 * depth, "no pixel has both depth and truth in any of 6 photos: 6 have truth and no depth"),
        (lambda depth: np.nan * depth, "6 have truth and no depth"),
    ],
)
def test_maps_of_nothing_are_an_error_that_says_so(frames, capture, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        evaluate_depth(write_maps(tmp_path / "maps", frames, change), capture, DepthOptions())
    with pytest.raises(InputError, match="no truth inside the caps"):
        evaluate_depth(capture, write_maps(tmp_path / "truth", frames, change), DepthOptions())


def test_no_upper_cap_is_none_in_the_facts(capture, tmp_path):
    done = command("evaluate", "depth", capture, capture, "--max-m", "inf", "-o", tmp_path / "facts.json")
    assert done.returncode == 0 and "from 0.001 m up" in done.stdout
    assert json.loads((tmp_path / "facts.json").read_text())["max_m"] is None


def test_depth_that_cannot_be_compared_is_refused(scene, capture, frames, tmp_path):
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    np.save(stranger / "other.npy", frames[0].depth)
    for judged, truth, options, message in (
        (scene, stranger, {}, "none is called as one of 6 photos"),
        (tmp_path / "nowhere", capture, {}, "no such folder"),
        (scene, tmp_path / "nowhere", {}, "no such folder"),
        (scene, capture, {"which": "best"}, "raw, aligned, refined"),
        (stranger, capture, {"which": "raw"}, "no SCENE"),
        (scene, capture, {"scaling": "best"}, "--scale"),
        (scene, capture, {"crop": "best"}, "--crop"),
        (scene, capture, {"max_m": 0.0}, "--max-m"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate_depth(judged, truth, DepthOptions(**options))


# Trajectories


def moved(frames, scale=1.0):
    """The frames' poses in another world."""
    return {f"{frame.name}.color": TURN @ frame.world_from_cam.scaled(scale) for frame in frames}


def tum_row(time, pose):
    w = np.sqrt(1 + np.trace(pose.R)) / 2  # of these poses never near 0
    x, y, z = (pose.R[i, j] - pose.R[j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    numbers = [*pose.t, x / (4 * w), y / (4 * w), z / (4 * w), w]
    return f"{time} " + " ".join(f"{value:.12g}" for value in numbers)


def turning(count):
    return [
        SE3.from_quat_wxyz(np.array([np.cos(a), 0, 0, np.sin(a)]), np.array([3 * a, np.sin(9 * a), a**2]))
        for a in np.linspace(0.05, 0.6, count)
    ]


def test_a_scene_against_its_capture_has_no_error(scene, capture):
    found = facts("trajectory", scene, capture)
    assert (found["poses"], found["matched_by"], found["align"]) == (6, "names", "se3")
    assert found["ate_m"]["max"] < 1e-9 and found["rpe_deg"]["max"] < 1e-6


def test_another_world_and_size_is_taken_away_by_sim3_only(scene, frames, tmp_path):
    write_json(tmp_path / "poses.json", poses_as_json(moved(frames, 0.5)))
    found = facts("trajectory", tmp_path / "poses.json", scene, "--align", "sim3")
    assert found["scale"] == pytest.approx(2)
    assert found["ate_m"]["max"] < 1e-9
    assert facts("trajectory", tmp_path / "poses.json", scene)["ate_m"]["rmse"] > 0.1
    done = command("evaluate", "trajectory", tmp_path / "poses.json", scene, "--align", "sim3")
    assert "aligned by rotation, translation and scale (sim3), scale 2" in done.stdout


def test_rows_go_to_the_scene_s_photos_in_their_order(scene, frames, tmp_path):
    np.savetxt(tmp_path / "rows.txt", np.stack([pose.matrix[:3].ravel() for pose in moved(frames).values()]))
    found = facts("trajectory", tmp_path / "rows.txt", scene)
    assert found["matched_by"] == "order"
    assert found["ate_m"]["max"] < 1e-9


def test_photos_copied_under_shorter_names_are_still_those_of_the_capture(capture, frames, tmp_path):
    poses = {frame.name: frame.world_from_cam for frame in frames[:4]}
    write_json(tmp_path / "poses.json", poses_as_json(poses))
    found = facts("trajectory", tmp_path / "poses.json", capture, "--align", "none", "--step", 2)
    assert (found["poses"], found["poses_of_reference"], found["pairs"]) == (4, 6, 2)
    assert found["ate_m"]["max"] < 1e-9


def test_rows_of_a_real_capture_are_its_own_poses(shared, tmp_path):
    kitchen = shared / "data" / "redkitchen"
    rows = [np.loadtxt(path).ravel() for path in sorted(kitchen.glob("*.pose.txt"))]
    np.savetxt(tmp_path / "rows.txt", rows)
    found = facts("trajectory", tmp_path / "rows.txt", kitchen, "--align", "none")
    assert (found["poses"], found["matched_by"]) == (100, "order")
    assert found["ate_m"]["max"] < 1e-9


def test_tum_files_go_by_time_to_the_nearest_within_reach(tmp_path):
    poses = turning(6)
    times = [100.0, 100.1, 100.2, 100.3, 100.4, 100.5]
    (tmp_path / "ref.txt").write_text(
        "\n".join(["# time"] + [tum_row(t, p) for t, p in zip(times, poses, strict=True)])
    )
    late = [(t + 0.015, p) for t, p in zip(times, poses, strict=True)]
    late[2] = (100.25, poses[2])  # too far from either neighbour
    rows = [tum_row(t, p) for t, p in (late[5], *late[:5])]  # in any order
    (tmp_path / "est.txt").write_text("\n".join(rows))
    pairs = matched(tmp_path / "est.txt", tmp_path / "ref.txt")
    assert pairs.by == "times"
    assert pairs.names == ("100.0", "100.1", "100.3", "100.4", "100.5")
    found = facts("trajectory", tmp_path / "est.txt", tmp_path / "ref.txt")
    assert found["poses"] == 5 and found["ate_m"]["max"] < 1e-9


def test_photos_called_by_their_time_go_by_time_to_tum_rows(tmp_path):
    poses = turning(30)
    times = [1305031102.0 + 0.01 * index for index in range(30)]
    (tmp_path / "truth.txt").write_text("\n".join(tum_row(f"{t:.4f}", p) for t, p in zip(times, poses, strict=True)))
    named = {f"{times[index] + 0.002:.6f}": poses[index] for index in (3, 9, 15, 21)}
    write_json(tmp_path / "poses.json", poses_as_json(named))
    found = facts("trajectory", tmp_path / "poses.json", tmp_path / "truth.txt")
    assert (found["poses"], found["matched_by"]) == (4, "times")
    assert found["ate_m"]["max"] < 1e-6


def test_rows_without_names_on_both_sides_go_by_order_where_counts_agree(tmp_path):
    poses = turning(5)
    np.savetxt(tmp_path / "kitti.txt", np.stack([pose.matrix[:3].ravel() for pose in poses]))
    np.savetxt(tmp_path / "rows.txt", np.stack([pose.matrix.ravel() for pose in poses]))
    found = facts("trajectory", tmp_path / "kitti.txt", tmp_path / "rows.txt")
    assert (found["matched_by"], found["poses"]) == ("order", 5)
    np.savetxt(tmp_path / "short.txt", np.stack([pose.matrix.ravel() for pose in poses[:4]]))
    with pytest.raises(InputError, match="got 5 and 4 rows"):
        matched(tmp_path / "kitti.txt", tmp_path / "short.txt")


def test_poses_of_an_unknown_unit_are_told(tmp_path, scene, frames):
    opengl = np.diag([1.0, -1, -1, 1])
    entries = [
        {"file_path": f"images/{name}.png", "transform_matrix": (pose.matrix @ opengl).tolist()}
        for name, pose in moved(frames).items()
    ]
    (tmp_path / "transforms.json").write_text(json.dumps({"frames": entries}))
    done = command("evaluate", "trajectory", tmp_path, scene)
    assert done.returncode == 0
    assert "--align sim3 takes it away" in done.stderr
    assert "ATE [m]" in done.stdout


def test_trajectories_with_nothing_in_common_or_broken_are_refused(scene, tmp_path):
    write_json(tmp_path / "others.json", poses_as_json({"elsewhere": SE3.identity()}))
    (tmp_path / "nan.txt").write_text("\n".join(["1 0 0 0 0 1 0 0 0 0 1 0"] * 5 + ["nan" + " 0" * 11]))
    (tmp_path / "empty.txt").write_text("# nothing\n")
    for bad, message in (
        ("others.json", "no pose"),
        ("nan.txt", "row 6"),
        ("empty.txt", "no rows"),
        ("absent.txt", "no such file"),
    ):
        done = command("evaluate", "trajectory", tmp_path / bad, scene)
        assert done.returncode == 1 and bad in done.stderr and message in done.stderr
    with pytest.raises(InputError, match="empty.txt: got no rows"):
        matched(tmp_path / "empty.txt", tmp_path / "empty.txt")


# Meshes


def write_box(path, low, high):
    """The walls of a box, as OBJ."""
    corners = [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    faces = [(1, 2, 4, 3), (5, 6, 8, 7), (1, 2, 6, 5), (3, 4, 8, 7), (1, 3, 7, 5), (2, 4, 8, 6)]
    lines = [f"v {x} {y} {z}" for x, y, z in corners]
    lines += [f"f {a} {b} {c}\nf {a} {c} {d}" for a, b, c, d in faces]
    path.write_text("\n".join(lines) + "\n")
    return path


FEW = 10_000
"""Points where nothing depends on there being many."""


def test_a_mesh_against_itself_is_whole_at_the_spacing_of_its_points(scene):
    found = facts("mesh", scene, scene, "--threshold", 0.01, "--threshold", 0.03)
    assert found["points"] == found["truth_points"] == 200_000
    assert found["thresholds_m"] == [0.01, 0.03]
    assert found["f_score"] == [1, 1]
    assert found["chamfer_m"] == 0  # the same seed draws the same points


def test_a_larger_box_has_the_distance_of_its_walls(tmp_path):
    inner = write_box(tmp_path / "inner.obj", [0, 0, 0], [0.4] * 3)
    outer = write_box(tmp_path / "outer.obj", [-0.03] * 3, [0.43] * 3)
    evaluation = evaluate_mesh(outer, inner, MeshOptions((0.01, 0.06), points=50_000))
    found = evaluation.facts
    assert found["precision"] == (0, 1) and found["recall"] == (0, 1)  # rims are off by 3 to 5.2 cm
    # points 5 mm apart add at most 0.5 mm to 3 cm
    assert found["completeness_m"] == pytest.approx(0.03, abs=0.0005)
    assert found["accuracy_m"] > found["completeness_m"]
    assert any(line.startswith("within 0.06 m") for line in evaluation.lines)


def write_moved(path, scene, truth_from_world, scale=1.0):
    """The scene's mesh in another world."""
    mesh = read_mesh(scene / "mesh.ply")
    write_mesh(path, Mesh(truth_from_world @ (scale * mesh.vertices), mesh.triangles, mesh.colors))
    return path


def test_a_scene_in_another_world_is_aligned_where_asked_for(scene, frames, tmp_path):
    truth = write_moved(tmp_path / "truth.ply", scene, TURN)
    write_json(tmp_path / "poses.json", poses_as_json(moved(frames)))
    assert evaluate_mesh(scene, truth, MeshOptions(points=FEW)).facts["f_score"][1] < 0.5
    options = MeshOptions(align="rigid", truth_poses=tmp_path / "poses.json", points=FEW)
    found = evaluate_mesh(scene, truth, options).facts
    assert min(found["f_score"]) > 0.999  # the same seed draws the same points, up to rounding in the file
    assert np.allclose(found["truth_from_judged"], TURN.matrix, atol=1e-9)
    same = evaluate_mesh(scene, scene, MeshOptions(align="rigid", points=FEW)).facts
    assert np.allclose(same["truth_from_judged"], np.eye(4), atol=1e-9)


def test_an_error_mesh_and_a_histogram_show_where_the_truth_is_missed(scene, tmp_path):
    half = read_mesh(scene / "mesh.ply")
    raised = np.where(half.vertices[:, :1] > 0, half.vertices + np.array([0, 0, 0.03]), half.vertices)
    write_mesh(tmp_path / "half.ply", Mesh(raised, half.triangles, half.colors))
    drawn = tmp_path / "errors.ply", tmp_path / "histogram.svg"
    options = "--threshold", 0.02, "--error-mesh", drawn[0], "--histogram", drawn[1]
    done = command("evaluate", "mesh", tmp_path / "half.ply", scene, *options)
    assert done.returncode == 0, done.stderr
    assert "normal consistency 0.9" in done.stdout and "over 0.0400 m" in done.stdout
    colors = read_mesh(drawn[0]).colors.astype(int)
    x, y, z = half.vertices.T
    floor = (z == 0) & (np.abs(x) > 0.2) & (np.abs(x) < 2.4) & (np.abs(y) < 1.9)
    assert (colors[floor & (x > 0)] == (214, 39, 40)).all()  # 3 cm are beyond 2 cm
    assert (colors[floor & (x < 0)].sum(axis=1) < 150).all()  # dark: none
    ElementTree.parse(drawn[1])
    for wrong in ("errors.obj", "."):
        done = command("evaluate", "mesh", scene, scene, "--error-mesh", tmp_path / wrong)
        assert done.returncode == 1 and "wanted the name of a file that ends in .ply" in done.stderr


def test_clouds_are_compared_too_and_their_normals_where_they_have_them(scene, tmp_path):
    mesh = read_mesh(scene / "mesh.ply")
    up = np.tile(np.float32([0, 0, 1]), (len(mesh.vertices), 1))
    write_cloud(tmp_path / "normals.ply", PointCloud(mesh.vertices, mesh.colors, up))
    write_cloud(tmp_path / "points.ply", PointCloud(mesh.vertices, mesh.colors))
    found = facts("mesh", tmp_path / "normals.ply", tmp_path / "normals.ply")
    assert found["normal_consistency"] == pytest.approx(1) and found["f_score"] == [1, 1]
    done = command("evaluate", "mesh", tmp_path / "points.ply", scene, "--error-mesh", tmp_path / "errors.ply")
    assert "normal consistency: not known" in done.stdout
    assert len(read_cloud(tmp_path / "errors.ply").points) == len(mesh.vertices)


def test_closest_points_are_never_silent(scene, tmp_path):
    write_moved(tmp_path / "moved.ply", scene, SE3(np.eye(3), np.array([0, 0, 0.01])))
    done = command("evaluate", "mesh", tmp_path / "moved.ply", scene, "--icp", 0.1)
    assert "then by closest points within 0.1 m, which moved it 10" in done.stdout


def test_cameras_on_a_line_or_too_few_align_no_mesh(scene, frames, tmp_path):
    names = [f"{frame.name}.color" for frame in frames]
    for centres, message in (
        ([[x, 2 * x, 0] for x in range(6)], "on one line"),
        ([[1, 2, 3]] * 6, "on one line"),
        ([[0, 0, 0], [1, 0, 0]], "got 2 photos"),
    ):
        poses = {name: SE3(np.eye(3), np.array(t, float)) for name, t in zip(names, centres, strict=False)}
        write_json(tmp_path / "poses.json", poses_as_json(poses))
        options = MeshOptions(align="rigid", truth_poses=tmp_path / "poses.json")
        with pytest.raises(InputError, match=message):
            evaluate_mesh(scene, scene, options)


def test_size_counts_unless_a_similarity_is_asked_for(scene, frames, tmp_path):
    truth = write_moved(tmp_path / "truth.ply", scene, TURN, 1.2)
    write_json(tmp_path / "poses.json", poses_as_json(moved(frames, 1.2)))
    rigid, similar = (
        evaluate_mesh(scene, truth, MeshOptions(align=align, truth_poses=tmp_path / "poses.json", points=FEW)).facts
        for align in ("rigid", "similarity")
    )
    assert similar["scale"] == pytest.approx(1.2) and rigid["scale"] == 1
    assert min(similar["f_score"]) > 0.999
    assert rigid["f_score"][1] < 0.5


def test_closest_points_take_away_a_small_shift_and_say_so(scene, tmp_path):
    shift = np.array([0.02, -0.01, 0.015])
    truth = write_moved(tmp_path / "truth.ply", scene, SE3(np.eye(3), shift))
    evaluation = evaluate_mesh(scene, truth, MeshOptions(icp_m=0.1, points=FEW))
    # the same points on both sides, 5 to 10 cm apart
    assert np.allclose(np.array(evaluation.facts["truth_from_judged"])[:3, 3], shift, atol=1e-6)
    assert "closest points within 0.1 m" in evaluation.lines[0]


def test_a_point_cloud_is_taken_point_by_point(scene, tmp_path):
    mesh = read_mesh(scene / "mesh.ply")
    write_cloud(tmp_path / "truth.ply", PointCloud(mesh.vertices, mesh.colors))
    found = evaluate_mesh(scene, tmp_path / "truth.ply", MeshOptions()).facts
    assert found["truth_points"] == len(mesh.vertices) < found["points"]
    # in a right triangle no point is farther than half the longest edge, 8 cm, from the nearest corner
    assert found["precision"][1] == 1 > found["precision"][0]
    fewer = evaluate_mesh(scene, tmp_path / "truth.ply", MeshOptions(points=FEW)).facts
    assert fewer["truth_points"] == FEW


def test_what_lies_outside_the_truth_s_box_is_left_out_where_asked_for(tmp_path):
    room = write_box(tmp_path / "room.obj", *ROOM)
    house = write_box(tmp_path / "house.obj", ROOM[0] - 5, ROOM[1])
    found = evaluate_mesh(house, room, MeshOptions(crop_m=0.05, points=5000)).facts
    assert found["points"] < found["truth_points"] == 5000
    far = write_box(tmp_path / "far.obj", ROOM[0] + 100, ROOM[1] + 100)
    with pytest.raises(InputError, match="--crop: nothing of the surface"):
        evaluate_mesh(far, room, MeshOptions(crop_m=0.1, points=100))


def test_surfaces_that_cannot_be_compared_are_refused(scene, tmp_path):
    (tmp_path / "empty.ply").write_text("ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nend_header\n")
    (tmp_path / "flat.obj").write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    (tmp_path / "note.txt").write_text("no mesh")
    (tmp_path / "broken.ply").write_text("no mesh")
    for bad, message in (
        ("empty.ply", "no points"),
        ("flat.obj", "no area"),
        ("note.txt", "ending"),
        ("broken.ply", "not a PLY"),
        ("absent.obj", "no such file"),
    ):
        done = command("evaluate", "mesh", scene, tmp_path / bad)
        assert done.returncode == 1 and bad in done.stderr and message in done.stderr
    done = command("evaluate", "mesh", scene / "mesh.ply", scene, "--align", "rigid")
    assert done.returncode == 1 and "--truth-poses" in done.stderr
    done = command("evaluate", "mesh", scene, scene, "--truth-poses", scene / "poses.json")
    assert done.returncode == 1 and "add --align rigid or similarity" in done.stderr
    assert command("evaluate", "mesh", scene, scene, "--threshold", 0).returncode == 1


def test_help_is_quick_and_complete():
    done = command("evaluate", "--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("depth", "trajectory", "mesh"))
