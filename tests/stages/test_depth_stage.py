"""The depth stage alone, on a small exact scene with given poses, with made-up models."""

import dataclasses
import errno
import json
import os
import shutil
import threading

import numpy as np
import pytest
from commands import command
from depth.tiny_zoedepth import made_photo, spread_weights, tiny_network, write_preprocessor
from PIL import Image
from synthetic import room_frames, write_capture, write_photos

import recon3d
from recon3d.cli.words import settings_from
from recon3d.depth.model import DepthPrediction, FunctionModel, Head
from recon3d.depth.models import MODELS
from recon3d.errors import InputError, StageError
from recon3d.files import load_array
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.chain import run, run_to
from recon3d.stages.depth import depth
from recon3d.stages.job import Job

COUNT = 6


@pytest.fixture(scope="module")
def frames():
    return room_frames(COUNT, width=80, height=60)


@pytest.fixture(scope="module")
def posed(frames, tmp_path_factory):
    """A scene with poses and no depth, which no test changes in place."""
    capture = write_capture(tmp_path_factory.mktemp("capture"), frames)
    root = tmp_path_factory.mktemp("posed") / "scene"
    for outcome in run(capture, root, Job(Settings().with_assignments(["depth.model=recorded"]))):
        if outcome.stage == "poses":
            return root


@pytest.fixture
def scene(posed, tmp_path):
    return Scene.open(shutil.copytree(posed, tmp_path / "scene"))


@pytest.fixture(scope="module")
def truth(frames):
    """Exact depth by the photo's bytes."""
    return {frame.image.tobytes(): frame.depth for frame in frames}


@dataclasses.dataclass
class Made:
    """Exact depth in batches, changed by `change(number of the photo, depth)`; remembers its batches."""

    truth: dict
    change: object = None
    buckets: int = 1
    name: str = "made"
    version: str = "1"
    seen: list = dataclasses.field(default_factory=list)
    asked: int = 0

    def number(self, image):
        return list(self.truth).index(image.tobytes())

    def __call__(self, image, camera):
        return self.batch([image], [camera])[0]

    def bucket(self, camera):
        self.asked += 1
        return self.asked % self.buckets

    def batch(self, images, cameras):
        numbers = [self.number(image) for image in images]
        answers = []
        for number, image in zip(numbers, images, strict=True):
            values = self.truth[image.tobytes()]
            answer = self.change(number, values) if self.change else values
            answers.append(answer if isinstance(answer, DepthPrediction) else DepthPrediction(answer))
        self.seen.append(numbers)
        return answers


def job(model, *assignments):
    return Job(Settings().with_assignments(list(assignments)), "cpu", model)


def maps(scene, folder="depth"):
    return {path.name: path.read_bytes() for path in sorted(scene.file(folder).glob("*"))}


def signals(outcome):
    return {(signal.code, signal.photos) for signal in outcome.signals}


def names_of(scene, *numbers):
    return tuple(list(scene.cameras())[number] for number in numbers)


# The order of work, and work that ends early


