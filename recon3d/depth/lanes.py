"""Lanes: photos that the CPU computes side by side, a thread each.

What a convolution's or a matrix product's last bits are depends on how many threads share it. With one thread a photo
they are the same on any machine and in any engine; the cores are filled by as many photos at a time.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import torch

LANE_BYTES = 2 * 2**30
"""What a photo on its way through a large network may take; with less to spare, fewer go side by side [bytes]."""


@contextmanager
def lanes() -> Iterator[tuple[Executor, int]]:
    """Yields threads in which torch computes with one thread each, and how many they are.

    As many as torch would have used, as far as the memory goes.
    """
    threads = torch.get_num_threads()
    count = max(1, min(threads, _spare_bytes() // LANE_BYTES))
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool, count
    finally:
        torch.set_num_threads(threads)  # what is set in one thread is what new ones begin with


def _spare_bytes() -> int:
    """Memory that can still be taken."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            kib = next(line.split()[1] for line in file if line.startswith("MemAvailable"))
        return int(kib) * 1024
    except (OSError, StopIteration):  # no Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
