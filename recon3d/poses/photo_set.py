"""What is wrong with a set of photos, told from the features and matches of its database."""

from collections.abc import Collection, Mapping
from pathlib import Path

import cv2
import numpy as np
import pycolmap

from recon3d.geometry.arrays import Array
from recon3d.photos.working import load_working
from recon3d.poses.sfm_database import notes

FEW_FEATURES = 200
"""A photo with fewer features can hardly be placed."""
SAME_VIEW_PX = 0.5
"""Matches of two photos of one view stay where they are, but for the noise of the features [px]."""
NO_PARALLAX = (
    pycolmap.TwoViewGeometryConfiguration.PLANAR,
    pycolmap.TwoViewGeometryConfiguration.PANORAMIC,
    pycolmap.TwoViewGeometryConfiguration.PLANAR_OR_PANORAMIC,
)
"""How COLMAP calls pairs that one homography explains."""
BLURRED = 0.4
"""A photo with less than this share of the others' fine detail is blurred, by six pixels or more."""
MIRROR_FEATURES = 300
"""The largest features of a photo, which are looked for in the mirror."""
MIRROR_SHARE = 0.2
"""Of those found in the mirror; photos of different things share a few in a hundred by chance."""
MIRROR_PHOTOS = 50
"""At most this many photos are looked at in the mirror."""


def why_none(database: Path, count: int) -> str:
    """Why none of `count` photos could be placed, with numbers and what to do about it."""
    with pycolmap.Database.open(database) as found:
        features = [found.num_keypoints_for_image(i + 1) for i in range(count)]
        pairs = _verified(found)
        matched = found.num_matched_image_pairs()
        same = _same_views(found, pairs)
    head = f"structure from motion: none of {count} photos could be placed"
    if not pairs:
        return (
            f"{head}: median of {np.median(features):.0f} features a photo, 0 of {matched} pairs of photos agree on a "
            "geometry; take sharp photos of textured things, with 60 % overlap, moving sideways between them, or give "
            "the poses with --poses FILE"
        )
    single = "or reconstruct a single photo: recon3d run PHOTO"
    if len(same) == len(pairs):
        return f"{head}: all that match show the same view to the pixel; take one a step aside, {single}"
    flat = sum(geometry.config in NO_PARALLAX for geometry in pairs.values())
    if flat >= 0.8 * len(pairs):
        return (
            f"{head}: {flat} of {len(pairs)} pairs that match show no parallax: the camera only turned, or all of it "
            f"is one flat surface; move sideways between photos, {single}"
        )
    return (
        f"{head}, although {len(pairs)} of {matched} pairs of photos match: they stand too near to each other, or see "
        f"too little in common; take one a step aside, {single}"
    )


def same_views(database: Path, names: list[str]) -> list[tuple[str, ...]]:
    """Groups of photos that show the same view to the pixel: copies, or a camera that stood still.

    Args:
        database: of the photos, matched.
        names: of the photos, in the order of their ids.

    Returns:
        The groups and each of them in the order of `names`.
    """
    with pycolmap.Database.open(database) as found:
        links = _same_views(found, _verified(found))
    return [
        tuple(names[i - 1] for i in sorted(group)) for group in connected(range(1, len(names) + 1), links) if group[1:]
    ]


def why_left_out(database: Path, photos: Mapping[str, Path], placed: Collection[str]) -> dict[str, str]:
    """For each of the photos that could not be placed, the likely reason in plain words.

    Args:
        database: of the photos, matched.
        photos: file of each photo, in the order of their ids.
        placed: names of those that stand in the model.
    """
    names, noted = list(photos), notes(database)
    lost = [i + 1 for i, name in enumerate(names) if name not in placed]
    if not lost:
        return {}
    with pycolmap.Database.open(database) as found:
        features = {i: found.num_keypoints_for_image(i) for i in range(1, len(names) + 1)}
        inliers = {pair: len(geometry.inlier_matches) for pair, geometry in _verified(found).items()}
        mirrored = _mirrored(found, lost, [i for i in features if i not in lost])
    detail = _usual_detail([photos[name] for name in placed])
    reasons = {}
    for i in lost:
        name, count = names[i - 1], f"{features[i]} features"
        sharpness = fine_detail(load_working(photos[name])) / detail if detail else 1.0
        if i in noted:
            reasons[name] = noted[i]
        elif i in mirrored:
            reasons[name] = f"looks like a mirrored copy of {names[mirrored[i] - 1]}"
        elif sharpness < BLURRED and features[i]:
            reasons[name] = f"{count}, {sharpness:.0%} of the others' fine detail: blurred, perhaps by motion, or bare"
        elif features[i] < FEW_FEATURES:
            reasons[name] = f"only {count}: textureless"
        else:
            reasons[name] = f"{count}, {_agreement(i, inliers, lost, names)}"
    return reasons


