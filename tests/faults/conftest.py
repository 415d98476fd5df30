import pytest
import tiny


@pytest.fixture(scope="session")
def tiny_capture(tmp_path_factory):
    """A capture that no test changes in place."""
    return tiny.capture(tmp_path_factory.mktemp("tiny") / "capture")


@pytest.fixture(scope="session")
def tiny_scene(tiny_capture, tmp_path_factory):
    """Its finished scene, which no test changes in place."""
    return tiny.made(tiny_capture, tmp_path_factory.mktemp("tiny") / "scene")
