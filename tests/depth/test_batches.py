"""Photos of made-up sizes through models whose depth is the photo's first pixel."""

import dataclasses

import numpy as np
import pytest
import torch

from recon3d.depth.batches import BATCH_MAX, about, batch_size, predictions
from recon3d.depth.device import memory_named
from recon3d.depth.model import DepthPrediction, FunctionModel
from recon3d.errors import InputError, StageError
from recon3d.geometry import Camera


@dataclasses.dataclass
class Batched:
    """Depth = the photo's first value; remembers its batches, and has memory for `fits` photos at a time."""

    fits: int = 1000
    error: Exception = dataclasses.field(default_factory=lambda: torch.OutOfMemoryError("made up"))
    name: str = "batched"
    version: str = "1"
    seen: list = dataclasses.field(default_factory=list)

    def __call__(self, image, camera):
        return self.batch([image], [camera])[0]

    def bucket(self, camera):
        return camera.width

    def batch(self, images, cameras):
        assert len({camera.width for camera in cameras}) == 1
        if len(images) > self.fits:
            raise self.error
        self.seen.append([int(image[0, 0, 0]) for image in images])
        return [DepthPrediction(np.full(image.shape[:2], image[0, 0, 0], np.float32)) for image in images]


def photos(widths):
    """One photo a width; its pixels hold its number."""
    for number, width in enumerate(widths):
        image = np.full((2, width, 3), number, np.uint8)
        yield str(number), image, Camera.from_fov(width, 2, 1.0)


def predicted(model, widths, batch=None, smaller=None):
    """Predicts on the CPU; every photo comes out once, with its own depth."""

    def unexpected(tried, batch):
        raise AssertionError("ran out of memory")

    found = list(predictions(model, photos(widths), batch=batch, device="cpu", smaller=smaller or unexpected))
    assert sorted(int(name) for name, _ in found) == list(range(len(widths)))
    assert all((prediction.values == int(name)).all() for name, prediction in found)
    assert all(prediction.values.shape == (2, widths[int(name)]) for name, prediction in found)
    return [int(name) for name, _ in found]


def test_photos_of_one_size_come_in_order_in_full_batches_and_a_rest():
    model = Batched()
    assert predicted(model, [4] * 10, batch=4) == list(range(10))
    assert model.seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_photos_of_other_sizes_wait_for_their_like():
    model = Batched()
    predicted(model, [4, 6, 4, 6, 4, 6, 4, 6], batch=2)
    assert model.seen == [[0, 2], [1, 3], [4, 6], [5, 7]]


def test_no_more_than_two_batches_wait_whatever_the_sizes():
    """Fifty photos of fifty sizes: those that wait must not grow with the set."""
    model, taken = Batched(), []

    def counted():
        for photo in photos(range(1, 51)):
            taken.append(photo[0])
            yield photo

    done = 0
    for _ in predictions(model, counted(), batch=3, device="cpu", smaller=lambda tried, batch: None):
        done += 1
        assert len(taken) - done <= 6
    assert done == 50


def test_on_the_cpu_photos_go_one_by_one_unless_told_otherwise():
    model = Batched()
    predicted(model, [4] * 3)
    assert model.seen == [[0], [1], [2]]


def test_a_model_without_batches_sees_one_photo_at_a_time():
    model = FunctionModel(lambda image, camera: np.full(image.shape[:2], image[0, 0, 0], np.float32), "f", "1")
    assert predicted(model, [4, 6, 4], batch=8) == [0, 1, 2]


@pytest.mark.parametrize("fits", [1, 2, 3, 5])
def test_out_of_memory_halves_the_batch_goes_on_and_says_so_once(fits):
    model, said = Batched(fits=fits), []
    order = predicted(model, [4] * 20, batch=8, smaller=lambda tried, batch: said.append((tried, batch)))
    assert order == list(range(20))
    assert said == [(8, 4)]
    largest = 4 if fits >= 4 else 2 if fits >= 2 else 1
    assert max(map(len, model.seen)) == largest


def test_a_size_that_is_out_of_memory_leaves_other_sizes_their_batch():
    model = Batched()
    batch = model.batch

    def small_only(images, cameras):
        if cameras[0].width > 4 and len(images) > 2:
            raise torch.OutOfMemoryError("made up")
        return batch(images, cameras)

    model.batch = small_only
    predicted(model, [9] * 4 + [4] * 4, batch=4, smaller=lambda tried, batch: None)
    assert model.seen == [[0, 1], [2, 3], [4, 5, 6, 7]]


