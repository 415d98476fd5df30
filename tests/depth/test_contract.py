"""What holds for every row of the table of depth models, on small random networks of the same class."""

import json
from dataclasses import replace

import huggingface_hub
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_dense import IMAGENET, WRITERS, save, write_dpt_preprocessor, write_tiny
from tiny_zoedepth import made_photo
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProForDepthEstimation,
    DPTForDepthEstimation,
    GLPNForDepthEstimation,
)
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
from transformers.models.glpn.image_processing_pil_glpn import GLPNImageProcessorPil

from recon3d.depth.device import pick_device
from recon3d.depth.families import FAMILIES
from recon3d.depth.hub import snapshot
from recon3d.depth.model import BatchDepthModel
from recon3d.depth.models import MODELS, load_model
from recon3d.depth.network_input import PIXELS_MAX, read_network_input
from recon3d.geometry import Camera
from recon3d.photos.read import read_photo

pytestmark = pytest.mark.usefixtures("one_thread")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHAPES = {"landscape": (96, 128), "portrait": (128, 96), "square": (90, 90), "odd": (77, 131), "wide": (40, 200)}
FETCHED = [name for name, spec in MODELS.items() if spec.repository]
DENSE = [name for name in FETCHED if MODELS[name].family != "zoedepth"]
# rows that differ in nothing but the number of layers stand for each other where a law takes time
KINDS = [
    "zoedepth-nk",
    "zoedepth-n",
    "depth-anything-v2-metric-indoor-small",
    "depth-anything-v2-small",
    "midas-dpt-large",
    "midas-dpt-hybrid",
    "midas-dpt-swinv2-tiny",
    "midas-dpt-beit-large-512",
    "glpn-nyu",
    "depth-pro",
    "demo",
]
FETCHED_KINDS = [name for name in KINDS if name in FETCHED]
DENSE_KINDS = [name for name in KINDS if name in DENSE]
NETWORKS = {
    "dpt": DPTForDepthEstimation,
    "depth_anything": DepthAnythingForDepthEstimation,
    "glpn": GLPNForDepthEstimation,
}
PRECISION_ERROR = {"float16": 0.01, "bfloat16": 0.08}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A hub cache in which every model of the table is a small random network."""
    folder = tmp_path_factory.mktemp("hub")
    for spec in MODELS.values():
        if not spec.repository:
            continue
        commit = COMMIT if spec.revision == "main" else spec.revision
        repository = folder / f"models--{spec.repository.replace('/', '--')}"
        place = repository / "snapshots" / commit
        place.mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs" / spec.revision).write_text(commit)
        write_tiny(place, spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def models(cache):
    """By name, each loaded once: every row, without the mirrored pass."""
    return {name: load_model(name, device="cpu", flip=False) for name in MODELS}


def camera_of(image, fov=1.0):
    return Camera.from_fov(image.shape[1], image.shape[0], fov)


def close(a, b, share):
    """Whether two maps differ by no more than a share of what they span."""
    return np.abs(a - b).max() <= share * max(np.ptp(b), 1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_row_predicts_what_it_says_in_the_size_of_the_photo(models, name):
    model = models[name]
    assert model.name == name and model.version
    for seed, (shape, (height, width)) in enumerate(SHAPES.items()):
        image = made_photo(height, width, seed)
        prediction = model(image, camera_of(image))
        values = prediction.values
        assert values.shape == (height, width) and values.dtype == np.float32, shape
        assert prediction.kind == MODELS[name].kind
        assert np.isfinite(values).all() and values.min() >= 0
        assert values.std() > 1e-3 * values.mean(), "a constant tests nothing"


@pytest.mark.parametrize("name", FETCHED)
def test_metres_come_with_the_head_that_spoke_and_disparity_without(models, name):
    image = made_photo(60, 80, seed=1)
    head = models[name](image, camera_of(image)).head
    assert (head is None) == (MODELS[name].kind == "disparity")
    if head is not None:
        assert head.range_m[1] <= MODELS[name].range_m[1]


@pytest.mark.parametrize("name", KINDS)
def test_the_same_photo_has_the_same_depth_and_another_has_another(models, name):
    images = [made_photo(72, 96, seed) for seed in (1, 2)]
    first, again, other = (models[name](image, camera_of(image)).values for image in (images[0], *images))
    assert np.array_equal(first, again)
    assert not close(other, first, 0.01)


@pytest.mark.parametrize("name", FETCHED_KINDS)
@pytest.mark.parametrize("flip", [False, True])
def test_a_photo_has_the_same_depth_in_a_batch_as_alone(cache, name, flip):
    """Other kernels may run for other batch sizes: float32 rounding, amplified by random layers."""
    model = load_model(name, device="cpu", flip=flip)
    assert isinstance(model, BatchDepthModel)
    images = [made_photo(72, 96, seed) for seed in range(3)]
    cameras = [camera_of(image, fov) for image, fov in zip(images, (0.6, 1.0, 1.4), strict=True)]
    assert len({model.bucket(camera) for camera in cameras}) == 1
    for image, camera, together in zip(images, cameras, model.batch(images, cameras), strict=True):
        alone = model(image, camera)
        assert close(together.values, alone.values, 1e-4)
        if alone.sigma is not None:
            assert close(together.sigma, alone.sigma, 1e-3)


@pytest.mark.parametrize("name", DENSE_KINDS)
def test_photos_of_one_bucket_may_differ_in_size(models, name):
    model = models[name]
    images = [made_photo(96, 128, seed=1), made_photo(97, 129, seed=2)]
    cameras = [camera_of(image) for image in images]
    assert model.bucket(cameras[0]) == model.bucket(cameras[1])
    for image, prediction in zip(images, model.batch(images, cameras), strict=True):
        assert prediction.values.shape == image.shape[:2]


@pytest.mark.parametrize("name", KINDS)
def test_a_photo_that_lies_on_its_side_is_seen_upright(models, name, tmp_path):
    upright = made_photo(64, 96, seed=3)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right to see it upright
    Image.fromarray(np.rot90(upright)).save(tmp_path / "side.png", exif=exif)
    image = read_photo(tmp_path / "side.png", max_megapixels=1).image
    values = models[name](image, camera_of(image)).values
    assert values.shape == (64, 96)
    assert np.array_equal(values, models[name](upright, camera_of(upright)).values)


@pytest.mark.parametrize("name", MODELS)
def test_a_photo_of_one_pixel_has_a_depth(models, name):
    image = made_photo(1, 1, seed=0)
    values = models[name](image, Camera(1, 1, 1.0, 1.0, 0.0, 0.0)).values
    assert values.shape == (1, 1) and np.isfinite(values).all() and values.min() >= 0


@pytest.mark.parametrize("name", FETCHED_KINDS)
def test_a_panorama_reaches_the_network_small_enough(models, name):
    """20000 x 300 px as published would be 30 000 patches and more, whose attention takes their square."""
    height, width = models[name].bucket(Camera.from_fov(20000, 300, 2.0))[:2]
    assert height * width <= PIXELS_MAX
    assert min(height, width) > 0


@pytest.mark.parametrize("name", [next(n for n in MODELS if MODELS[n].family == family) for family in WRITERS])
def test_a_panorama_is_predicted(models, name):
    image = np.tile(made_photo(300, 400, seed=1), (1, 50, 1))
    values = models[name](image, camera_of(image, 2.0)).values
    assert values.shape == (300, 20000) and np.isfinite(values).all()


@pytest.mark.parametrize("name", FETCHED_KINDS)
@pytest.mark.parametrize("precision", PRECISION_ERROR)
def test_half_precision_is_near_full_precision(models, cache, name, precision):
    """Ten mantissa bits are 0.05 % an operation and seven are 0.4 %; a dozen random layers add that up."""
    image = made_photo(72, 96, seed=4)
    half = load_model(name, device="cpu", flip=False, precision=precision)(image, camera_of(image)).values
    full = models[name](image, camera_of(image)).values
    assert half.dtype == np.float32
    assert 0 < np.median(np.abs(half - full)) <= PRECISION_ERROR[precision] * np.ptp(full)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("precision", ["float32", *PRECISION_ERROR])
def test_a_gpu_says_what_the_cpu_says(models, name, precision):
    """TF32, which convolutions may use for float32 there, has the ten mantissa bits of float16."""
    image = made_photo(72, 96, seed=4)
    there = load_model(name, device="cuda", flip=False, precision=precision)(image, camera_of(image)).values
    here = models[name](image, camera_of(image)).values
    allowed = PRECISION_ERROR.get(precision, PRECISION_ERROR["float16"])
    assert np.median(np.abs(there - here)) <= allowed * np.ptp(here)


@pytest.mark.parametrize("name", DENSE_KINDS)
def test_a_mirrored_pass_makes_the_answer_mirror_itself_and_gives_metres_a_sigma(cache, name):
    model = load_model(name, device="cpu", flip=True)
    image = made_photo(70, 98, seed=6)
    straight = model(image, camera_of(image))
    mirrored = model(np.ascontiguousarray(image[:, ::-1]), camera_of(image))
    assert close(mirrored.values[:, ::-1], straight.values, 0.03)  # where rounding falls the other way, one grey value
    assert (straight.sigma is None) == (straight.kind == "disparity")
    if straight.sigma is not None:
        assert (straight.sigma >= 0.0999 * straight.values).all()
        assert (straight.sigma > 0.11 * straight.values).any()


def published(name):
    """Transformers' own Pillow processor, model and post-processing: photos to (3, h, w) pixels and (H, W) depth."""
    folder, family = snapshot(MODELS[name]), MODELS[name].family
    processor = (GLPNImageProcessorPil if family == "glpn" else DPTImageProcessorPil).from_pretrained(folder)
    network = NETWORKS[family].from_pretrained(folder).eval()

    def predict(image):
        pixels = processor(image, input_data_format="channels_last", return_tensors="pt").pixel_values
        with torch.inference_mode():
            outputs = network(pixels)
        depth = processor.post_process_depth_estimation(outputs, [image.shape[:2]])[0]["predicted_depth"]
        return pixels[0], depth.clamp_min(0).numpy()

    return predict


