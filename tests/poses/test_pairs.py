import numpy as np
import pytest
from synthetic import look_at

from recon3d.geometry.arrays import Array
from recon3d.poses.pairs import chosen_pairs, global_descriptors, look_alikes, pairs_by_pose
from recon3d.settings import PosesSettings


def never(i: int) -> Array:
    raise AssertionError("a small set needs no descriptors")


def sights(count: int, places: int, seed: int = 0) -> list[Array]:
    """Descriptors of photos of `places` places, place i % places in photo i: its own 60 features, noisy."""
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 160, (places, 60, 128))
    return [np.clip(features[i % places] + rng.normal(0, 8, (60, 128)), 0, 255).astype(np.uint8) for i in range(count)]


def choose(photos: list[Array], **changes: int) -> list[tuple[int, int]]:
    options = {"exhaustive_up_to": 3, "similar": 3, "neighbours": 2, "seed": 0}
    return chosen_pairs(len(photos), photos.__getitem__, **{**options, **changes})


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_small_set_is_matched_in_full(count: int) -> None:
    pairs = chosen_pairs(count, never, exhaustive_up_to=5, similar=3, neighbours=2, seed=0)
    assert pairs == [(a, b) for a in range(count) for b in range(a + 1, count)]


def test_neighbours_in_capture_order_are_matched() -> None:
    pairs = choose(sights(12, 12), similar=0)
    assert pairs == [(a, b) for a in range(12) for b in range(a + 1, min(a + 3, 12))]


def test_photos_of_one_place_find_each_other_across_the_set() -> None:
    pairs = set(choose(sights(24, 8), similar=2))
    assert {(i, i + 8) for i in range(16)} | {(i, i + 16) for i in range(8)} <= pairs


def test_a_choice_is_made_once_each_ordered_and_the_same_again() -> None:
    pairs = choose(sights(24, 8))
    assert pairs == sorted({(a, b) for a, b in pairs if a < b})
    assert pairs == choose(sights(24, 8))


def test_look_alikes_are_neither_the_photo_itself_nor_its_neighbours() -> None:
    vectors = global_descriptors(20, sights(20, 5).__getitem__, seed=0)
    found = look_alikes(vectors, 4, 2)
    assert np.bincount(found[:, 0]).tolist() == [4] * 20
    assert (np.abs(found[:, 0] - found[:, 1]) > 2).all()


def test_photos_without_features_are_carried_along() -> None:
    photos = sights(12, 4)
    photos[3] = photos[7] = np.empty((0, 128), np.uint8)
    assert np.isfinite(global_descriptors(12, photos.__getitem__, seed=0)).all()
    assert choose([np.empty((0, 128), np.uint8)] * 8)  # nothing to learn words from


def test_more_look_alikes_than_photos_gives_all_pairs() -> None:
    assert len(choose(sights(8, 4), similar=100)) == 8 * 7 // 2


def test_cameras_back_to_back_are_not_matched() -> None:
    out = {f"out{i}": look_at([0.1 * i, 0, 0], [0.1 * i, 5, 0]) for i in range(4)}
    back = {f"back{i}": look_at([0.1 * i, 0, 0], [0.1 * i, -5, 0]) for i in range(4)}
    pairs = pairs_by_pose(out | back)
    assert len(pairs) == 2 * 6
    assert all(a[0] == b[0] for a, b in pairs)


def test_frames_of_a_video_are_matched_next_door_and_across_a_baseline() -> None:
    walk = {i: look_at([0.02 * i, 0, 0], [0.02 * i, 5, 0]) for i in range(100)}
    pairs = pairs_by_pose(walk, per_photo=8)
    assert pairs == sorted(set(pairs))
    assert {(i, i + 1) for i in range(99)} <= set(pairs)
    gaps = [max(max(a, b) - min(a, b) for a, b in pairs if i in (a, b)) for i in walk]
    assert min(gaps) >= 8
    assert len(pairs) <= 8 * 100


def test_one_pose_has_no_pairs() -> None:
    assert pairs_by_pose({"only": look_at([0, 0, 0], [0, 1, 0])}) == []


def scattered(count: int) -> list[Array]:
    """Descriptors of photos that are all of other places: as many pairs as there can be."""
    return sights(count, count)


def test_a_hundred_photos_take_a_quarter_of_all_pairs_at_most() -> None:
    settings = PosesSettings()
    pairs = choose(
        scattered(100),
        exhaustive_up_to=settings.exhaustive_up_to,
        similar=settings.similar,
        neighbours=settings.neighbours,
    )
    assert len(pairs) <= 0.25 * 100 * 99 / 2
    assert {i for pair in pairs for i in pair} == set(range(100))


def test_pairs_grow_with_the_photos_not_with_their_square() -> None:
    settings = PosesSettings()
    counts = [50, 100, 400]
    pairs = [
        len(
            choose(
                scattered(count),
                exhaustive_up_to=settings.exhaustive_up_to,
                similar=settings.similar,
                neighbours=settings.neighbours,
            )
        )
        for count in counts
    ]
    # Each photo brings its neighbours behind it and its look-alikes; small sets are matched in full, which is more.
    assert pairs[0] == 50 * 49 // 2
    for count, found in zip(counts[1:], pairs[1:], strict=True):
        assert found <= (settings.neighbours + settings.similar) * count
    assert pairs[1] / pairs[0] <= 2**1.3
    assert pairs[2] / pairs[1] <= 4**1.3
