"""The scale stage on made-up scenes: what it makes of depth or disparity, of ties and of measured distances."""

import dataclasses

import numpy as np
import pytest
from commands import command
from injected import capture, injected

from recon3d.errors import InputError
from recon3d.files import read_json, save_array, write_json
from recon3d.formats.camera_file import calibration_as_json
from recon3d.formats.scene_poses import poses_as_json
from recon3d.geometry import SE3, Calibration
from recon3d.poses.sparse import Sparse
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages import scale as stage
from recon3d.stages.aligned import aligned_depth, view_scales
from recon3d.stages.job import Job

COUNT = 6
EXACT = capture(COUNT, points=400)
NAMES = [frame.name for frame in EXACT.frames]
UNIT = 0.25
"""Metres that a unit of the sparse model is."""


@pytest.fixture
def scene_of(tmp_path, monkeypatch):
    """Makes a scene whose depth stage is done, from maps by photo."""

    def make(maps, *, kind="metric", metric=False, sparse=None, given=True):
        model = sparse or EXACT.sparse(UNIT)
        scene = Scene.create(tmp_path / "scene")
        for name, done in (("init", {}), ("poses", {}), ("depth", {"kind": kind, "model": "made up"})):
            scene.start(name, name, {})
            scene.finish(name, done, [])
        for folder in ("images", "sparse"):
            scene.file(folder).mkdir()
        cameras = {f.name: calibration_as_json(Calibration(f.camera)) for f in EXACT.frames}
        write_json(scene.file("calibration.json"), cameras)
        write_json(scene.file("cameras.json"), {name: camera | {"lens": camera} for name, camera in cameras.items()})
        write_json(
            scene.file("sparse") / "poses.json",
            poses_as_json({name: model.world_from_cam[name] for name in NAMES}) | {"given": given, "metric": metric},
        )
        (scene.file("sparse") / "points3D.bin").touch()
        monkeypatch.setattr(stage, "read_sparse", lambda folder: model)
        path = scene.disparity_path if kind == "disparity" else scene.depth_path
        for name, values in zip(NAMES, maps, strict=True):
            save_array(path(name), np.asarray(values, np.float32))
        monkeypatch.setattr(Scene, "upstream_key", lambda self, name: "depth")
        return scene

    return make


def run(scene, **settings):
    return stage.scale(scene, Job(Settings().replaced("scale", **settings)), trusted_depth=False)


def depths():
    return [frame.depth for frame in EXACT.frames]


def disparities():
    """As relative models give them: each photo with another scale and shift, the nearest about 30."""
    return [(1 / d + 0.05) * (10 + i) for i, d in enumerate(depths())]


def off(scene):
    """Mean relative error of each photo's aligned depth."""
    views = view_scales(scene)
    found = {name: aligned_depth(scene, name, views[name]) for name in NAMES}
    return [np.mean(np.abs(found[f.name] / f.depth - 1)) for f in EXACT.frames]


def without_ties(model, name):
    """The sparse model with that photo's observations gone."""
    keep = model.obs_photo != model.names.index(name)
    parts = {key: getattr(model, key)[keep] for key in ("obs_point", "obs_photo", "obs_uv", "obs_error_px")}
    return dataclasses.replace(model, **parts)


def test_exact_depth_in_metres_says_how_large_a_unit_is(scene_of):
    scene = scene_of(depths())
    facts = run(scene).facts
    assert (facts["factor"], facts["source"]) == (pytest.approx(UNIT, rel=1e-3), "depth median")
    assert max(off(scene)) < 1e-3


def test_disparity_becomes_metric_depth_by_ties_and_metric_poses(scene_of):
    scene = scene_of(disparities(), kind="disparity", metric=True, sparse=EXACT.sparse(1.0))
    outcome = run(scene)
    assert max(off(scene)) < 0.005
    assert outcome.facts["source"] == "given poses"
    line = view_scales(scene)[NAMES[2]]["line"]
    assert line == [pytest.approx(1 / 12, rel=0.02), pytest.approx(-0.05, abs=0.005)]


