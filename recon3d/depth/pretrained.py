"""A network of transformers, built from a folder: every weight in its place, no code and no download."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from torch import Tensor

from recon3d.depth.folder import CONFIG, weight_files
from recon3d.errors import InputError


def load_network(folder: Path, network_class: Any, example: Tensor, **config: Any) -> Any:
    """The network of a folder in transformers' format, in eval mode, float32, on the CPU.

    Published folders lack weights that their network never uses (MiDaS: a residual unit of the first fusion layer),
    and hold some of parts that it doesn't have (a pooler, a head that only training needs): both are let pass. A
    missing weight counts as used where the answer for `example` depends on it.

    Args:
        folder: config.json and safetensors files.
        network_class: class of transformers, with a `predicted_depth` in its output.
        example: (1, 3, h, w) normalised pixels of a size that the network takes.
        config: values that overrule config.json's.

    Raises:
        InputError: a file is truncated or of another network; names it.
    """
    name = network_class.__name__
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not a whole safetensors file ({error}); copy or fetch it again") from error
    with _quiet():
        try:
            network, loaded = network_class.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # so that they are listed below, by name
                output_loading_info=True,
                **config,
            )
        except Exception as error:  # whatever transformers makes of a user's config.json is about that file
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(f"{folder}: transformers can't build {name} from {CONFIG}: {reason}") from error
    network = network.eval().requires_grad_(False)
    keys = {
        what: sorted(str(key[0] if isinstance(key, tuple) else key) for key in loaded[f"{what}_keys"])
        for what in ("missing", "unexpected", "mismatched")
    }
    faults = {
        "missing": keys["missing"] if _depends(network, example, keys["missing"]) else [],
        "unexpected": [key for key in keys["unexpected"] if _is_further_layer(network, key)],
        "mismatched": keys["mismatched"],
    }
    for what, names in faults.items():
        if names:
            raise InputError(
                f"{folder}: {len(names)} {what} weights of {name}, such as {names[0]}; {CONFIG} and the safetensors "
                "files are not of the same network: copy or fetch the whole model again"
            )
    return network


def _depends(network: Any, example: Tensor, names: list[str]) -> bool:
    """Whether the network's answer depends on any of these weights."""
    parameters = dict(network.named_parameters())
    if not set(names) <= set(parameters):
        return True
    for name in names:
        parameters[name].requires_grad_(True)
    depends = bool(names) and bool(network(example).predicted_depth.requires_grad)
    network.requires_grad_(False)
    return depends


def _is_further_layer(network: Any, name: str) -> bool:
    """Whether a weight is of a layer beyond the last that the network has: config.json tells of fewer."""
    for part in name.split("."):
        if not hasattr(network, part):
            return part.isdigit()
        network = getattr(network, part)
    return False


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' advice and progress bars off stderr while it loads."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()