@pytest.mark.parametrize(("batch", "buckets"), [(1, 1), (4, 1), (2, 2), (4, 3)])
def test_depth_is_the_same_in_any_order_of_work(scene, truth, batch, buckets):
    model = Made(truth, buckets=buckets)
    outcome = depth(scene, job(model, f"depth.batch={batch}"))
    assert sorted(number for numbers in model.seen for number in numbers) == list(range(COUNT))
    assert max(map(len, model.seen)) == min(batch, -(-COUNT // buckets))
    assert maps(scene).keys() == {f"{name}.npy" for name in scene.cameras()}
    for name in scene.cameras():
        assert np.array_equal(load_array(scene.depth_path(name)), truth[scene.image(name).tobytes()])
    assert outcome.facts["kind"] == "metric" and outcome.facts["valid_share"] == 1.0


def test_how_many_photos_at_a_time_never_makes_depth_stale(scene, truth):
    assert depth(scene, job(Made(truth))).fresh
    assert not depth(scene, job(Made(truth), "depth.batch=3")).fresh


class Stop(Exception):
    """Raised by a model in the middle of its work."""


@pytest.mark.parametrize(
    ("ending", "told"), [(Stop, Stop), (KeyboardInterrupt, KeyboardInterrupt), (MemoryError, StageError)]
)
def test_work_that_ended_early_goes_on_with_exactly_the_missing_photos(posed, tmp_path, truth, ending, told):
    def said(number, values):
        return DepthPrediction(values, 0.1 * values, head=Head("nyu", 0.5 + 0.1 * number, 40.0, (1e-3, 10.0)))

    whole = Scene.open(shutil.copytree(posed, tmp_path / "whole"))
    depth(whole, job(Made(truth, said)))

    def stops(number, values):
        if number == 4:
            raise ending
        return said(number, values)

    scene = Scene.open(shutil.copytree(posed, tmp_path / "scene"))
    threads = threading.active_count()
    with pytest.raises(told):
        depth(scene, job(Made(truth, stops), "depth.batch=2"))
    assert threading.active_count() == threads
    assert not scene.is_done("depth") and not list(scene.root.rglob(".tmp-*"))
    # what was predicted before is kept
    assert {path.name for path in scene.file("depth").glob("*[0-9].color.npy")} == {
        f"{name}.npy" for name in names_of(scene, 0, 1, 2, 3)
    }
    again = Made(truth, said)
    depth(scene, job(again))
    assert again.seen == [[4], [5]]
    assert maps(scene) == maps(whole)
    assert (scene.root / "scene.json").read_bytes() == (whole.root / "scene.json").read_bytes()


def test_a_bug_in_a_model_names_the_photo(scene, truth):
    def bug(number, values):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        depth(scene, job(Made(truth, bug)))
    assert names_of(scene, 0)[0] in caught.value.__notes__[0]


def test_a_photo_that_can_t_be_read_is_named(scene, truth):
    name = names_of(scene, 3)[0]
    path = scene.image_path(name)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises((InputError, StageError), match=name):
        depth(scene, job(Made(truth)))


def test_a_full_disk_names_the_file_and_what_is_there_is_whole(scene, truth, monkeypatch):
    name, replace = names_of(scene, 2)[0], os.replace

    def full(source, target):
        if str(target).endswith(f"{name}.npy"):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(StageError, match=f"{name}.npy.*No space"):
        patch.setattr("recon3d.files.os.replace", full)
        depth(scene, job(Made(truth)))
    assert not scene.depth_path(name).exists() and not list(scene.root.rglob(".tmp-*"))
    missing = [number for number, one in enumerate(scene.cameras()) if not scene.depth_path(one).exists()]
    again = Made(truth)
    depth(scene, job(again))
    assert again.seen == [[number] for number in missing]


def test_too_little_memory_for_a_batch_is_said_once_and_goes_on(scene, truth):
    import torch

    model = Made(truth)
    batch = model.batch

    def small(images, cameras):
        if len(images) > 2:
            raise torch.OutOfMemoryError("made up")
        return batch(images, cameras)

    model.batch = small
    outcome = depth(scene, job(model, "depth.batch=4"))
    assert [signal.code for signal in outcome.signals] == ["SMALLER_BATCH"]
    assert "4 photos at a time; went on with 2" in outcome.signals[0].message
    assert len(maps(scene)) == COUNT


# What the network says beside its depth


def with_head(**changes):
    head = dataclasses.replace(Head("nyu", 1.0, 50.0, (1e-3, 10.0)), **changes)
    return lambda number, values: DepthPrediction(values, 0.1 * values, head=head)


def guessed(scene, *numbers):
    """Makes the focal length of some photos a guess."""
    path = scene.file("cameras.json")
    cameras = json.loads(path.read_text())
    for name in names_of(scene, *numbers):
        cameras[name]["lens"]["source"] = "guess"
    path.write_text(json.dumps(cameras))


@pytest.mark.parametrize(("choice", "corrected"), [("off", []), ("on", range(6)), ("auto", range(1, 6))])
def test_focal_correction_multiplies_depth_and_sigma_where_it_is_on(scene, truth, choice, corrected):
    guessed(scene, 0)
    outcome = depth(scene, job(Made(truth, with_head()), f"depth.focal_correction={choice}"))
    factor = next(iter(scene.cameras().values())).fx / 50.0
    assert 1.1 < factor < 2.0  # inside the clamp, and no one
    for number, name in enumerate(scene.cameras()):
        by = factor if number in corrected else 1.0
        values = truth[scene.image(name).tobytes()] * np.float32(by)
        assert np.allclose(load_array(scene.depth_path(name)), values, rtol=1e-6)
        assert np.allclose(load_array(scene.sigma_path(name)), 0.1 * values, rtol=1e-5)
    told = outcome.facts["focal_factor"]
    assert told["median"] == told["least"] == told["largest"] == pytest.approx(factor, abs=1e-4)
    assert told["corrected_photos"] == len(corrected)


def test_a_network_that_sees_the_focal_length_has_no_factor(scene, truth):
    outcome = depth(scene, job(Made(truth, with_head(focal_px=None)), "depth.focal_correction=on"))
    assert "focal_factor" not in outcome.facts and outcome.facts["heads"] == {"nyu": COUNT}
    name = names_of(scene, 0)[0]
    assert np.array_equal(load_array(scene.depth_path(name)), truth[scene.image(name).tobytes()])


def test_photos_whose_router_is_unsure_are_named(scene, truth):
    def unsure(number, values):
        return with_head(probability=0.6 if number in (1, 4) else 0.75)(number, values)

    outcome = depth(scene, job(Made(truth, unsure)))
    assert signals(outcome) == {("ROUTER_UNSURE", names_of(scene, 1, 4))}
    signal = outcome.signals[0]
    assert "2 of 6 photos" in signal.message and "60 %" in signal.message
    assert "zoedepth-n" in signal.advice and "zoedepth-k" in signal.advice


def test_photos_that_reach_the_end_of_the_network_s_range_are_named_with_the_share(scene, truth):
    def far(number, values):
        values = values.copy()
        values.ravel()[: values.size * (20 if number == 2 else 9) // 100] = 9.85
        return with_head()(number, values)

    outcome = depth(scene, job(Made(truth, far)))
    assert signals(outcome) == {("OUT_OF_RANGE", names_of(scene, 2))}
    assert "(20 % at 10 m)" in outcome.signals[0].message


def test_the_end_of_the_range_is_the_network_s_own_not_the_corrected_one(scene, truth):
    """A factor above 1 takes no photo out of range: the network never said so much."""

    def near_end(number, values):
        return with_head()(number, np.full_like(values, 9.0))

    assert not depth(scene, job(Made(truth, near_end), "depth.focal_correction=on")).signals


def test_a_photo_without_any_finite_depth_is_named_and_the_rest_goes_on(scene, truth):
    outcome = depth(scene, job(Made(truth, lambda n, values: np.full_like(values, np.nan) if n == 3 else values)))
    assert signals(outcome) == {("NO_PREDICTION", names_of(scene, 3))}
    assert (load_array(scene.depth_path(names_of(scene, 3)[0])) == 0).all()
    assert outcome.facts["valid_share"] == pytest.approx(5 / 6, abs=1e-4)


def test_a_network_that_says_nan_everywhere_is_an_error(scene, truth):
    with pytest.raises(StageError, match=r"made: gave no finite depth for any photo; fetch or copy"):
        depth(scene, job(Made(truth, lambda number, values: np.full_like(values, np.nan))))


def test_single_pixels_that_are_nan_are_dropped_in_silence(scene, truth):
    def holes(number, values):
        values = values.copy()
        values[:6] = [[np.nan], [np.inf], [-np.inf], [-1], [0], [1e6]]
        return values

    outcome = depth(scene, job(Made(truth, holes)))
    assert not outcome.signals and outcome.facts["valid_share"] == 0.9
    assert (load_array(scene.depth_path(names_of(scene, 0)[0]))[:6] == 0).all()


def named(monkeypatch, truth):
    """Any name is a model of exact depth; gives back what it was loaded with."""
    how = []

    def load(name, **arguments):
        how.append(arguments)
        return FunctionModel(lambda image, camera: truth[image.tobytes()], name, "1")

    monkeypatch.setattr("recon3d.stages.depth_maps.load_model", load)
    monkeypatch.setattr("recon3d.stages.depth_source.model_version", lambda name: "1")
    return how


@pytest.mark.parametrize(
    ("setting", "device", "precision"),
    [("auto", "cpu", "float32"), ("auto", "mps", "float32"), ("auto", "cuda:1", "float16"), ("bfloat16", "cpu", None)],
)
def test_networks_compute_in_half_precision_where_that_is_quicker(
    scene, truth, monkeypatch, setting, device, precision
):
    how = named(monkeypatch, truth)
    monkeypatch.setattr("recon3d.stages.depth_maps.pick_device", lambda wanted: device)
    depth(scene, job(None, f"depth.precision={setting}"))
    assert how == [{"device": device, "flip": True, "precision": precision or setting}]


def test_a_licence_that_forbids_uses_is_told(scene, truth, monkeypatch):
    named(monkeypatch, truth)
    barred = next(spec for spec in MODELS.values() if not spec.commercial and spec.kind == "metric")
    outcome = depth(scene, job(None, f"depth.model={barred.name}"))
    assert [signal.code for signal in outcome.signals] == ["LICENCE"]
    assert barred.name in outcome.signals[0].message and barred.licence in outcome.signals[0].message
    assert not depth(scene, job(None, "depth.model=zoedepth-nk")).signals


# Relative models


def relative(truth, change=None):
    def disparity(number, values):
        return DepthPrediction((3 / values + 0.5).astype(np.float32), kind="disparity")

    return Made(truth, change or disparity, name="relative")


def not_metric(scene):
    path = scene.file("sparse") / "poses.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metric": False}))


