import pytest
import torch
from tiny_zoedepth import SHAPES, made_photo, spread_router, spread_weights, tiny_network, write_preprocessor


@pytest.fixture
def one_thread():
    """These networks are small: threads that wait for each other on a busy machine cost fifty times their work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def photos():
    """By the name of its shape: a photo."""
    return {name: made_photo(*shape, seed) for seed, (name, shape) in enumerate(SHAPES.items())}


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory, photos):
    """By number of heads, or "k" for KITTI's one: a folder in transformers' format, which no test changes in place."""
    folders = {which: tmp_path_factory.mktemp(f"zoedepth-{which}") for which in (1, 2, "k")}
    for which, folder in folders.items():
        heads, bins = (1, "normed") if which == "k" else (which, "softplus")
        network = tiny_network(heads, bins)
        spread_weights(network, seed=heads)
        write_preprocessor(folder, 64, 96)
        if heads == 2:
            spread_router(network, folder, list(photos.values()))
        network.save_pretrained(folder)
    return folders
