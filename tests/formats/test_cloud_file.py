import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.ply import write_cloud
from recon3d.geometry import PointCloud


def test_a_cloud_comes_back_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    cloud = PointCloud(rng.uniform(-3, 3, (100, 3)), rng.integers(0, 255, (100, 3)))
    write_cloud(tmp_path / "a.ply", cloud, ["unit metre"])
    read = read_cloud(tmp_path / "a.ply")
    assert np.allclose(read.points, cloud.points, atol=1e-6) and np.array_equal(read.colors, cloud.colors)


@pytest.mark.parametrize(
    "data", [b"", b"ply\n", b"ply\nformat ascii 1.0\nelement vertex 9\nproperty float x\nend_header\n"]
)
def test_a_broken_cloud_is_named(tmp_path, data):
    (tmp_path / "a.ply").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.ply"):
        read_cloud(tmp_path / "a.ply")
