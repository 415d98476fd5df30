"""Watchdog: a file's decoder is waited for no longer than a stated time."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from recon3d.errors import InputError
from recon3d.photos.sniff import shown

R = TypeVar("R")


class UnansweredError(InputError):
    """A decoder, or the disk that it reads from, did not answer in time."""


def answered(call: Callable[[], R], path: Path, limit_s: float) -> R:
    """The result of a call, or an error where it takes too long.

    The call is done in a thread of its own. One that hangs is left behind, since no thread can be ended; it doesn't
    keep the program from ending, and what it still answers is dropped. So the call must change nothing: its result is
    all that it is for.

    Args:
        call: reads or decodes a file.
        path: the file.
        limit_s: how long its answer is waited for [s].

    Raises:
        UnansweredError: there was no answer in time; names the file and the time.
    """
    results: list[R] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # of whatever kind: it is raised where the call was made
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(min(limit_s, threading.TIMEOUT_MAX))
    if results:
        return results[0]
    if errors:
        raise errors[0]
    raise UnansweredError(
        f"{shown(path)}: no answer after {limit_s:.3g} s (photos.timeout_s); the file is broken, or its disk doesn't "
        "answer: once it does, run again"
    )
