"""The cluster: Ray on this machine or on several, and the workers on it, processes that hold a core or a GPU each."""

import logging
import os
import platform
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from recon3d.cores import core_count
from recon3d.errors import InputError, Recon3dError, StageError

OBJECT_STORE_BYTES = 80 * 2**20
"""What passes through Ray are names and numbers; photos and depth go through the scene's folder or store [bytes]."""
READY_S = 300.0
"""Time for the first worker to be there [s]."""
FOLDER = "recon3d-ray-"
"""How folders of clusters begin, for their logs and sockets, in the folder for temporary files."""
KNOCK_S = 10.0
"""Time for a cluster's machine to answer [s]."""
DECIDES = ("recon3d-pipeline", "torch", "numpy", "opencv-python", "pycolmap")
"""Packages whose version decides the bytes of a result."""


@dataclass(eq=False)
class Hand:
    """A worker.

    Attributes:
        actor: Ray's handle of it.
        greeting: Ray's reference to its first words.
        is_ready: they were heard.
    """

    actor: Any
    greeting: Any
    is_ready: bool = False


@dataclass(eq=False)
class Cluster:
    """A connection to Ray.

    Attributes:
        ray: the module.
        device: "cpu" for workers that hold no GPU.
        stillborn: what was said of workers that died as they started.
    """

    ray: Any
    device: str
    stillborn: list[str] = field(default_factory=list)

    @property
    def places(self) -> int:
        """Workers that the machines have room for that are there now."""
        there = self.ray.cluster_resources()
        return max(1, int(there.get("GPU" if self._has_gpus() else "CPU", 0)))

    def welcome(self, hands: list[Hand], wanted: int) -> None:
        """Begins workers where there is room, up to so many in all; machines may come later than others."""
        gpus = {"num_gpus": 1} if self._has_gpus() else {}
        threads = max(1, int(self.ray.cluster_resources().get("CPU", 1)) // self.places) if gpus else 1
        kind = self.ray.remote(Worker).options(num_cpus=1, max_restarts=0, **gpus)
        for _ in range(min(self.places, wanted) - len(hands)):
            actor = kind.remote(os.getcwd(), sys.path, threads)
            hands.append(Hand(actor, actor.described.remote()))

    def _has_gpus(self) -> bool:
        return self.device != "cpu" and self.ray.cluster_resources().get("GPU", 0) >= 1


class Worker:
    """What a worker process does: begins a work once, and does blocks of its pieces."""

    def __init__(self, folder: str, modules: list[str], threads: int) -> None:
        """Settles down.

        Args:
            folder: where the program was started that asks, for paths that are relative.
            modules: where it finds its modules: what is handed in from Python may be of one of them.
            threads: that may compute at a time.
        """
        os.environ |= {"NUMBA_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        if os.path.isdir(folder):
            os.chdir(folder)
        sys.path.extend(path for path in modules if path not in sys.path)
        import cv2
        import torch

        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        self._number = -1
        self._work: Any = None
        self._do: Any = None

    def described(self) -> tuple[dict[str, str], str]:
        """What must be the same wherever pieces of one work are done, and where this worker is."""
        return _versions(), platform.node()

    def do(self, number: int, work: Any, items: list[Any]) -> tuple[list[tuple[Any, Any]], Recon3dError | None]:
        """Does pieces of the work of that number; gives those that are done, and the error that stopped it."""
        done: list[tuple[Any, Any]] = []
        try:
            if number != self._number:
                self._work, self._do, self._number = work, work.begin(), number
            # by the work that was begun: each copy of it would first look at all of a scene that isn't on this disk
            for answer in self._do([item for item in items if not self._work.is_done(item)]):
                done.append(answer)
        except Recon3dError as error:
            return done, error
        return done, None


@contextmanager
def connected(address: str | None, device: str) -> Iterator[Cluster]:
    """Connects to a cluster, or starts one on this machine: loopback only, with a token of its own, no dashboard.

    Args:
        address: HOST:PORT of a running cluster that this machine is part of, "auto" for the one that runs here; None =
            start one.
        device: "cpu" for workers that hold no GPU.

    Raises:
        InputError: Ray is not installed, or there is no cluster at that address.
    """
    if address not in (None, "auto"):
        _knock(str(address))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # its news of workers would stand among our lines on stdout
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    if address is None and "ray" not in sys.modules:  # it reads these as it is imported
        # a token of its own: nobody else on this machine can have work done, and nothing is left in the home folder
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # how Ray is made to listen on loopback alone
        os.environ.setdefault("RAY_worker_niceness", "0")  # theirs is the work itself: 15 would give way to anything
        # on a machine with much other work it answers late, and a cluster that is given up takes this process with it
        os.environ.setdefault("RAY_health_check_timeout_ms", "60000")
    import ray

    folder = None
    try:
        if address is None:
            _tidy()
            folder = tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-")
            how: dict[str, Any] = {
                "num_cpus": core_count(),
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
                "_node_ip_address": "127.0.0.1",
                "_temp_dir": folder,
            }
        else:
            how = {"address": address}
        try:
            ray.init(**how, log_to_driver=False, configure_logging=False, logging_level=logging.CRITICAL)
        except Exception as error:  # whatever Ray raises: no such cluster, another version, no token
            where = "could be started on this machine" if address is None else f"can be reached at {address}"
            raise InputError(f"--engine ray: no cluster {where}: {_first_line(error)}") from error
        yield Cluster(ray, device)
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _knock(address: str) -> None:
    """Finds out in seconds that nobody is there, for which Ray takes minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(
            f"--engine ray://{address}: wanted ray://HOST:PORT, such as ray://10.0.0.1:6379, or ray://auto"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--engine ray: no cluster can be reached at {address}: {error}; start one with: ray start --head "
            f"--port={port}"
        ) from error


def _tidy() -> None:
    """Removes the folders of clusters whose program was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}[0-9]*-*"):
        owner = int(folder.name.removeprefix(FOLDER).partition("-")[0])
        try:
            os.kill(owner, 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # somebody else's
            continue


def check_same(theirs: dict[str, str], where: str) -> None:
    """Refuses a worker that would compute otherwise.

    Raises:
        StageError: it has another version of something.
    """
    other = [f"{name} {theirs.get(name)}, not {ours}" for name, ours in _versions().items() if theirs.get(name) != ours]
    if other:
        raise StageError(f"--engine ray: the worker on {where} has {'; '.join(other)}; install the same there as here")


def _versions() -> dict[str, str]:
    return {name: version(name) for name in DECIDES}


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
