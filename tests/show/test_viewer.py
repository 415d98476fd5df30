import numpy as np
import pytest

from recon3d.errors import StageError
from recon3d.geometry import PointCloud
from recon3d.show.viewer import view


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