def test_disparity_becomes_metric_depth_by_a_factor(scene_of):
    scene = scene_of(disparities(), kind="disparity")
    run(scene, factor=UNIT)
    assert max(off(scene)) < 0.005


def test_disparity_without_a_word_on_size_is_an_error_that_names_the_way_out(scene_of):
    with pytest.raises(InputError, match="--metric-from"):
        run(scene_of(disparities(), kind="disparity"))


def test_a_photo_without_ties_is_left_without_depth_and_named(scene_of):
    scene = scene_of(disparities(), kind="disparity", sparse=without_ties(EXACT.sparse(UNIT), NAMES[3]))
    signals = run(scene, factor=UNIT).signals
    assert ("FEW_TIES", (NAMES[3],)) in [(signal.code, signal.photos) for signal in signals]
    assert not aligned_depth(scene, NAMES[3], view_scales(scene)[NAMES[3]]).any()
    assert max(error for name, error in zip(NAMES, off(scene), strict=True) if name != NAMES[3]) < 0.005


def test_disparity_with_no_ties_at_all_is_an_error_that_names_the_way_out(scene_of):
    model = EXACT.sparse(UNIT)
    for name in NAMES:
        model = without_ties(model, name)
    with pytest.raises(InputError, match=r"none of 6 photos has 30 ties.*--metric-from"):
        run(scene_of(disparities(), kind="disparity", sparse=model), factor=UNIT)


def test_a_view_without_ties_takes_its_scale_from_what_it_shares(scene_of):
    maps = [injected(d, 1 + 0.1 * i, np.random.default_rng(i)) for i, d in enumerate(depths())]
    model = without_ties(EXACT.sparse(1.0), NAMES[0])
    together = scene_of(maps, metric=True, sparse=model)
    run(together)
    joint = off(together)[0]
    run(together, joint=False)
    alone = off(together)[0]
    # The neighbours' depth is 10 to 40 % too large: their median is 20 % off this view's.
    assert alone > 0.15
    assert joint < 0.08


def with_false_ties(model, name, factor):
    """The sparse model with all that one photo sees a factor too far away, as a photo elsewhere seems to confirm."""
    number = model.names.index(name)
    mine, centre = model.obs_photo == number, model.world_from_cam[name].t
    false = centre + factor * (model.points[model.obs_point[mine]] - centre)
    new = len(model.points) + np.arange(len(false))
    point = model.obs_point.copy()
    point[mine] = new
    elsewhere = SE3(model.world_from_cam[name].R, centre + np.array([0.5, 0.5, 0.5]))
    return Sparse(
        model.calibrations | {"elsewhere": model.calibrations[name]},
        model.world_from_cam | {"elsewhere": elsewhere},
        np.concatenate([model.points, false]),
        np.concatenate([point, new]),
        np.concatenate([model.obs_photo, np.full(len(false), len(NAMES))]),
        np.concatenate([model.obs_uv, model.obs_uv[mine]]),
        np.concatenate([model.obs_error_px, model.obs_error_px[mine]]),
    )


def test_a_view_that_the_others_contradict_is_left_out_by_name(scene_of):
    scene = scene_of(depths(), metric=True, sparse=with_false_ties(EXACT.sparse(1.0), NAMES[2], 1.7))
    signals = run(scene).signals
    assert [signal.photos for signal in signals if signal.code == "OUTLIER_VIEW"] == [(NAMES[2],)]
    errors = off(scene)
    assert errors.pop(2) == pytest.approx(1)  # no depth at all
    assert max(errors) < 0.1


def mark(index, u, v):
    return f"{NAMES[index]}:{u},{v}"


def measured(first, second):
    """Metres between two pixels (photo, u, v)."""
    places = []
    for index, u, v in (first, second):
        frame = EXACT.frames[index]
        ray = np.array([(u - frame.camera.cx) / frame.camera.fx, (v - frame.camera.cy) / frame.camera.fy, 1])
        places.append(frame.world_from_cam @ (ray * frame.depth[v, u]))
    return float(np.linalg.norm(places[0] - places[1]))