def test_a_relative_model_writes_disparity_and_no_depth(scene, truth):
    outcome = depth(scene, job(relative(truth)))
    assert outcome.facts["kind"] == "disparity" and "disparity maps" in outcome.line
    assert not scene.file("depth").exists()
    for name in scene.cameras():
        found = load_array(scene.disparity_path(name))
        assert found.dtype == np.float32
        assert np.allclose(found, 3 / truth[scene.image(name).tobytes()] + 0.5, rtol=1e-6)


def test_disparity_is_kept_made_again_where_it_was_deleted_and_gone_with_another_model(scene, truth):
    depth(scene, job(relative(truth)))
    assert not depth(scene, job(relative(truth))).fresh
    scene.disparity_path(names_of(scene, 2)[0]).unlink()
    again = relative(truth)
    assert depth(scene, job(again)).fresh and again.seen == [[2]]
    assert depth(scene, job(Made(truth))).facts["kind"] == "metric"
    assert not scene.file("disparity").exists()


def test_disparity_has_no_largest_value_and_0_is_none(scene, truth):
    def wild(number, values):
        values = np.full_like(values, 1e5)
        values[0], values[1], values[2] = 0, -1, np.nan
        return DepthPrediction(values, kind="disparity")

    depth(scene, job(relative(truth, wild)))
    found = load_array(scene.disparity_path(names_of(scene, 0)[0]))
    assert (found[:3] == 0).all() and (found[3:] == 1e5).all()


