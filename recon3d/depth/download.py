"""A large file over HTTP: in pieces that outlast faults of the network and the end of the program, verified."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from recon3d.progress import Report

T = TypeVar("T")

_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Waits before the second to the last try of what brought nothing [s]."""
_CHUNK = 256 * 1024
"""Bytes that are written, and told of, at a time; as many may be lost where a download is cut."""


@dataclass
class Arrivals:
    """The bytes that have arrived of some files, and who is told of them.

    Attributes:
        report: is told, under another title while a fault is waited out.
        title: of the work.
        total: bytes of all its files.
        done: bytes that have arrived.
    """

    report: Report
    title: str
    total: int
    done: int = 0

    def tell(self, done: int) -> None:
        """Tells that `done` bytes are there."""
        self.done = done
        self.report(self.title, done, self.total)

    def fault(self, what: str) -> None:
        """Tells what is being waited out."""
        self.report(f"{self.title}: {what}", self.done, self.total)


@dataclass(frozen=True)
class RemoteFile:
    """A file that is wanted here, and what its publisher says of it.

    Attributes:
        url: where it is offered.
        path: where it is wanted.
        lock: is locked while it is downloaded, since another program may want it too.
        size: [bytes].
        sha256: hex.
    """

    url: str
    path: Path
    lock: Path
    size: int
    sha256: str

    @property
    def half(self) -> Path:
        """What has arrived of the file."""
        return self.path.with_name(f"{self.path.name}.incomplete")

    def is_whole(self, path: Path) -> bool:
        """Whether a file here has the promised size and content."""
        if path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


def download(file: RemoteFile, arrivals: Arrivals) -> None:
    """Puts a file where it is wanted, whole or not at all; goes on with the half of it that is there.

    Args:
        file: the file; nothing is done where it is there.
        arrivals: is told of the file's bytes on top of those that had arrived before.

    Raises:
        OSError: it can't be written, or what came is not what was promised, and is removed.
        Exception: of the HTTP library, after several tries; what has arrived stays as the half.
    """
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    before = arrivals.done
    for folder in (file.path.parent, file.lock.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(file.lock):
        if not file.path.exists():  # else another program has fetched it while we waited for the lock
            if size_here(file.half) < file.size:
                patiently(lambda: _stream(file, before, arrivals), arrivals, lambda: size_here(file.half))
            if not file.is_whole(file.half):
                got = size_here(file.half)
                file.half.unlink()
                raise OSError(
                    f"{file.url.rpartition('/')[2]}: got {got} bytes of another content, which are removed, wanted "
                    f"{file.size} bytes with sha256 {file.sha256}"
                )
            os.replace(file.half, file.path)
    arrivals.tell(before + file.size)


def _stream(file: RemoteFile, before: int, arrivals: Arrivals) -> None:
    """Adds to the half of a file what its publisher sends, from its end on."""
    from huggingface_hub import constants, get_session
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if size := size_here(file.half):
        headers["Range"] = f"bytes={size}-"
    with get_session().stream("GET", file.url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        response.raise_for_status()
        with file.half.open("ab" if response.status_code == 206 else "wb") as half:  # 200: from the first byte on
            for chunk in response.iter_bytes(_CHUNK):
                half.write(chunk)
                arrivals.tell(before + half.tell())


def size_here(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def patiently(work: Callable[[], T], arrivals: Arrivals, arrived: Callable[[], int] = lambda: 0) -> T:
    """What `work` returns, tried again after a fault that may pass; gives up when five tries in a row brought nothing.

    Args:
        work: some requests.
        arrivals: is told of the fault and of the next try.
        arrived: bytes that `work` has brought so far.

    Raises:
        Exception: the last of `work`.
    """
    failures, before = 0, arrived()
    while True:
        try:
            return work()
        except (http_error(), OSError) as error:
            failures = failures + 1 if arrived() <= before else 1
            before = arrived()
            if failures > len(_PAUSES_S) or not _may_pass(error):
                raise
            arrivals.fault(f"{first_cause(error)}; try {failures + 1} of {len(_PAUSES_S) + 1}")
            time.sleep(_PAUSES_S[failures - 1])


def http_error() -> type[Exception]:
    """Base of the errors of the HTTP library; the hub's client, some of whose do, has changed that library."""
    from huggingface_hub.errors import HfHubHTTPError

    base: type[Exception] = HfHubHTTPError.__bases__[0]
    return base


def http_status(error: BaseException) -> int:
    """The HTTP status that an error is about, 0 where it is about none."""
    return next((cause.response.status_code for cause in _causes(error) if hasattr(cause, "response")), 0)


def first_cause(error: BaseException) -> str:
    """The first cause of an error as one line; of a URL without its query, which may hold a signature."""
    *_, first = _causes(error)
    if (response := getattr(first, "response", None)) is not None:
        return f"{response.url.host} answered {response.status_code} {response.reason_phrase} to {response.url.path}"
    lines = str(first).strip().splitlines()
    return f"{type(first).__name__}: {lines[0].strip()}" if lines else type(first).__name__


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed later: a fault of the network, or of the server and not of the request."""
    if status := http_status(error):
        return status in (408, 429) or status >= 500
    return any(isinstance(cause, http_error()) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause, the cause of that and so on."""
    while error is not None:
        yield error
        error = error.__cause__
