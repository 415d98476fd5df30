"""Folders of the dense families as users have them: local copies, spoilt ones, and ones that want something else."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_dense import write_tiny
from tiny_zoedepth import made_photo

from recon3d.depth.dense import NetworkOutput
from recon3d.depth.families import FAMILIES, load_dense
from recon3d.depth.models import MODELS, load_model
from recon3d.depth.network_input import PIXELS_MAX, NetworkInput
from recon3d.errors import InputError, StageError
from recon3d.geometry import Camera

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS = {
    "metric": "depth-anything-v2-metric-indoor-small",
    "relative": "depth-anything-v2-small",
    "dpt": "midas-dpt-large",
    "hybrid": "midas-dpt-hybrid",
    "beit": "midas-dpt-beit-large-512",
    "glpn": "glpn-nyu",
    "pro": "depth-pro",
}
UNUSED = "neck.fusion_stage.layers.0.residual_layer1.convolution1.weight"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """By a key of ROWS: a folder that no test changes in place."""
    folders = {key: tmp_path_factory.mktemp(key) for key in ROWS}
    for key, folder in folders.items():
        write_tiny(folder, MODELS[ROWS[key]])
    return folders


@pytest.fixture
def copies(originals, tmp_path):
    """Makes a copy that a test may spoil."""
    return lambda key: shutil.copytree(originals[key], tmp_path / "mine")


def edit(path, **changes):
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


def edit_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def load_row(folder, key, **choices):
    """Loads a folder as the row that it stands for."""
    row = MODELS[ROWS[key]]
    given = {"name": row.name, "version": "1", "device": "cpu", "flip": False, "kind": row.kind, **choices}
    return load_dense(folder, row.family, **given)


def depth(model, image):
    return model(image, Camera.from_fov(image.shape[1], image.shape[0], 1.0)).values


def test_a_local_copy_says_itself_what_it_predicts(originals):
    for key, kind in (("metric", "metric"), ("relative", "disparity"), ("glpn", "metric"), ("pro", "metric")):
        model = load_model(str(originals[key]), device="cpu", flip=False)
        image = made_photo(64, 96, seed=1)
        assert model(image, Camera.from_fov(96, 64, 1.0)).kind == kind
        assert np.array_equal(depth(model, image), depth(load_row(originals[key], key), image))


def test_a_dpt_folder_without_a_row_must_say_what_it_predicts(copies):
    """Nothing in DPT's own config tells metres from disparity, and numbers must not be guessed from."""
    folder = copies("dpt")
    with pytest.raises(InputError, match=r'config\.json: doesn\'t say.*"depth_estimation_type": "relative"'):
        load_model(str(folder), device="cpu", flip=False)
    image = made_photo(64, 96, seed=1)
    camera = Camera.from_fov(96, 64, 1.0)
    edit(folder / "config.json", depth_estimation_type="relative")
    assert load_model(str(folder), device="cpu", flip=False)(image, camera).kind == "disparity"
    edit(folder / "config.json", depth_estimation_type="metric")
    with pytest.raises(InputError, match=r"config\.json: got max_depth = None"):
        load_model(str(folder), device="cpu", flip=False)
    edit(folder / "config.json", max_depth=10)
    prediction = load_model(str(folder), device="cpu", flip=False)(image, camera)
    assert prediction.kind == "metric" and prediction.head.range_m[1] == 10


def test_a_network_with_a_backbone_may_keep_the_shape_of_photos(copies):
    """As MiDaS' own code does for BEiT, and its published folder did at first."""
    folder = copies("beit")
    edit(folder / "preprocessor_config.json", keep_aspect_ratio=True)
    model = load_row(folder, "beit")
    assert model.bucket(Camera.from_fov(200, 100, 1.0)) == (64, 128)
    assert depth(model, made_photo(100, 200, seed=1)).std() > 0


def test_a_row_and_its_folder_must_agree_on_what_is_predicted(originals):
    with pytest.raises(InputError, match=r"config\.json: got a network that predicts disparity, wanted metric"):
        load_row(originals["relative"], "metric")


def drop(name):
    return lambda folder: edit_weights(folder, lambda weights: weights.pop(name))


def add(**tensors):
    names = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    return lambda folder: edit_weights(folder, lambda weights: weights.update(names))