def test_a_measured_distance_says_how_large_a_unit_is(scene_of):
    first, second = (0, 10, 30), (5, 70, 30)
    text = f"{mark(*first)} {mark(*second)} = {measured(first, second):.4f}"
    scene = scene_of([1.3 * d for d in depths()])
    facts = run(scene, known_distance=text).facts
    assert (facts["factor"], facts["source"]) == (pytest.approx(UNIT, rel=0.01), "known distance")
    assert 0 < facts["relative_sigma"] < 0.1
    assert max(off(scene)) < 0.01
    assert read_json(scene.file("scales.json"))["metric"]["source"] == "known distance"


def with_gps(scene, metres_per_unit):
    """The scene as if it had been taken on a field that many metres per unit, by cameras that know where they are."""
    table = read_json(scene.file("calibration.json"))
    poses = read_json(scene.file("sparse") / "poses.json")["poses"]
    for name, entry in table.items():
        east, north, up = np.array(poses[name])[:3, 3] * metres_per_unit
        degree_m = np.pi / 180 * 6_378_137.0
        place = {"latitude_deg": north / (degree_m * 0.99331), "longitude_deg": 1e-3 + east / degree_m}
        entry["gps"] = place | {"altitude_m": 100 + up, "error_m": 3.0}
    write_json(scene.file("calibration.json"), table)
    return scene


def test_a_set_that_spreads_over_a_field_takes_its_size_from_gps(scene_of):
    facts = run(with_gps(scene_of([1.3 * d for d in depths()], given=False), 40.0)).facts
    assert (facts["factor"], facts["source"]) == (pytest.approx(40.0, rel=1e-3), "GPS")
    assert 0 < facts["relative_sigma"] < 0.1


def test_gps_says_nothing_of_a_room_and_gives_way_to_what_is_known(scene_of):
    scene = with_gps(scene_of(depths(), given=False), UNIT)
    assert run(scene).facts["source"] == "depth median"
    far = with_gps(scene, 40.0)
    assert run(far, gps=False).facts["source"] == "depth median"
    assert run(far, factor=2.0).facts["source"] == "given factor"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nobody:1,2 NAME:3,4 = 1", "got photo 'nobody'"),
        ("NAME:999,2 NAME:3,4 = 1", "outside of photos/NAME, which has 80 x 60 px"),
        ("NAME:5,5 NAME:5,5 = 1", "two marks at one point"),
    ],
)
def test_a_mark_that_is_nowhere_is_told(scene_of, text, wanted):
    with pytest.raises(InputError, match=wanted.replace("NAME", NAMES[0])):
        run(scene_of(depths()), known_distance=text.replace("NAME", NAMES[0]))


def test_a_factor_and_a_distance_are_one_too_many(scene_of):
    with pytest.raises(InputError, match="wanted one of them"):
        run(scene_of(depths()), factor=1.0, known_distance=f"{mark(0, 9, 9)} {mark(0, 60, 40)} = 1")


def test_given_poses_keep_their_world_unless_they_are_to_be_levelled(scene_of):
    scene = scene_of(depths(), metric=True, sparse=EXACT.sparse(1.0))

    def moved():
        return not np.allclose(scene.world_from_cam()[NAMES[0]].matrix, EXACT.frames[0].world_from_cam.matrix)

    run(scene)
    assert not moved()
    run(scene, level=True)
    assert moved()


def test_estimated_poses_are_levelled_unless_not_wanted(scene_of):
    scene = scene_of(depths(), given=False)
    run(scene)
    assert read_json(scene.file("scales.json"))["levelled_from_world"] != np.eye(4).tolist()
    run(scene, level=False)
    assert read_json(scene.file("scales.json"))["levelled_from_world"] == np.eye(4).tolist()


def test_the_options_stand_for_the_settings(tmp_path):
    from recon3d.cli.words import settings_from

    distances = ["a:1,2 b:3,4 = 1", "a:5,6 b:7,8 = 2"]
    found = settings_from(Settings(), None, None, known_distance=distances, level=False)
    assert (found.scale.known_distance, found.scale.level) == ("a:1,2 b:3,4 = 1; a:5,6 b:7,8 = 2", False)
    assert settings_from(Settings(), None, None, known_distance=None, level=None) == Settings()
    assert "--known-distance" in command("scale", "--help").stdout
