import importlib.util
import signal
from pathlib import Path

import hypothesis
import pytest

# where tests run as a script's job in the background, they and all that they start would be deaf to Ctrl-C
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# how long an example takes says what else the machine does: no test is timed
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("fuzz", hypothesis.settings.get_profile("untimed"), max_examples=10_000)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real captures beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("real captures: no ../shared/data beside this repository")
    return folder


@pytest.fixture(scope="module")
def one_thread_a_module():
    """Small images: threads that wait for each other on a busy machine cost far more than their work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def ray(tmp_path_factory):
    """An engine on Ray: workers on this machine, as many as it has cores, with working copies in a place of theirs."""
    from recon3d.engine.on_ray import OnRay

    if importlib.util.find_spec("ray") is None:  # not imported here: it is recon3d that says how it starts
        pytest.skip("Ray is not installed")
    engine = OnRay(None, "cpu")  # of a module: its processes count as this one's where memory is measured
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RECON3D_CACHE", str(tmp_path_factory.mktemp("workers")))
        assert engine.shares  # begun: its processes have the environment of now
    yield engine
    engine.close()