@pytest.mark.parametrize("name", [name for name in DENSE_KINDS if name != "depth-pro"])
def test_depth_is_that_of_the_published_recipe(models, cache, name):
    """Pillow rounds to whole grey values, sums in fixed point, and takes the height first for some sizes.

    So some pixels differ by a grey value or two. Where none does, depth is equal; where some do, the random layers,
    which amplify more than trained ones, turn a 255th of the range into a few hundredths of what depth spans.
    """
    equal, predict, network_input = 0, published(name), input_of(name)
    config = json.loads((snapshot(MODELS[name]) / "preprocessor_config.json").read_text())
    two_grey_values = 2.01 / 255 / min(config.get("image_std", [1.0]))
    for seed, (height, width) in enumerate(SHAPES.values()):
        image = made_photo(height, width, seed)
        pixels, expected = predict(image)
        values = models[name](image, camera_of(image)).values
        difference = (network_input.pixels(image, torch.device("cpu")) - pixels).abs()
        assert difference.max() <= two_grey_values
        same = bool(difference.max() < 1e-5)
        equal += same
        assert close(values, expected, 1e-4 if same else 0.03)
    assert equal >= 2


def input_of(name):
    """The preprocessing that the folder of a row asks for."""
    folder, family = snapshot(MODELS[name]), FAMILIES[MODELS[name].family]
    config = folder / "config.json"
    return read_network_input(
        folder / "preprocessor_config.json", *family.network_input(config, json.loads(config.read_text()))
    )


