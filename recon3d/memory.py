"""The memory of this process and of the helpers that it started."""

import contextlib
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
"""Where Linux tells of processes; elsewhere only the peak of this process is known."""


@dataclass(frozen=True)
class Memory:
    """What processes hold in memory.

    Attributes:
        now_mib: resident now [MiB]; None where the system doesn't say.
        peak_mib: the most that was, since `forget_peak` or the start [MiB].
    """

    now_mib: int | None
    peak_mib: int

    def as_json(self) -> dict[str, int | None]:
        """For a log."""
        return {"memory_mib": self.now_mib, "peak_mib": self.peak_mib}


def own_memory() -> Memory:
    """The memory of this process."""
    found = _memory_of(os.getpid())
    if found:
        return found
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Memory(None, most // (2**20 if sys.platform == "darwin" else 2**10))


def helpers_memory() -> Memory | None:
    """The memory of the processes together that the main thread started and that still run; None without any."""
    try:
        children = (PROC / f"self/task/{os.getpid()}/children").read_text().split()
    except OSError:
        return None
    found = [memory for child in children if (memory := _memory_of(int(child)))]
    if not found:
        return None
    return Memory(sum(memory.now_mib or 0 for memory in found), sum(memory.peak_mib for memory in found))


def forget_peak() -> None:
    """Lets the peak of this process begin anew, so that each stage has its own; where the system can't, it goes on."""
    with contextlib.suppress(OSError):
        (PROC / "self/clear_refs").write_text("5")


def _memory_of(process: int) -> Memory | None:
    """Not from getrusage, whose peak a child inherits from the process that starts it."""
    try:
        status = (PROC / str(process) / "status").read_text()
    except OSError:
        return None
    values = {name: rest for name, colon, rest in (line.partition(":") for line in status.splitlines()) if colon}
    if "VmHWM" not in values or "VmRSS" not in values:  # a process that is just ending
        return None
    now, peak = (int(values[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM"))
    return Memory(now, peak)
