"""Measures a weights file on held-out generated rooms and on samples/room: python -m train_demo.evaluate WEIGHTS."""

import argparse
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from recon3d.depth.demo import WEIGHTS, load_demo
from recon3d.depth.model import DepthModel
from recon3d.geometry import Camera
from train_demo.augment import photograph
from train_demo.sheet import coloured
from train_demo.textures import make_library
from train_demo.views import examples

HELD_OUT_SEED = 7  # training seeds start at cache.FIRST_SEED
Example = tuple[str, NDArray[np.uint8], NDArray[np.float32], Camera]


def held_out(rooms: int = 40, views: int = 5, seed: int = HELD_OUT_SEED) -> Iterator[Example]:
    """Photos of rooms that training has not seen, with camera effects; one in five rooms is upright."""
    library = make_library(np.random.default_rng(seed))
    for portrait, count in ((False, rooms - rooms // 5), (True, rooms // 5)):
        rng = np.random.default_rng(seed + portrait)
        for k, (image, depth, focal) in enumerate(examples(seed + portrait, count * views, views, portrait, library)):
            h, w = depth.shape
            camera = Camera(w, h, focal, focal, (w - 1) / 2, (h - 1) / 2)
            yield f"{'upright' if portrait else 'wide'}-{k}", photograph(rng, image), depth, camera


def sample_room(folder: Path) -> Iterator[Example]:
    """The photos of samples/room with their truth."""
    about = json.loads((folder / "truth" / "camera.json").read_text())
    for path in sorted((folder / "truth" / "depth").glob("*.png")):
        photo = next(
            p for p in sorted(folder.rglob("*")) if p.stem == path.stem and p.suffix.lower() in (".jpg", ".jpeg")
        )
        image = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB"))
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
        h, w = depth.shape
        camera = Camera(w, h, about["fx"], about["fy"], (w - 1) / 2, (h - 1) / 2)
        yield path.stem, image, depth, camera


def score(prediction: NDArray, sigma: NDArray | None, truth: NDArray) -> dict[str, float]:
    """Errors of one depth map over the pixels that have truth."""
    known = truth > 0.1
    p, t = prediction[known].astype(np.float64), truth[known].astype(np.float64)
    ratio = np.maximum(p / t, t / p)
    scale = float(np.median(t / p))
    result = {
        "absrel": float(np.mean(np.abs(p - t) / t)),
        "absrel_scaled": float(np.mean(np.abs(p * scale - t) / t)),
        "delta1": float(np.mean(ratio < 1.25)),
        "rmse_m": math.sqrt(float(np.mean((p - t) ** 2))),
        "log_scale_error": math.log(scale),
        "laplace": float(np.mean(np.abs(np.log(p / t)))),
    }
    if sigma is not None:
        s = sigma[known]
        result["within_1_sigma"] = float(np.mean(np.abs(p - t) < s))
        result["within_2_sigma"] = float(np.mean(np.abs(p - t) < 2 * s))
    return result


def evaluate(model: DepthModel, data: Iterable[Example], sheet: Path | None = None) -> dict[str, float]:
    """Mean scores over photos; `sheet` gets a picture of the first 24."""
    scores, tiles = [], []
    for _, image, depth, camera in data:
        prediction = model(image, camera)
        scores.append(score(prediction.values, prediction.sigma, depth))
        if sheet is not None and len(tiles) < 24:
            row = np.hstack((image, coloured(prediction.values), coloured(depth)))
            tiles.append(row)
    if sheet is not None and tiles:
        width = 600
        small = [
            cv2.resize(t, (width, round(t.shape[0] * width / t.shape[1])), interpolation=cv2.INTER_AREA) for t in tiles
        ]
        height = min(t.shape[0] for t in small)
        small = [t[:height] for t in small]
        columns = [np.vstack(small[i::2]) for i in (0, 1)] if len(small) > 1 else small
        rows = min(c.shape[0] for c in columns)
        cv2.imwrite(str(sheet), cv2.cvtColor(np.hstack([c[:rows] for c in columns]), cv2.COLOR_RGB2BGR))
    result = {name: float(np.mean([s[name] for s in scores])) for name in scores[0]}
    result["scale_spread"] = float(np.std([s["log_scale_error"] for s in scores]))
    result["photos"] = len(scores)
    return result


def sigma_spread(model: DepthModel, data: Iterable[Example]) -> dict[str, float]:
    """How far errors spread in units of sigma, over all pixels with truth: what the model's sigma is off by.

    Returns:
        spread: 1.4826 times the median absolute deviation of (log z - log z*)·z/sigma, which a Gaussian's standard
            deviation equals and outliers don't move.
        rms: of the same, outliers included.
    """
    errors = []
    for _, image, depth, camera in data:
        prediction = model(image, camera)
        if prediction.sigma is None:
            raise ValueError(f"{model.name} gives no sigma")
        known = depth > 0.1
        z, sigma, truth = prediction.values[known], prediction.sigma[known], depth[known]
        errors.append(np.log(z.astype(np.float64) / truth) * z / sigma)
    error = np.concatenate(errors)
    return {
        "spread": 1.4826 * float(np.median(np.abs(error - np.median(error)))),
        "rms": math.sqrt(float(np.mean(error**2))),
        "median": float(np.median(error)),
    }


def main() -> None:
    """Prints one JSON line a data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, nargs="?", default=WEIGHTS)
    parser.add_argument("--rooms", type=int, default=40)
    parser.add_argument("--room", type=Path, help="samples/room")
    parser.add_argument("--sigma", action="store_true", help="the spread of errors over sigma instead of the scores")
    parser.add_argument("--sheet", type=Path, help="contact sheet to write: photo, prediction, truth")
    options = parser.parse_args()
    model = load_demo(weights=options.weights)
    data = sample_room(options.room) if options.room else held_out(options.rooms)
    result = sigma_spread(model, data) if options.sigma else evaluate(model, data, options.sheet)
    print(json.dumps({name: round(value, 4) for name, value in result.items()}))


if __name__ == "__main__":
    main()
