import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recon3d.depth.demo import WEIGHTS, load_demo, network_size
from recon3d.geometry.camera import Camera

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

pytestmark = pytest.mark.skipif(not WEIGHTS.exists(), reason="no weights in this checkout")


@pytest.fixture(scope="module")
def model():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a network only waits for its threads where other work is about
    yield load_demo("cpu")
    torch.set_num_threads(threads)


def picture(width: int, height: int) -> np.ndarray:
    """A made-up photo with large and small structures."""
    v, u = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(3).integers(0, 40, (height, width, 3))
    return np.clip(np.stack((u * 160 // width, v * 160 // height, (u + v) % 97), -1) + noise, 0, 255).astype(np.uint8)


def camera(width: int, height: int, fov: float = np.radians(68)) -> Camera:
    return Camera.from_fov(width, height, fov)


def test_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size <= 12e6


def test_version_is_the_digest_of_the_weights(model) -> None:
    import hashlib

    assert model.name == "demo"
    assert model.version == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:12]


@pytest.mark.parametrize("size", [(1024, 768), (768, 1024), (1601, 401), (99, 733), (33, 31)])
def test_any_shape_gives_metric_depth_of_that_shape(model, size: tuple[int, int]) -> None:
    width, height = size
    prediction = model(picture(width, height), camera(width, height))
    assert prediction.kind == "metric"
    assert prediction.values.shape == prediction.sigma.shape == (height, width)
    assert prediction.values.dtype == np.float32
    assert np.isfinite(prediction.values).all() and np.isfinite(prediction.sigma).all()
    assert prediction.values.min() > 0.05 and prediction.values.max() < 50  # a room, in metres
    assert prediction.sigma.min() > 0


def test_network_size_keeps_the_aspect_ratio() -> None:
    assert network_size(1024, 768) == (192, 144)
    assert network_size(768, 1024) == (144, 192)
    for width, height in ((1024, 768), (1920, 1080), (600, 800)):
        w, h = network_size(width, height)
        assert abs(np.log(w / h * height / width)) < 0.09  # rounded to steps of 16 px of at least 128


def test_same_photo_same_depth(model) -> None:
    photo = picture(320, 240)
    first, second = (model(photo, camera(320, 240)) for _ in range(2))
    assert np.array_equal(first.values, second.values) and np.array_equal(first.sigma, second.sigma)


def test_twice_the_focal_length_is_twice_the_depth(model) -> None:
    photo = picture(320, 240)
    near = model(photo, Camera(320, 240, 230.0, 230.0, 159.5, 119.5))
    far = model(photo, Camera(320, 240, 460.0, 460.0, 159.5, 119.5))
    np.testing.assert_allclose(far.values, 2 * near.values, rtol=1e-5)
    np.testing.assert_allclose(far.sigma, 2 * near.sigma, rtol=1e-5)


@pytest.fixture(scope="module")
def rooms():
    """15 photos of 5 generated rooms with exact depth, from a seed that training did not use."""
    from train_demo.evaluate import held_out

    return list(held_out(rooms=5, views=3, seed=301))


def test_resampling_a_photo_hardly_changes_its_depth(model, rooms) -> None:
    _, image, _, small = rooms[0]
    big = np.repeat(np.repeat(image, 4, 0), 4, 1)
    depth = model(image, small).values
    big_depth = model(big, small.resized(4 * small.width, 4 * small.height)).values[2::4, 2::4]
    assert np.median(np.abs(np.log(big_depth / depth))) < 0.03


def test_a_wrong_camera_is_an_error(model) -> None:
    from recon3d.errors import InputError

    for image in (picture(64, 48), picture(48, 64)[..., 0]):
        with pytest.raises(InputError, match="image: got shape"):
            model(image, camera(48, 64))


def test_rooms_never_seen_are_measured_in_metres(model, rooms) -> None:
    """The bounds are the figures measured on 200 photos (docs/demo-model.md) with room for 5 rooms' chance."""
    from train_demo.evaluate import evaluate

    result = evaluate(model, rooms)
    assert result["absrel"] < 0.25
    assert result["absrel_scaled"] < 0.17
    assert 0.5 < result["within_1_sigma"] < 0.95


def test_errors_of_rooms_never_seen_spread_as_sigma_says(rooms) -> None:
    """Unit spread over 200 photos, by the factor of the model's row; 15 photos of 5 rooms leave a factor to chance."""
    from train_demo.evaluate import sigma_spread

    from recon3d.depth.models import load_model

    assert 0.5 < sigma_spread(load_model("demo", device="cpu", flip=True), rooms)["spread"] < 1.8


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_the_accuracy(model, rooms, dtype) -> None:
    """Within 0.5 % of AbsRel: what float16 must keep to be the default of `depth.precision` on CUDA."""
    from train_demo.evaluate import evaluate

    def halved(image, camera):
        with torch.autocast("cpu", dtype):
            return model(image, camera)

    full, half = (evaluate(of, rooms)["absrel"] for of in (model, halved))
    assert full != half
    assert abs(half / full - 1) < 0.005
