"""What memory is seen: of this process, of those it started, and from when on."""

import subprocess
import sys

import numpy as np
import pytest

from recon3d.memory import PROC, forget_peak, helpers_memory, own_memory

MIB = 2**20

pytestmark = pytest.mark.skipif(not (PROC / "self/status").exists(), reason="the system tells no memory of processes")


def test_memory_that_is_held_is_seen_and_the_peak_outlives_it():
    forget_peak()
    before = own_memory()
    held = np.ones(200 * MIB, np.uint8)
    assert own_memory().now_mib >= before.now_mib + 190
    del held
    after = own_memory()
    assert after.peak_mib >= before.peak_mib + 190
    assert after.now_mib <= before.now_mib + 50


def test_a_peak_that_is_forgotten_begins_anew():
    np.ones(200 * MIB, np.uint8)
    high = own_memory().peak_mib
    forget_peak()
    assert own_memory().peak_mib <= high - 150


def test_a_helper_process_is_seen_while_it_runs():
    none = helpers_memory()
    code = "held = bytearray(100 << 20); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helper:
        helper.stdout.readline()
        assert helpers_memory().now_mib - (none.now_mib if none else 0) >= 100
        helper.communicate(b"\n")
    assert (none is None) == (helpers_memory() is None)