@pytest.mark.parametrize("known", ["scale.factor=0.5", "scale.known_distance=a:1,2 b:3,4 = 0.5"])
def test_disparity_that_nothing_makes_metres_of_is_refused(scene, truth, known):
    not_metric(scene)
    with pytest.raises(InputError, match=r"relative: gives disparity.*--metric-from.*scale\.factor"):
        depth(scene, job(relative(truth)))
    assert depth(scene, job(relative(truth), known)).facts["kind"] == "disparity"


def test_one_kind_for_all_photos(scene, truth):
    def mixed(number, values):
        return DepthPrediction(values, kind="disparity" if number == 1 else "metric")

    with pytest.raises(InputError, match="wanted one kind"):
        depth(scene, job(relative(truth, mixed)))


def test_a_metric_model_makes_metres_of_disparity(scene, truth, monkeypatch):
    """The metric model is right but for 10 % noise: depth is exact but for what the noise does to two numbers."""

    def noisy(number, values):
        return values * np.exp(np.random.default_rng(number).normal(0, 0.1, values.shape)).astype(np.float32)

    monkeypatch.setattr("recon3d.stages.depth_maps.load_model", lambda name, **how: Made(truth, noisy, name=name))
    not_metric(scene)
    outcome = depth(scene, job(relative(truth), "depth.metric_from=demo"))
    assert outcome.facts["kind"] == "metric" and outcome.facts["model"] == "relative with metres from demo"
    for name in scene.cameras():
        exact, found = truth[scene.image(name).tobytes()], load_array(scene.depth_path(name))
        assert np.median(np.abs(found / exact - 1)) < 0.02
        assert np.median(load_array(scene.sigma_path(name)) / found) == pytest.approx(0.1, rel=0.2)
    monkeypatch.setattr("recon3d.stages.depth_source.model_version", lambda name: "another")
    assert depth(scene, job(relative(truth), "depth.metric_from=demo")).fresh


def test_a_metric_model_that_is_not_there_is_named(scene, truth):
    with pytest.raises(InputError, match="'nowhere', which is neither a folder"):
        depth(scene, job(relative(truth), "depth.metric_from=nowhere"))


# What is refused before any work


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("depth.focal_correction=maybe", "wanted one of off, on, auto"),
        ("depth.precision=int8", "float16"),
        ("depth.batch=0", "1 or more"),
        ("depth.metric_from=demo", "demo: gives metres by itself"),
    ],
)
def test_settings_that_can_t_be_are_refused_before_any_work(frames, tmp_path, assignment, words):
    photos = write_photos(tmp_path / "photos", frames[:1])
    settings = Settings().with_assignments(["depth.model=demo", assignment])
    with pytest.raises(InputError, match=words):
        recon3d.run(photos, tmp_path / "scene", settings=settings)
    assert not (tmp_path / "scene").exists()


