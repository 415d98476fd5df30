"""Features and matches by pycolmap, photo by photo and pair by pair; runs in the process of structure from motion.

What comes out of a photo or a pair depends on it alone: not on what is asked for with it, before it, or by how many
threads.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pycolmap

from recon3d.geometry.arrays import Array
from recon3d.poses.pairs import Pair, chosen_pairs
from recon3d.poses.sfm_database import without_features
from recon3d.progress import Report

DRIVER = Path("/proc/driver/nvidia/version")
"""There where a GPU can be used; pycolmap only tells whether it was built for one."""


def find_features(path: Path, job: dict[str, Any], numbers: list[int]) -> None:
    """Finds features in those photos, where they are not in the database yet."""
    todo = [job["images"][number]["file"] for number in without_features(path, numbers)]
    options = pycolmap.FeatureExtractionOptions()
    options.sift.max_num_features = job["settings"]["features"]
    options.num_threads = job["threads"]
    if todo:
        photos = Path(job["scratch"]) / "photos"
        pycolmap.extract_features(path, photos, todo, extraction_options=options, device=_device())


def find_pairs(job: dict[str, Any], descriptors: Callable[[int], Array], report: Report) -> list[Pair]:
    """The pairs that are to be matched.

    Args:
        job: with the pairs, or None where they are to be chosen.
        descriptors: of a photo.
        report: told of photos that are looked at.
    """
    settings = job["settings"]
    if job["pairs"] is not None:
        return sorted({(min(a, b), max(a, b)) for a, b in job["pairs"] if a != b})
    count, asked = len(job["images"]), 0

    def counted(number: int) -> Array:
        nonlocal asked
        asked += 1  # twice for each photo: to learn the words, and to describe it by them
        report("pairs", asked, 2 * count)
        return descriptors(number)

    return chosen_pairs(
        count,
        counted,
        exhaustive_up_to=settings["exhaustive_up_to"],
        similar=settings["similar"],
        neighbours=settings["neighbours"],
        seed=settings["seed"],
    )


def match_pairs(path: Path, job: dict[str, Any], pairs: list[Pair]) -> None:
    """Matches and verifies the pairs; those already in the database are skipped by pycolmap."""
    options, verification = pycolmap.FeatureMatchingOptions(), pycolmap.TwoViewGeometryOptions()
    options.num_threads = job["threads"]
    verification.ransac.random_seed = job["settings"]["seed"]
    listing = Path(job["scratch"]) / "pairs.txt"
    files = [image["file"] for image in job["images"]]
    listing.write_text("".join(f"{files[a]} {files[b]}\n" for a, b in pairs), encoding="utf-8")
    pycolmap.match_image_pairs(
        path,
        matching_options=options,
        pairing_options=pycolmap.ImportedPairingOptions(match_list_path=listing),
        verification_options=verification,
        device=_device(),
    )


def _device() -> pycolmap.Device:
    """The GPU where pycolmap was built for one and there is one."""
    return pycolmap.Device.cuda if pycolmap.has_cuda and DRIVER.exists() else pycolmap.Device.cpu
