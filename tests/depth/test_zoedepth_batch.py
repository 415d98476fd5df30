"""Many photos in one forward pass; what is said beside the depth: the head, and the doubt."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny_zoedepth import SHAPES, Reference, Says, assert_same_depth, camera_of, made_photo, zoedepth_that

from recon3d.depth.model import BatchDepthModel
from recon3d.depth.models import load_model
from recon3d.depth.precision import PRECISIONS
from recon3d.depth.zoedepth import load_zoedepth
from recon3d.depth.zoedepth_head import BinDepth
from recon3d.errors import InputError
from recon3d.geometry import Camera

pytestmark = pytest.mark.usefixtures("one_thread")
FEW = ["landscape", "portrait", "square", "wide"]


@pytest.fixture(scope="module")
def models(tiny_folders):
    return {heads: load_model(str(folder), device="cpu", flip=True) for heads, folder in tiny_folders.items()}


def eight(shape):
    return [made_photo(*SHAPES[shape], seed) for seed in range(8)]


def predicted(model, images):
    return model.batch(images, [camera_of(image) for image in images])


def test_a_batch_of_eight_indoors_and_outdoors_has_the_published_depth_of_each(models, tiny_folders):
    """Four shapes of the specification; both heads speak, in one batch."""
    reference, mixed = Reference(tiny_folders[2]), 0
    for shape in FEW:
        images = eight(shape)
        reference.heads.clear()
        for prediction, image in zip(predicted(models[2], images), images, strict=True):
            assert_same_depth(prediction.values, reference(image))
        mixed += len(set(reference.heads)) == 2
    assert mixed >= 1, "no batch in which both heads are chosen"


@pytest.mark.parametrize("heads", [1, 2, "k"])
def test_a_photo_is_in_a_batch_what_it_is_alone(models, heads):
    """To rounding: matrix products of another size add up in another order."""
    images = eight("landscape")
    for together, image in zip(predicted(models[heads], images), images, strict=True):
        alone = models[heads](image, camera_of(image))
        np.testing.assert_allclose(together.values, alone.values, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(together.sigma, alone.sigma, rtol=1e-2, atol=1e-3)
        assert together.head == dataclasses.replace(alone.head, probability=together.head.probability)
        assert together.head.probability == pytest.approx(alone.head.probability, abs=1e-4)


def test_photos_that_the_network_sees_at_one_size_share_a_batch_whatever_their_own(models):
    assert isinstance(models[1], BatchDepthModel)
    images = [made_photo(120, 160, 0), made_photo(121, 162, 1)]
    assert len({models[1].bucket(camera_of(image)) for image in images}) == 1
    for prediction, image in zip(predicted(models[1], images), images, strict=True):
        assert prediction.values.shape == prediction.sigma.shape == image.shape[:2]
        np.testing.assert_allclose(prediction.values, models[1](image, camera_of(image)).values, rtol=1e-3, atol=1e-4)


def test_photos_of_two_network_sizes_are_refused(models, photos):
    with pytest.raises(InputError, match=r"got photos for the network sizes \[.*\], wanted photos of one"):
        predicted(models[1], [photos["landscape"], photos["portrait"]])


def test_a_head_says_its_name_its_range_and_its_training_focal_length(models, photos):
    """By hand: (160, 120) px are seen at 96 x 64, so 415 px of the network are 415 · 160 / 96 of the photo."""
    image = photos["landscape"]
    assert models[1].bucket(camera_of(image)) == (64, 96)
    head, kitti = (models[which](image, camera_of(image)).head for which in (1, "k"))
    assert (head.name, head.probability, head.range_m) == ("nyu", 1.0, (1e-3, 10.0))
    assert head.focal_px == pytest.approx(415 * 160 / 96)
    assert (kitti.name, kitti.probability, kitti.range_m) == ("kitti", 1.0, (1e-3, 80.0))
    assert kitti.focal_px == pytest.approx(446 * 160 / 96)


def test_the_head_is_the_one_that_the_router_chose_with_its_probability(tiny_folders):
    reference = Reference(tiny_folders[2])
    model = load_model(str(tiny_folders[2]), device="cpu", flip=False)
    images, names = eight("landscape"), set()
    for prediction, image in zip(predicted(model, images), images, strict=True):
        pixels = reference.processor(image, input_data_format="channels_last", return_tensors="pt").pixel_values
        with torch.inference_mode():
            want = reference.network(pixels).domain_logits[0].softmax(0)
        head = prediction.head
        assert head.name == ["nyu", "kitti"][int(want.argmax())]
        assert head.probability == pytest.approx(float(want.max()), abs=1e-4)
        assert head.range_m == ((1e-3, 10.0) if head.name == "nyu" else (1e-3, 80.0))
        names.add(head.name)
    assert names == {"nyu", "kitti"}


class Mirrors:
    """Says one depth, variance and router's answer of photos and another of their mirror images, which come last."""

    def __init__(self, *said):
        self.said = said
        self.probability = torch.tensor([said[0][2]])

    def __call__(self, pixels):
        halves = [(len(pixels) // 2, *pixels.shape[2:])] * 2
        depth, variance = (
            torch.cat([torch.full(size, one[k]) for size, one in zip(halves, self.said, strict=True)]) for k in (0, 1)
        )
        probability = torch.cat([torch.tensor([one[2]]).expand(len(pixels) // 2, -1) for one in self.said])
        return BinDepth(depth, variance, probability)


def test_the_head_is_what_photo_and_mirror_image_together_find_likelier():
    image = made_photo(50, 60, seed=1)
    head = zoedepth_that(Mirrors((2.0, 0.0, [0.6, 0.4]), (2.0, 0.0, [0.1, 0.9])))(image, camera_of(image)).head
    assert head.name == "kitti"
    assert head.probability == pytest.approx(0.65)


def test_sigma_is_that_of_the_mixture_of_both_distributions():
    """Means 2 and 3 m with variances 0.5 and 0.7: the mixture has 0.6 + 0.25, its mean is 2.5 m."""
    image = made_photo(50, 60, seed=1)
    network = Mirrors((2.0, 0.5, [1.0]), (3.0, 0.7, [1.0]))
    for factor in (1.0, 0.5):
        prediction = zoedepth_that(network, sigma_factor=factor)(image, camera_of(image))
        np.testing.assert_allclose(prediction.values, 2.5, rtol=1e-6)
        np.testing.assert_allclose(prediction.sigma, factor * np.sqrt(0.85), rtol=1e-5)


def test_without_flip_sigma_is_that_of_the_bins_and_never_below_a_tenth_of_the_depth():
    image = made_photo(50, 60, seed=1)
    for variance, sigma in [(1.0, 1.0), (0.01, 0.25), (0.0, 0.25)]:
        prediction = zoedepth_that(Says(2.5, variance), flip=False)(image, camera_of(image))
        np.testing.assert_allclose(prediction.sigma, sigma, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_stays_near_and_gives_float32(tiny_folders, photos, precision):
    """Eleven bits and eight bits of a number, through a dozen layers of a random network: a few of the last of them."""
    how = {"name": "m", "version": "1", "device": "cpu", "flip": True}
    image = photos["landscape"]
    want, got = (
        load_zoedepth(str(tiny_folders[1]), **how, precision=kind)(image, camera_of(image))
        for kind in ("float32", precision)
    )
    assert got.values.dtype == got.sigma.dtype == np.float32
    error = np.abs(got.values - want.values).mean() / want.values.mean()
    assert 0 < error < 8 * torch.finfo(PRECISIONS[precision]).eps


def test_a_camera_says_only_its_size(models, photos):
    image = photos["wide"]
    near, far = (Camera(image.shape[1], image.shape[0], f, f, 0, 0) for f in (50, 5000))
    np.testing.assert_array_equal(models[1](image, near).values, models[1](image, far).values)