@pytest.mark.parametrize(("count", "words"), [(1, "this is one"), (3, "how large things are")])
def test_a_relative_model_without_metres_is_refused_before_structure_from_motion(
    frames, tmp_path, monkeypatch, count, words
):
    monkeypatch.setattr("recon3d.stages.depth_source.model_version", lambda name: "1")
    photos = write_photos(tmp_path / "photos", frames[:count])
    name = next(spec.name for spec in MODELS.values() if spec.kind == "disparity")
    settings = Settings().with_assignments([f"depth.model={name}"])
    with pytest.raises(InputError, match=words):
        recon3d.run(photos, tmp_path / "scene", settings=settings)
    scene = Scene.open(tmp_path / "scene")
    assert not scene.file("sparse").exists()
    with pytest.raises(InputError, match=words):
        list(run_to(scene, "depth", Job(settings, "cpu")))
    assert not scene.file("sparse").exists()


def network_folder(folder, **config):
    """A folder that says what it holds; what it holds is never looked at before the work."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_folder_s_kind_is_known_before_structure_from_motion(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames[:3])
    folder = network_folder(tmp_path / "any", model_type="depth_anything")
    done = command("run", photos, "-o", tmp_path / "scene", "--model", folder)
    assert done.returncode == 1 and "--metric-from" in done.stderr, done.stderr
    assert not (tmp_path / "scene" / "sparse").exists()


def test_a_folder_that_does_not_say_its_kind_is_refused_where_it_matters(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames[:1])
    folder = network_folder(tmp_path / "any", model_type="dpt")
    done = command("run", photos, "-o", tmp_path / "scene", "--model", folder, "--metric-from", "demo")
    assert done.returncode == 1 and "metres or disparity" in done.stderr, done.stderr
    assert not (tmp_path / "scene").exists()


def test_metres_from_a_relative_model_are_refused(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames[:1])
    folder = network_folder(tmp_path / "any", model_type="depth_anything")
    done = command("run", photos, "-o", tmp_path / "scene", "--model", folder, "--metric-from", folder)
    assert done.returncode == 1 and "wanted a metric model" in done.stderr, done.stderr


def test_metres_for_a_folder_that_gives_metres_are_refused_before_any_work(frames, tmp_path):
    photos = write_photos(tmp_path / "photos", frames[:1])
    folder = network_folder(tmp_path / "any", model_type="zoedepth")
    done = command("run", photos, "-o", tmp_path / "scene", "--model", folder, "--metric-from", "demo")
    assert done.returncode == 1 and "leave --metric-from demo out" in done.stderr, done.stderr
    assert not (tmp_path / "scene").exists()


def test_another_model_forgets_what_the_last_one_took_its_metres_from():
    last = Settings().with_assignments(["depth.model=relative", "depth.metric_from=demo"])
    assert settings_from(last, None, None).depth.metric_from == "demo"
    assert settings_from(last, None, None, model="zoedepth-n").depth.metric_from is None
    assert settings_from(last, None, None, depth="maps").depth.metric_from is None
    assert settings_from(last, None, None, model="other", metric_from="zoedepth-n").depth.metric_from == "zoedepth-n"
    assert settings_from(last, None, ["depth.metric_from=zoedepth-k"], model="o").depth.metric_from == "zoedepth-k"


# Photos of the utmost sizes


@pytest.fixture(scope="module")
def tiny_zoedepth(tmp_path_factory):
    folder, network = tmp_path_factory.mktemp("zoedepth"), tiny_network(1)
    spread_weights(network, seed=1)
    write_preprocessor(folder, 64, 96)
    network.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20000, 300)])
def test_photos_of_one_pixel_and_endless_panoramas_go_through(tmp_path, tiny_zoedepth, width, height):
    (tmp_path / "photos").mkdir()
    tile = made_photo(min(height, 300), min(width, 500), 1)
    Image.fromarray(np.tile(tile, (1, width // tile.shape[1], 1))).save(tmp_path / "photos" / "photo.png")
    settings = Settings().with_assignments(["photos.max_side=20000", f"depth.model={tiny_zoedepth}"])
    for outcome in run(tmp_path / "photos", tmp_path / "scene", Job(settings, "cpu")):
        if outcome.stage == "depth":
            break
    found = load_array(Scene.open(tmp_path / "scene").depth_path("photo"))
    assert found.shape == (height, width) and np.isfinite(found).all() and (found > 0).any()


def test_a_plain_function_is_a_model_still(scene, truth):
    model = FunctionModel(lambda image, camera: truth[image.tobytes()], "function", "1")
    assert depth(scene, job(model)).facts["photos"] == COUNT
