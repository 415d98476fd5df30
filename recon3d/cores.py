"""The cores of this machine that this process may use."""

import os


def core_count() -> int:
    """As many as the system lets it use, or, where that isn't known, as there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
