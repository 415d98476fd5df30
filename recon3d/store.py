"""A store: a folder of files behind a URL, on a shared file system or in an object store."""

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from recon3d.errors import InputError, StageError

TRIES, PAUSE_S = 3, 1.0
"""So often a request is made before it has failed, and the pause before the second [s]; the next is twice as long."""
AT_A_TIME = 16
"""Files that travel at a time, where many do."""
OBJECT_STORES = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "tos"))
"""Schemes of stores in which a file that is sent is there whole or not at all, and which list a whole tree at once."""
TAGS = ("ETag", "etag", "md5Hash", "content_md5", "generation")
TIMES = ("mtime", "LastModified", "last_modified", "ino")
"""What file systems call what tells one content of a file from another: sums of it, and times of its writing."""
UNSENT = ".tmp-"
"""What names of files begin with that are not whole yet."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Held:
    """A file in a store.

    Attributes:
        version: differs where the content does.
        size: of the file [bytes].
    """

    version: str
    size: int


@dataclass(frozen=True)
class Store:
    """The folder behind a URL. Files are known by their path in it, with slashes.

    Attributes:
        url: without a slash at its end, and without a password.
    """

    url: str
    _folders: set[str] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def at(cls, url: str) -> "Store":
        """A store; nothing is asked of it yet.

        Raises:
            InputError: the URL holds what it shouldn't, or doesn't say where.
        """
        scheme, _, rest = url.partition("://")
        where = f"{scheme}://{re.sub(r'^[^/]*@', '…@', rest)}".partition("?")[0]
        if re.match(r"[^/]*:[^/]*@", rest) or "?" in rest:
            raise InputError(
                f"{where}: holds a password, a key or the like; leave it out, and give it as the file system's own "
                "package takes it: in the environment, or in a file of fsspec's (docs/long-runs.md)"
            )
        parts = rest.rstrip("/").split("/")
        if "::" in url or "#" in rest or any(sign in rest for sign in "*[]\\") or {"..", "."} & set(parts):
            raise InputError(f"{where}: wanted one plain URL of a folder, such as s3://bucket/scene")
        if scheme in ("file", "local") and not rest.startswith("/"):
            raise InputError(f"{where}: wanted the whole path, such as {scheme}:///shared/scene")
        if not any(parts[1 if scheme in OBJECT_STORES else 0 :]):
            raise InputError(f"{where}: names no folder in it; add one, such as {where.rstrip('/')}/scene")
        return cls(f"{scheme}://{rest.rstrip('/')}")

    @property
    def _is_objects(self) -> bool:
        return self.url.partition("://")[0] in OBJECT_STORES

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """The file system, and where in it.

        Raises:
            InputError: unknown scheme, a package that is missing, or it can't be set up.
        """
        import fsspec

        scheme = self.url.partition("://")[0]
        if scheme not in fsspec.available_protocols():
            raise InputError(
                f"{self.url}: unknown scheme {scheme!r}; wanted one that fsspec knows, such as s3, gs, sftp"
            )
        try:
            system, path = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            raise InputError(f"{self.url}: a package is missing here: {error}; pip install it") from error
        except Exception as error:  # whatever the package raises
            raise InputError(f"{self.url}: can't be reached: {_said(error)}") from error
        return system, path.rstrip("/")

    def lists(self) -> dict[str, Held]:
        """All files, but those that are being sent, and those that lead out of the folder.

        Raises:
            StageError: it can't be reached, or not be read.
        """
        system, root = self._place
        system.invalidate_cache()
        found = {}
        for path, info in self._asked("", "listed", lambda: self._tree(system, root)).items():
            name = path.removeprefix(f"{root}/")
            if is_inside(name) and not name.rpartition("/")[2].startswith(UNSENT):
                found[name] = _held(info)
        return found

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name now."""
        system, root = self._place
        system.invalidate_cache()
        try:
            self._asked(name, "looked at", lambda: system.info(f"{root}/{name}"))
        except FileNotFoundError:
            return False
        return True

    def fetch(self, name: str, target: Path) -> Held:
        """Writes the content of a file to a local one; says what it was.

        Raises:
            FileNotFoundError: there is none.
            StageError: it can't be reached, or not be read.
        """
        system, root = self._place

        def get() -> Held:
            info = _held(system.info(f"{root}/{name}"))
            system.get_file(f"{root}/{name}", str(target))
            if target.stat().st_size != info.size:
                raise OSError(f"{target.stat().st_size} of {info.size} bytes came")
            return info

        return self._asked(name, "fetched", get)

    def send(self, source: Path, name: str) -> Held:
        """Puts a local file in the place of one in the store, whole or not at all.

        Raises:
            StageError: it can't be reached, or not be written.
        """
        system, root = self._place
        folder, _, last = f"{root}/{name}".rpartition("/")
        passing = f"{folder}/{last}" if self._is_objects else f"{folder}/{UNSENT}{secrets.token_hex(6)}-{last}"

        def put() -> Held:
            self._make(system, folder)
            system.put_file(str(source), passing)
            if passing != f"{folder}/{last}":
                _move(system, passing, f"{folder}/{last}")
            info = _held(system.info(f"{root}/{name}"))
            if info.size != source.stat().st_size:
                raise OSError(f"{info.size} of {source.stat().st_size} bytes arrived")
            return info

        try:
            return self._asked(name, "sent", put)
        except (FileNotFoundError, StageError) as error:
            if passing != f"{folder}/{last}":
                with contextlib.suppress(Exception):  # what went wrong is told
                    system.rm_file(passing)
            if isinstance(error, StageError):
                raise
            raise StageError(f"{self.url}/{name}: can't be sent: {_said(error)}; {_ADVICE}") from error

    def remove(self, name: str) -> None:
        """Removes a file, or a folder with all that is in it, where there is one.

        Raises:
            StageError: it can't be.
        """
        system, root = self._place
        with contextlib.suppress(FileNotFoundError):
            self._asked(name, "removed", lambda: system.rm(f"{root}/{name}", recursive=True))
        self._folders.clear()

    def remove_files(self, names: Iterable[str]) -> None:
        """Removes files, where they are there.

        Raises:
            StageError: one can't be.
        """
        system, root = self._place

        def one(name: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                self._asked(name, "removed", lambda: system.rm_file(f"{root}/{name}"))

        at_a_time(one, names)

    def tidy(self) -> None:
        """Removes what was being sent by processes that were killed."""
        system, root = self._place
        if not self._is_objects:
            paths = self._asked("", "listed", lambda: self._tree(system, root))
            names = [path.removeprefix(f"{root}/") for path in paths]
            self.remove_files(n for n in names if is_inside(n) and n.rpartition("/")[2].startswith(UNSENT))

    def _tree(self, system: Any, folder: str) -> dict[str, Mapping[str, Any]]:
        """What is said of each file. Not by `find`, which takes a folder that it can't read for an empty one."""
        try:
            if self._is_objects:
                found: dict[str, Mapping[str, Any]] = system.find(folder, detail=True)
                return found
            entries = system.ls(folder, detail=True)
        except FileNotFoundError:
            return {}
        found = {entry["name"]: entry for entry in entries if entry["type"] == "file"}
        for entry in entries:
            if entry["type"] == "directory" and entry["name"].rstrip("/") != folder:
                found |= self._tree(system, entry["name"].rstrip("/"))
        return found

    def _make(self, system: Any, folder: str) -> None:
        if not self._is_objects and folder not in self._folders:
            system.makedirs(folder, exist_ok=True)
            self._folders.add(folder)

    def _asked(self, name: str, done: str, request: Callable[[], Answer]) -> Answer:
        """Makes a request, more than once where it fails for a reason that may pass."""
        where = f"{self.url}/{name}" if name else self.url
        for number in range(1, TRIES + 1):
            try:
                return request()
            except FileNotFoundError:
                raise
            except PermissionError as error:
                raise StageError(
                    f"{where}: can't be {done}: no permission ({_said(error)}); see that the account may list, read, "
                    "write and delete there"
                ) from error
            except NotImplementedError as error:
                raise InputError(f"{where}: can't be {done}: this kind of store can't do that") from error
            except Exception as error:  # whatever the package raises
                if number == TRIES:
                    raise StageError(f"{where}: can't be {done}: {_said(error)}; {_ADVICE}") from error
            self._folders.clear()
            time.sleep(PAUSE_S * 2 ** (number - 1))
        raise AssertionError(where)


_ADVICE = "see to the connection and the store, then run the command again: it goes on from here"


def is_inside(name: str) -> bool:
    """Whether a path in a store is a plain one, that leads nowhere else."""
    parts = name.split("/")
    return not ({"", ".", ".."} & set(parts)) and "\\" not in name and "\0" not in name


def at_a_time(do: Callable[[str], object], names: Iterable[str]) -> None:
    """Does something with each of many files, some at a time."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for _ in pool.map(do, sorted(names)):
            pass


def _held(info: Mapping[str, Any]) -> Held:
    size = int(info.get("size") or 0)
    tag = next((str(info[key]).strip('"') for key in TAGS if info.get(key)), None)
    if tag is None:
        known = [info[key] for key in TIMES if info.get(key)] or [info.get("created")]
        tag = " ".join(str(one.timestamp() if isinstance(one, datetime) else one) for one in known)
    return Held(tag, size)


def _move(system: Any, source: str, target: str) -> None:
    """Puts a file in the place of another."""
    from fsspec import AbstractFileSystem

    if type(system).mv is AbstractFileSystem.mv:  # which would take signs in the name for a pattern
        system.cp_file(source, target)
        system.rm_file(source)
        return
    try:
        system.mv(source, target)
    except FileExistsError:
        system.rm_file(target)
        system.mv(source, target)


def _said(error: Exception) -> str:
    """What an error says, in a line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
