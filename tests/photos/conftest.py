import numpy as np
import pytest


@pytest.fixture
def picture():
    """(48, 64, 3) uint8 without any symmetry, smooth enough that lossy formats keep it."""
    y, x = np.mgrid[:48, :64]
    return np.stack([x * 4, y * 5, (x + y) * 2], axis=-1).clip(0, 255).astype(np.uint8)
