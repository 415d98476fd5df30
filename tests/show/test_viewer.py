import numpy as np
import pytest

from recon3d.errors import StageError
from recon3d.geometry import SE3, Camera, Mesh, PointCloud
from recon3d.show.viewer import layers_of, view


def test_without_a_display_the_viewer_says_what_to_do(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    cloud = PointCloud(np.zeros((1, 3)), np.zeros((1, 3), np.uint8))
    with pytest.raises(StageError, match=r"no display.*--screenshot OUT\.png"):
        view(None, cloud, {}, {})


def test_nothing_to_show_is_said_before_a_window_opens(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":77")
    with pytest.raises(StageError, match="nothing to show"):
        view(None, None, {}, {})


def test_every_layer_has_its_key():
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]), np.zeros((3, 3), np.uint8))
    cloud = PointCloud(np.zeros((1, 3)), np.zeros((1, 3), np.uint8))
    layers = layers_of(
        mesh, cloud, {"a": Camera(4, 3, 4, 4, 1.5, 1)}, {"a": SE3.identity(), "no camera": SE3.identity()}
    )
    assert {key: len(things) for key, things in layers.items()} == {"M": 1, "C": 1, "F": 1}
