"""Renders training examples into a folder of shards: python -m train_demo.cache FOLDER COUNT."""

import logging
import os
import sys
import time
from pathlib import Path

import numpy as np

from train_demo.views import examples

SHARD = 192
VIEWS = 16  # a room
FIRST_SEED = 1_000_000  # training shards count up from here; held-out rooms have seeds below
PORTRAIT_EVERY = 5  # every fifth shard holds upright pictures

log = logging.getLogger("cache")


def write_shard(folder: Path, number: int) -> None:
    """Renders one shard: images (N, H, W, 3) uint8, depths (N, H, W) float16 [m], focals (N,) [px of 256]."""
    made = list(examples(FIRST_SEED + number, SHARD, VIEWS, number % PORTRAIT_EVERY == PORTRAIT_EVERY - 1))
    arrays = {
        "image": np.stack([image for image, _, _ in made]),
        "depth": np.stack([depth for _, depth, _ in made]).astype(np.float16),
        "focal": np.array([focal for _, _, focal in made], np.float32),
    }
    for name, array in arrays.items():  # the image comes last: a reader takes a shard that has one
        path = folder / f"{number:05d}.{name}.npy"
        temporary = folder / f".tmp-{os.getpid()}-{path.name}"
        np.save(temporary, array)
        if name != "image":
            temporary.rename(path)
    temporary = folder / f".tmp-{os.getpid()}-{number:05d}.image.npy"
    temporary.rename(folder / f"{number:05d}.image.npy")


def main(folder: Path, count: int) -> None:
    """Adds shards until there are `count`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        if (folder / f"{number:05d}.image.npy").exists():
            continue
        start = time.time()
        write_shard(folder, number)
        log.info("shard %d, %.1f images/s", number, SHARD / (time.time() - start))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
