"""Weights on the Hugging Face hub: what of a model is in the cache of this machine, and fetching the rest."""

from pathlib import Path
from typing import TYPE_CHECKING

from recon3d.depth.folder import CONFIG, weight_files
from recon3d.errors import InputError
from recon3d.progress import Report, silent

if TYPE_CHECKING:
    from recon3d.depth.models import ModelSpec

_WANTED_FILES = ["*.safetensors", "*.json"]


def is_cached(spec: "ModelSpec") -> bool:
    """Whether the model loads without the network."""
    return not spec.repository or snapshot(spec) is not None


def snapshot(spec: "ModelSpec") -> Path | None:
    """The folder of a model in the hub's cache, None where it is absent or incomplete."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(spec.repository, CONFIG, revision=spec.revision)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    try:
        weight_files(folder)
    except InputError:
        return None
    return folder


def fetch(spec: "ModelSpec", report: Report = silent) -> Path:
    """Downloads a model into the hub's cache; honours HF_HUB_OFFLINE, HF_ENDPOINT and HF_HOME.

    Args:
        spec: a model with a repository.
        report: is told of the bytes at the start and at the end; the hub draws its own bars between.

    Returns:
        The folder that `load_model` reads.

    Raises:
        InputError: the download failed; says why in one line.
    """
    from huggingface_hub import snapshot_download

    title = f"fetch {spec.name}"
    report(title, 0, spec.download_bytes)
    try:
        folder = Path(snapshot_download(spec.repository, revision=spec.revision, allow_patterns=_WANTED_FILES))
    except Exception as error:  # the hub's client raises its HTTP library's errors, and has changed libraries
        raise InputError(
            f"depth model {spec.name}: could not fetch {spec.repository} ({spec.size}): {_root_cause(error)}; check "
            "the network, HF_ENDPOINT and HF_HUB_OFFLINE, or copy its files into a folder and give that with --model"
        ) from error
    weight_files(folder)
    report(title, spec.download_bytes, spec.download_bytes)
    return folder


def _root_cause(error: BaseException) -> str:
    """The first cause of an error as one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
