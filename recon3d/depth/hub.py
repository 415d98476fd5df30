"""Weights on the Hugging Face hub: what of a model is in the cache of this machine, and fetching the rest."""

import errno
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon3d.depth.download import (
    Arrivals,
    RemoteFile,
    download,
    first_cause,
    http_error,
    http_status,
    patiently,
    size_here,
)
from recon3d.depth.folder import CONFIG, PREPROCESSOR, WEIGHTS, WEIGHTS_INDEX, weight_files
from recon3d.errors import InputError
from recon3d.progress import Report, silent

if TYPE_CHECKING:
    from recon3d.depth.models import ModelSpec

_COMMIT, _SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_COPY_INSTEAD = "or copy its files into a folder and give that with --model"


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
    """Downloads a model into the hub's cache, or what is missing or damaged of it; whole and verified files or none.

    The hub's own client (2.4) starts a cut file again from its first byte and never looks at the sha256. So the weights
    are downloaded by us to where that client looks for a file that it has; all the rest is left to it. What it
    honours holds here: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_DOWNLOAD_TIMEOUT, HF_HUB_OFFLINE and
    TRANSFORMERS_OFFLINE.

    Args:
        spec: a model with a repository.
        report: is told of the bytes that have arrived, of all; under a title that says so while a fault is waited out.

    Returns:
        The folder that `load_model` reads.

    Raises:
        InputError: the download failed; says why in one line. What has arrived stays for the next call.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        if (cached := snapshot(spec)) is not None:
            return cached
        raise _failed(spec, f"HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set; unset it, {_COPY_INSTEAD}")
    try:
        return _fetch(spec, Arrivals(report, f"fetch {spec.name}", spec.download_bytes))
    except (http_error(), OSError, ValueError) as error:  # ValueError: an answer that is no hub's
        raise _failed(spec, _why(spec, error)) from error


def _fetch(spec: "ModelSpec", arrivals: Arrivals) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download

    repository, revision, timeout = spec.repository, spec.revision, constants.HF_HUB_ETAG_TIMEOUT
    arrivals.tell(0)
    info = patiently(
        lambda: HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=timeout), arrivals
    )
    files = {file.rfilename: file for file in info.siblings or ()}
    wanted = _wanted(spec, files)
    arrivals.total = sum(files[name].size or 0 for name in wanted)
    # what is small enough for git itself has no sha256 and is left to the hub's client, as the JSON files are
    large = [_place(spec, str(info.sha), name, lfs) for name in wanted if (lfs := files[name].lfs) is not None]
    for file, link in large:
        here = link if link.exists() else file.path  # where links can't be made, the client moves the file there
        if here.exists() and not file.is_whole(here):
            here.resolve().unlink()
    missing = [file for file, link in large if not link.exists()]
    _check_room(sum(file.size - size_here(file.half) for file in missing if not file.path.exists()))
    arrivals.tell(sum(file.size for file, _ in large) - sum(file.size for file in missing))
    for file in missing:
        download(file, arrivals)
    bar = _hidden_bar()
    folder = Path(
        patiently(
            lambda: snapshot_download(repository, revision=revision, allow_patterns=wanted, tqdm_class=bar), arrivals
        )
    )
    weight_files(folder)
    arrivals.tell(arrivals.total)
    return folder


def _wanted(spec: "ModelSpec", names: Iterable[str]) -> list[str]:
    """Of a repository's files the ones that a model is loaded from; never a pickle, nor the same weights twice."""
    names = set(names)
    weights = [WEIGHTS] if WEIGHTS in names else sorted(name for name in names if _SHARD.fullmatch(name))
    if CONFIG not in names or not weights:
        raise _failed(
            spec,
            f"revision {spec.revision} has no {WEIGHTS if CONFIG in names else CONFIG}, and no weights are taken from "
            f"a pickle, which can run code; wanted a repository with {CONFIG} and {WEIGHTS}, {_COPY_INSTEAD}",
        )
    return [name for name in (CONFIG, PREPROCESSOR, WEIGHTS_INDEX) if name in names] + weights


def _place(spec: "ModelSpec", commit: str, name: str, lfs: Any) -> tuple[RemoteFile, Path]:
    """A file of weights as a blob of the hub's cache, named by its sha256, and its name in its commit's snapshot."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name

    if not _COMMIT.fullmatch(commit) or not _SHA256.fullmatch(lfs.sha256):  # they become parts of paths
        raise ValueError(f"got commit {commit!r} and sha256 {lfs.sha256!r} of {name}, wanted 40 and 64 hex digits")
    cache = Path(constants.HF_HUB_CACHE)
    folder = repo_folder_name(repo_id=spec.repository, repo_type="model")
    file = RemoteFile(
        url=hf_hub_url(spec.repository, name, revision=commit),
        path=cache / folder / "blobs" / lfs.sha256,
        lock=cache / ".locks" / folder / f"{lfs.sha256}.lock",
        size=lfs.size,
        sha256=lfs.sha256,
    )
    return file, cache / folder / "snapshots" / commit / name


def _check_room(missing: int) -> None:
    """Checks that so many bytes fit into the hub's cache."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).absolute()
    disk = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    free = shutil.disk_usage(disk).free
    if free < missing:
        raise OSError(errno.ENOSPC, f"{missing} bytes are missing, {free} bytes are free")


def _hidden_bar() -> Any:
    """A bar for the hub's client that shows nothing, since there is ours."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class Hidden(tqdm):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **{**settings, "disable": True})  # type: ignore[no-untyped-call]

    return Hidden


def _failed(spec: "ModelSpec", why: str) -> InputError:
    return InputError(f"depth model {spec.name}: could not fetch {spec.repository} ({spec.size}): {why}")


def _why(spec: "ModelSpec", error: Exception) -> str:
    """What went wrong and what to do."""
    from huggingface_hub import constants

    cause, status = first_cause(error), http_status(error)
    if status in (401, 403):
        return (
            f"{cause}: private, gated or not there; accept its licence at {constants.ENDPOINT}/{spec.repository} and "
            f"log in with `hf auth login` or HF_TOKEN, {_COPY_INSTEAD}"
        )
    if status == 404:
        return f"{cause}: no such repository, revision {spec.revision} or file; check HF_ENDPOINT, {_COPY_INSTEAD}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {constants.HF_HUB_CACHE} is full: {error.strerror}; make room, or set HF_HOME to another"
    if isinstance(error, OSError) and error.errno:
        return f"{cause}; make sure that {constants.HF_HUB_CACHE} can be written, or set HF_HOME to another folder"
    return (
        f"{cause}; check the network and HF_ENDPOINT and fetch again, which goes on where this ended, {_COPY_INSTEAD}"
    )