@pytest.mark.parametrize(
    "change",
    [drop(UNUSED), add(dpt__pooler__dense__weight=torch.zeros(3)), add(auxiliary_head__head__0__weight=torch.zeros(3))],
    ids=["a residual unit that MiDaS doesn't use", "a pooler", "a head for training"],
)
def test_weights_that_change_nothing_may_be_missing_or_left_over(originals, copies, change):
    folder = copies("dpt")
    change(folder)
    image = made_photo(64, 96, seed=1)
    assert np.array_equal(depth(load_row(folder, "dpt"), image), depth(load_row(originals["dpt"], "dpt"), image))


def no_shard(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "a.safetensors", {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: "a.safetensors" for name in weights} | {"x": "b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def truncated(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def pickle_only(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def other_shape(folder):
    edit_weights(folder, lambda weights: weights.update({"head.head.4.bias": torch.zeros(7)}))


def config(**changes):
    return lambda folder: edit(folder / "config.json", **changes)


def preprocessor(**changes):
    return lambda folder: edit(folder / "preprocessor_config.json", **changes)


@pytest.mark.parametrize(
    ("key", "spoil", "message"),
    [
        ("dpt", no_shard, r"b\.safetensors: this shard of the weights is missing"),
        ("dpt", truncated, r"model\.safetensors: not a whole safetensors file"),
        ("dpt", pickle_only, r"pytorch_model\.bin: got weights as a pickle.*save_pretrained"),
        ("dpt", drop("head.head.4.bias"), r"1 missing weights of DPTForDepthEstimation, such as head\.head\.4\.bias"),
        ("dpt", other_shape, r"1 mismatched weights of DPTForDepthEstimation"),
        ("dpt", config(num_hidden_layers=3, backbone_out_indices=[0, 0, 1, 2]), r"\d+ unexpected weights.*layer"),
        ("dpt", config(hidden_size="many"), r"transformers can't build DPTForDepthEstimation from config\.json"),
        ("dpt", config(auto_map={"AutoModel": "m.M"}), r"config\.json: got auto_map, which would run code"),
        ("dpt", config(backbone="resnet50", use_timm_backbone=True), r"config\.json: got backbone = 'resnet50'.*timm"),
        ("dpt", config(use_timm_backbone=True), r"config\.json: got use_timm_backbone = True.*timm"),
        (
            "hybrid",
            config(backbone_config={"model_type": "timm_backbone"}),
            r"got backbone_config of model_type 'timm_b",
        ),
        ("dpt", config(architectures=["DPTForSemanticSegmentation"]), r"got architectures = \['DPTForSemantic"),
        ("dpt", config(image_size=[64, 64]), r"config\.json: got image_size = \[64, 64\]"),
        ("beit", config(backbone_config={"model_type": "maskformer"}), r"transformers can't build|patch_size"),
        ("metric", config(max_depth=...), r"config\.json: got max_depth = None, wanted the farthest depth"),
        (
            "metric",
            config(depth_estimation_type=..., depth_estimation="metric"),
            r"no depth_estimation_type.*newer revis",
        ),
        ("metric", config(max_depth="far"), r"config\.json: got max_depth = 'far'"),
        ("metric", config(depth_estimation_type="some"), r"config\.json: got depth_estimation_type = 'some'"),
        ("metric", config(patch_size=0, backbone_config={}), r"config\.json: got patch_size = 0"),
        ("glpn", config(strides="four"), r"config\.json: got strides = 'four'"),
        ("pro", config(scaled_images_ratios=[0, 1]), r"config\.json: got scaled_images_ratios = \[0, 1\]"),
        ("metric", preprocessor(ensure_multiple_of=15), r"multiples of 15 px, wanted multiples of 14"),
        ("metric", preprocessor(ensure_multiple_of=0), r"got ensure_multiple_of = 0"),
        ("metric", preprocessor(keep_aspect_ratio=1), r"got keep_aspect_ratio = 1"),
        ("metric", preprocessor(resample=5), r"got resample = 5, wanted 2"),
        ("metric", preprocessor(size={"height": 70}), r"got size = \{'height': 70\}"),
        ("metric", preprocessor(size={"shortest_edge": 70}), r"got size = "),
        ("metric", preprocessor(image_std=[0, 1, 1]), r"got image_std = \[0, 1, 1\]"),
        ("metric", preprocessor(image_mean=[0.5]), r"got image_mean = \[0\.5\], wanted three numbers"),
        ("metric", preprocessor(do_resize=False), r"got do_resize = False"),
        ("metric", preprocessor(do_pad=True, size_divisor=14), r"got do_pad with size_divisor = 14"),
        ("dpt", preprocessor(keep_aspect_ratio=True), r"multiples of 1 px, wanted multiples of 64"),
        ("pro", preprocessor(size={"height": 48, "width": 48}), r"multiples of 48 px, wanted multiples of 64"),
    ],
)
def test_a_spoilt_dense_folder_is_refused_by_the_name_of_its_file(copies, key, spoil, message):
    folder = copies(key)
    spoil(folder)
    with pytest.raises(InputError, match=message) as error:
        load_row(folder, key)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_without_a_preprocessor_file_the_published_values_hold():
    wanted = {
        "depth_anything": (
            {},
            NetworkInput((518, 518), True, 14, "bicubic", True, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ),
        "dpt": ({}, NetworkInput((384, 384), False, 1, "bilinear")),
        "glpn": ({}, NetworkInput(None, False, 32, "bilinear", True, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))),
        "depth_pro": ({}, NetworkInput((1536, 1536), False, 1, "bilinear", False)),
    }
    for family, (said, network_input) in wanted.items():
        assert FAMILIES[family].network_input("config.json", said)[0] == network_input
    beit = {"backbone_config": {"model_type": "beit", "image_size": 512}, "image_size": None, "patch_size": None}
    assert FAMILIES["dpt"].network_input("config.json", beit) == (NetworkInput((512, 512), resample="bilinear"), 16)


def test_sizes_are_those_of_the_published_processors():
    """By hand: 518/768 changes 1024 x 768 less than 518/1024 does, so that both sides take it."""
    depth_anything = NetworkInput((518, 518), keep_aspect_ratio=True, multiple=14)
    assert depth_anything.size(768, 1024) == (518, 686)
    assert depth_anything.size(1024, 768) == (686, 518)
    assert depth_anything.size(518, 518) == (518, 518)
    beit = NetworkInput((512, 512), keep_aspect_ratio=True, multiple=32)
    assert beit.size(768, 1024) == (512, 672)
    assert NetworkInput((384, 384)).size(768, 1024) == (384, 384)
    assert NetworkInput(None, multiple=32).size(480, 650) == (480, 640)
    assert NetworkInput(None, multiple=32).size(1, 1) == (32, 32)


@pytest.mark.parametrize(("height", "width"), [(32, 65535), (65535, 32), (40, 30000), (1, 1)])
def test_the_longest_photos_are_seen_at_some_size(height, width):
    """GLPN takes the photo as it is: 32 x 65535 px are 2047 multiples in a row, of which 900 fit."""
    size = NetworkInput(None, multiple=32).size(height, width)
    assert min(size) >= 32 and math.prod(size) <= PIXELS_MAX


def test_disparity_has_no_sigma_and_no_range(originals):
    prediction = load_row(originals["relative"], "relative", flip=True)(
        made_photo(64, 96, 1), Camera.from_fov(96, 64, 1.0)
    )
    assert prediction.sigma is None and prediction.head is None
    assert NetworkOutput("disparity").range_m is None


def test_what_a_network_says_is_not_hidden(originals, monkeypatch):
    """A network that says NaN is the depth stage's to name."""
    model = load_row(originals["glpn"], "glpn")
    monkeypatch.setattr(model, "_forward", lambda pixels: torch.full((len(pixels), 1, 4, 4), torch.nan))
    assert np.isnan(depth(model, made_photo(64, 96, 1))).all()


def test_too_little_memory_is_named_alone_and_left_to_the_caller_in_a_batch(originals, monkeypatch):
    model = load_row(originals["glpn"], "glpn")

    def refuse(pixels):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(model, "_forward", refuse)
    image, camera = made_photo(64, 96, 1), Camera.from_fov(96, 64, 1.0)
    with pytest.raises(StageError, match=r"glpn-nyu: out of memory on cpu with a photo of 96 x 64 px"):
        model(image, camera)
    with pytest.raises(torch.OutOfMemoryError):
        model.batch([image], [camera])


@pytest.mark.parametrize("image", [np.zeros((64, 96), np.uint8), np.zeros((96, 64, 3), np.uint8)])
def test_a_photo_of_another_shape_than_its_camera_is_an_error(originals, image):
    with pytest.raises(InputError, match=r"image: got shape"):
        load_row(originals["glpn"], "glpn")(image, Camera.from_fov(96, 64, 1.0))


def test_unknown_precisions_list_the_choices(originals):
    with pytest.raises(InputError, match=r"precision: got 'half', wanted one of float32, float16, bfloat16"):
        load_row(originals["glpn"], "glpn", precision="half")