def _agreement(lost_id: int, inliers: Mapping[tuple[int, int], int], lost: list[int], names: list[str]) -> str:
    """With whom a photo that was left out agrees, and what that tells."""
    partners = {a + b - lost_id: count for (a, b), count in inliers.items() if lost_id in (a, b)}
    best = max((i for i in partners if i not in lost), key=partners.__getitem__, default=None)
    if best is not None:
        return (
            f"at most {partners[best]} in agreement with a photo that was placed ({names[best - 1]}): too little "
            "overlap or too little sideways motion"
        )
    if partners:
        some = ", ".join(names[i - 1] for i in sorted(partners)[:3]) + (", …" if len(partners) > 3 else "")
        return (
            f"in agreement with {len(partners)} others left out ({some}) but with none that was placed: another scene, "
            "or a gap between"
        )
    return "but none agree with a photo that was placed: no overlap"


def fine_detail(image: Array) -> float:
    """Contrast from pixel to pixel over the contrast of the whole; blur of n pixels makes it about the root of n less.

    The lesser of the two axes, so that motion along one shows.

    Args:
        image: (H, W, 3) uint8.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    whole = float(grey.std())
    return min(float(np.sqrt((np.diff(grey, axis=axis) ** 2).mean())) for axis in (0, 1)) / whole if whole else 0.0


def _usual_detail(files: list[Path]) -> float:
    """Median over some of the photos; 0 where there are none."""
    some = files[:: max(1, len(files) // 10)]
    return float(np.median([fine_detail(load_working(file)) for file in some])) if some else 0.0


def _verified(database: pycolmap.Database) -> dict[tuple[int, int], pycolmap.TwoViewGeometry]:
    """Pairs of image ids, smaller first, whose matches agree on a geometry."""
    ids, geometries = database.read_two_view_geometries()
    return {
        pycolmap.pair_id_to_image_pair(number): geometry
        for number, geometry in zip(ids, geometries, strict=True)
        if len(geometry.inlier_matches)
    }


def _same_views(
    database: pycolmap.Database, pairs: Mapping[tuple[int, int], pycolmap.TwoViewGeometry]
) -> list[tuple[int, int]]:
    """Pairs of which most features match and stay where they are."""
    same = []
    for (a, b), geometry in pairs.items():
        fewer = min(database.num_keypoints_for_image(a), database.num_keypoints_for_image(b))
        if 2 * len(geometry.inlier_matches) >= fewer:
            at_a, at_b = (_keypoints(database, i)[geometry.inlier_matches[:, k], :2] for k, i in enumerate((a, b)))
            if np.median(np.linalg.norm(at_a - at_b, axis=1)) < SAME_VIEW_PX:
                same.append((a, b))
    return same


def _keypoints(database: pycolmap.Database, image_id: int) -> Array:
    """(N, 6) places and shapes of the features [px]."""
    found: Array = np.asarray(database.read_keypoints(image_id))
    return found


def _mirrored(database: pycolmap.Database, lost: list[int], placed: list[int]) -> dict[int, int]:
    """Lost photos that a placed one agrees with in the mirror, and which."""
    usual = {i: _largest_features(database, i) for i in placed}
    answer = {}
    for i in lost[:MIRROR_PHOTOS]:
        flipped = _mirror(_largest_features(database, i))
        if len(flipped) < MIRROR_FEATURES / 10:
            continue
        scores = {other: _agreeing(flipped, found) / len(flipped) for other, found in usual.items() if len(found) > 1}
        best = max(scores, key=scores.__getitem__, default=0)
        if best and scores[best] >= MIRROR_SHARE:
            answer[i] = best
    return answer


def _largest_features(database: pycolmap.Database, image_id: int) -> Array:
    """(N, 128) float32 descriptors of length 1."""
    keypoints = _keypoints(database, image_id)
    if not len(keypoints):
        return np.zeros((0, 128), np.float32)
    area = np.abs(keypoints[:, 2] * keypoints[:, 5] - keypoints[:, 3] * keypoints[:, 4])
    largest = np.argsort(-area, kind="stable")[:MIRROR_FEATURES]
    found = np.asarray(database.read_descriptors(image_id).data)[largest].astype(np.float32)
    unit: Array = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
    return unit


def _mirror(descriptors: Array) -> Array:
    """What SIFT would give for the mirrored photo: 4 x 4 cells by 8 directions, turned to the feature's own direction.

    The mirror swaps the two sides of that direction: the rows of cells, and the sign of each angle.
    """
    cells = descriptors.reshape(-1, 4, 4, 8)
    mirrored: Array = cells[:, ::-1][..., -np.arange(8) % 8].reshape(-1, 128)
    return mirrored


def _agreeing(a: Array, b: Array) -> int:
    """Features that are each other's nearest, and clearly so: Lowe's ratio of 0.8."""
    likeness = a @ b.T
    nearest, back = likeness.argmax(axis=1), likeness.argmax(axis=0)
    second, first = np.sort(likeness, axis=1)[:, -2:].T
    clear = np.sqrt(np.maximum(1 - first, 0)) < 0.8 * np.sqrt(np.maximum(1 - second, 1e-12))
    return int(np.count_nonzero(clear & (back[nearest] == np.arange(len(a)))))


def connected(ids: Collection[int], links: Collection[tuple[int, int]]) -> list[list[int]]:
    """Ids that hang together by links, in the order of the first of each group."""
    group = {i: [i] for i in ids}
    for a, b in links:
        if group[a] is not group[b]:
            group[a].extend(group[b])
            for i in group[b]:
                group[i] = group[a]
    return list({id(members): members for members in group.values()}.values())