def test_depth_pro_is_that_of_the_published_recipe_but_for_the_focal_length(models):
    """Its processor, which torchvision alone can run, written out; with a focal length that is known."""
    network = DepthProForDepthEstimation.from_pretrained(snapshot(MODELS["depth-pro"]), local_files_only=True).eval()
    for seed, (height, width) in enumerate(SHAPES.values()):
        image = made_photo(height, width, seed)
        camera = camera_of(image)
        pixels = (torch.from_numpy(image).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
        pixels = torch.nn.functional.interpolate(pixels, (64, 64), mode="bilinear")
        with torch.inference_mode():
            outputs = network(pixels)
        assert outputs.field_of_view is not None, "the published folder has a guess, which we leave out"
        inverse = outputs.predicted_depth[:, None] * width / camera.fx
        inverse = torch.nn.functional.interpolate(inverse, (height, width), mode="bilinear").clamp(1e-4, 1e4)
        np.testing.assert_allclose(models["depth-pro"](image, camera).values, (1 / inverse)[0, 0], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1024, 768), (600, 900)])
def test_depth_anything_of_published_size_is_that_of_the_published_recipe(tmp_path, size):
    """The small one, 25 million random weights, its preprocessing by what holds without a file."""
    backbone = {"model_type": "dinov2", "image_size": 518, "patch_size": 14, "hidden_size": 384}
    backbone |= {"num_attention_heads": 6, "out_indices": [3, 6, 9, 12], "reshape_hidden_states": False}
    save(DepthAnythingForDepthEstimation(DepthAnythingConfig(backbone_config=backbone)), tmp_path, 518)
    model = load_model(str(tmp_path), device="cpu", flip=False)
    write_dpt_preprocessor(tmp_path, 518, keep_aspect_ratio=True, multiple=14, resample=3, statistics=IMAGENET)
    image = made_photo(size[1], size[0], seed=1)
    assert model.bucket(camera_of(image)) == ((518, 686) if size[0] > size[1] else (784, 518))
    processor = DPTImageProcessorPil.from_pretrained(tmp_path)
    network = DepthAnythingForDepthEstimation.from_pretrained(tmp_path).eval()
    pixels = processor(image, input_data_format="channels_last", return_tensors="pt").pixel_values
    with torch.inference_mode():
        outputs = network(pixels)
    expected = processor.post_process_depth_estimation(outputs, [image.shape[:2]])[0]["predicted_depth"].numpy()
    values = model(image, camera_of(image)).values
    assert np.median(np.abs(values - expected)) <= 1e-3 * np.ptp(expected)


def test_depth_pro_measures_by_the_focal_length_of_the_camera(models):
    image = made_photo(64, 96, seed=2)
    near, far = (models["depth-pro"](image, Camera(96, 64, f, f, 47.5, 31.5)).values for f in (80.0, 160.0))
    np.testing.assert_allclose(far, 2 * near, rtol=1e-5)


def test_a_row_needs_no_more_than_its_line(cache, monkeypatch):
    """A further model of a family that is there: one entry in the table, no code."""
    row = replace(MODELS["glpn-nyu"], name="another", sigma_factor=2.0)
    monkeypatch.setitem(MODELS, "another", row)
    image = made_photo(64, 96, seed=2)
    another, known = (load_model(name, device=pick_device("cpu"), flip=True) for name in ("another", "glpn-nyu"))
    assert another.name == "another"
    predictions = [model(image, camera_of(image)) for model in (another, known)]
    assert np.array_equal(predictions[0].values, predictions[1].values)
    np.testing.assert_allclose(predictions[0].sigma, 2 * predictions[1].sigma, rtol=1e-6)