def test_out_of_memory_with_one_photo_is_an_error_that_names_it():
    with pytest.raises(StageError, match=r"0: batched.* 4 x 2 px"):
        predicted(Batched(fits=0), [4, 4], batch=2, smaller=lambda tried, batch: None)


MEMORY_ERRORS = [
    RuntimeError("MPS backend out of memory (MPS allocated: 5.50 GB, other allocations: 14.76 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


@pytest.mark.parametrize("error", MEMORY_ERRORS)
def test_devices_that_say_it_in_other_words_are_understood(error):
    model = Batched(fits=2, error=error)
    predicted(model, [4] * 4, batch=4, smaller=lambda tried, batch: None)
    assert model.seen == [[0, 1], [2, 3]]
    with pytest.raises(StageError, match="0: batched: out of memory on cpu"):
        predicted(Batched(fits=0, error=error), [4])


def test_a_model_without_batches_that_is_out_of_memory_is_named_too():
    def refuse(image, camera):
        raise torch.OutOfMemoryError("made up")

    with pytest.raises(StageError, match="0: plain: out of memory on cpu with a photo of 4 x 2 px"):
        predicted(FunctionModel(refuse, "plain", "1"), [4])


@pytest.mark.parametrize(("device", "offers"), [("cpu", False), ("mps", True), ("cuda:1", True)])
def test_the_cpu_is_offered_where_it_is_another_device(device, offers):
    with pytest.raises(StageError) as caught, memory_named("m", device, Camera.from_fov(4, 2, 1.0)):
        raise torch.OutOfMemoryError("made up")
    assert ("--device cpu" in str(caught.value)) == offers


def test_another_runtime_error_is_a_bug_still():
    with pytest.raises(RuntimeError, match="shapes differ"):
        predicted(Batched(fits=0, error=RuntimeError("shapes differ")), [4, 4], batch=2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [(np.ones((2, 4), np.float32), "ndarray for 0"), (DepthPrediction(np.ones((3, 4), np.float32)), r"\(3, 4\) for 0")],
)
def test_an_answer_that_is_no_prediction_of_the_photo_is_refused(answer, words):
    model = Batched()
    model.batch = lambda images, cameras: [answer for _ in images]
    with pytest.raises(InputError, match=words):
        predicted(model, [4])


def test_a_batch_with_an_answer_missing_is_refused():
    model = Batched()
    model.batch = lambda images, cameras: []
    with pytest.raises(InputError, match="0 predictions for a batch of 1"):
        predicted(model, [4])


def test_a_bug_in_a_model_keeps_its_type_and_names_the_photos():
    model = Batched()
    model.batch = lambda images, cameras: {}["bug"]
    with pytest.raises(KeyError, match="bug") as caught:
        predicted(model, [4, 4], batch=2)
    assert caught.value.__notes__ == ["while working on 0, 1"]


def test_a_user_s_error_names_the_photo_once():
    with pytest.raises(InputError, match=r"^a\.jpg: torn$"), about("a.jpg"):
        raise InputError("torn")
    with pytest.raises(InputError, match=r"^/x/a\.jpg: torn$"), about("a.jpg"):
        raise InputError("/x/a.jpg: torn")


def test_on_cuda_the_first_photo_of_each_size_says_how_many_fit(monkeypatch):
    """A made-up device: 100 bytes are taken, 1000 are free, and each photo takes 10 bytes a pixel of its width."""
    model, peak = Batched(), 100
    batch = model.batch

    def measured(images, cameras):
        nonlocal peak
        peak = max(peak, 100 + sum(10 * camera.width for camera in cameras))
        assert peak <= 100 + 0.8 * 1000
        return batch(images, cameras)

    def reset(device):
        nonlocal peak
        peak = 100

    model.batch = measured
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: peak)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 2000))
    found = list(
        predictions(model, photos([20] * 6 + [40] * 4), batch=None, device="cuda:0", smaller=lambda tried, batch: None)
    )
    assert len(found) == 10
    assert model.seen == [[0], [1, 2, 3, 4], [6], [7, 8], [5], [9]]


def test_automatic_batches_stay_within_four_fifths_of_the_free_memory():
    for taken, free in [(1, 10), (3, 100), (7, 8), (10, 5)]:
        size = batch_size(taken, free)
        assert 1 <= size <= BATCH_MAX
        assert size == 1 or size * taken <= 0.8 * free
    assert batch_size(3, 100) == 26
    assert batch_size(1, 10**9) == BATCH_MAX
