import shutil
import subprocess

import pytest


@pytest.fixture(scope="session")
def virtual_screen():
    """The name of a virtual screen; tests are skipped where there is no Xvfb."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb: not on this machine; make browser installs it")
    options = ["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    process = subprocess.Popen(["Xvfb", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with process:
        yield f":{process.stdout.readline().strip()}"
        process.terminate()
