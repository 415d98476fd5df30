"""Writes a contact sheet of generated photos and their depth, to look at: python -m train_demo.sheet SEED OUT.png."""

import sys
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from train_demo.views import examples


def coloured(depth: NDArray[np.float32], far: float = 7.0) -> NDArray[np.uint8]:
    """Depth [m] as a picture, near is bright."""
    grey = np.clip(255 * (1 - np.log1p(depth) / np.log1p(far)), 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def main(seed: int, out: str, count: int = 24, views: int = 3) -> None:
    """Draws `count` examples, two rows of pictures at a time."""
    start = time.time()
    tiles = [np.hstack((image, coloured(depth))) for image, depth, _ in examples(seed, count, views)]
    rate = count / (time.time() - start)
    sheet = np.vstack([np.hstack(tiles[i : i + 3]) for i in range(0, count, 3)])
    cv2.imwrite(out, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    sys.stderr.write(f"{rate:.1f} images/s\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
