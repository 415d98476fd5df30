"""Which engine: by what the command line says of it."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from recon3d.engine.in_process import IN_PROCESS
from recon3d.engine.shard import Shard
from recon3d.engine.work import Engine
from recon3d.errors import InputError

CHOICES = "in-process, ray (all cores or GPUs of this machine) or ray://HOST:PORT (a cluster that this machine is in)"


@contextmanager
def engine_for(name: str | None, shard: str | None, device: str) -> Iterator[Engine]:
    """Yields the engine, ended afterwards.

    Args:
        name: "in-process" or None, "ray", or "ray://HOST:PORT", or "ray://auto".
        shard: "NUMBER/COUNT", one of several processes that share a stage; None = all of it.
        device: where the work is done, as `pick_device` takes it.

    Raises:
        InputError: no such engine, or Ray is not installed.
    """
    chosen = name or "in-process"
    scheme, _, address = chosen.partition("://")
    if chosen not in ("in-process", "ray") and not (scheme == "ray" and address):
        raise InputError(f"--engine: got {chosen!r}, wanted {CHOICES}")
    if shard is not None and chosen != "in-process":
        raise InputError(f"--shard {shard}: goes without --engine {chosen}, which shares the work out by itself")
    if shard is not None:
        yield Shard.parsed(shard)
    elif chosen == "in-process":
        yield IN_PROCESS
    else:
        if importlib.util.find_spec("ray") is None:
            raise InputError("--engine ray: Ray is not installed here; pip install 'recon3d-pipeline[ray]'")
        if device.startswith("cuda:"):
            raise InputError(f"--device {device}: names one GPU, and --engine ray gives each worker its own; use cuda")
        from recon3d.engine.on_ray import OnRay

        engine = OnRay(address or None, device)
        try:
            yield engine
        finally:
            engine.close()
