"""A mirror: the working copy, on this disk, of a scene that stands in a store."""

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recon3d.checksums import checksum_of, files_of
from recon3d.errors import InputError, StageError
from recon3d.files import read_json, replacing, write_json
from recon3d.place import url_of
from recon3d.store import Held, Store, at_a_time, is_inside

RECORD, BEGUN = ".fetched", ".begun.json"
"""Files of a mirror alone: what was fetched or sent, a line each time; keys of the stages that were begun here."""


@dataclass(eq=False)
class Mirror:
    """What of a store stands here, and whether it is what stands there.

    A file counts by what the store holds: at the last look, or by what was sent from here since.

    Attributes:
        store: whose.
        root: the working copy.
        works: this process is the one that makes the scene: what it wrote and hasn't sent yet counts too.
    """

    store: Store
    root: Path
    works: bool = False
    _there: dict[str, Held] | None = None
    _here: dict[str, list[object]] = field(default_factory=dict)
    _read: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _fetching: dict[str, threading.Lock] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> "Mirror | None":
        """The mirror that a folder is; None where it is a folder like any other."""
        url = url_of(root)
        return cls(Store.at(url), root) if url else None

    # What is in the store

    def look(self) -> None:
        """Takes notice of what others have sent or removed.

        Raises:
            StageError: the store can't be reached.
        """
        there = self.store.lists()
        with self._lock:
            self._there = there

    @property
    def there(self) -> Mapping[str, Held]:
        """What is in the store."""
        with self._lock:
            if self._there is None:
                self.look()
            assert self._there is not None
            return self._there

    def name(self, path: Path) -> str:
        """What a path of the mirror is called in the store.

        Raises:
            InputError: it leads out of it.
        """
        name = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else ".."
        if not is_inside(name):
            raise InputError(f"{self.store.url}: holds the name {str(path.name)[:80]!r}, which leads out of the scene")
        return name

    def holds(self, path: Path) -> bool:
        """Whether a file is in the store, or something in a folder at the top of the scene."""
        name = self.name(path)
        return name in self.there or ("/" not in name and bool(self.under(name)))

    def under(self, *names: str) -> list[str]:
        """Files in the store of these names, or in folders of these names, at the top of the scene."""
        return [name for name in list(self.there) if name.partition("/")[0] in names]

    # What comes and goes

    def here(self, path: Path) -> Path:
        """The path, once the file is here as it is in the store, if it is there."""
        name = self.name(path)
        if name in self.there:
            self._fetch(name)
        elif path.is_file() and (not self.works or self._was_fetched(name)):
            # gone from the store; or made by a run here that was killed, and no part of the scene
            return path.with_name(f".unsent-{path.name}")
        return path

    def fetch_under(self, *names: str) -> None:
        """Fetches them; names as in `under`."""
        at_a_time(self._fetch, self.under(*names))

    def send(self, source: Path, path: Path) -> None:
        """Sends the content that `path` will have; told by `note` when it has."""
        name = self.name(path)
        held = self.store.send(source, name)
        _ = self.there
        with self._lock:
            assert self._there is not None
            self._there[name] = held

    def note(self, path: Path) -> None:
        """Takes down that the file is what was sent last under its name."""
        name = self.name(path)
        self._take_down(name, self.there[name], path)

    def send_under(self, *names: str) -> None:
        """Sends what is not in the store as it is here; names as in `under`."""

        def one(name: str) -> None:
            self.send(self.root / name, self.root / name)
            self.note(self.root / name)

        files = map(self.name, files_of(self.root / name for name in names))
        at_a_time(one, [name for name in files if not self._is_current(name)])

    def remove(self, *names: str) -> None:
        """Removes files or folders at the top of the scene from the store."""
        for name in names:
            if self.under(name):
                self.store.remove(name)
        with self._lock:
            gone = set(self.under(*names))
            self._there = {name: held for name, held in self.there.items() if name not in gone}

    def remove_files(self, paths: Iterable[Path]) -> None:
        """Removes files from the store."""
        names = {self.name(path) for path in paths}
        self.store.remove_files(names)
        with self._lock:
            self._there = {name: held for name, held in self.there.items() if name not in names}

    def damaged(self, noted: Mapping[str, str]) -> list[Path]:
        """Files that are not in the store as was noted: gone, or of another size or content.

        Content is looked at where the file is here, or is another than when it was. What is wrong here alone is fetched
        again.
        """
        found = []
        for name, checksum in noted.items():
            path = self.root / name
            held = self.there.get(self.name(path))
            if held is None or str(held.size) != checksum.partition(" ")[0]:
                found.append(path)
                continue
            self._catch_up()
            is_other = self._here.get(name, [held.version])[0] != held.version
            if (is_other or path.is_file()) and checksum_of(self.here(path)) != checksum:
                path.unlink()
                if checksum_of(self.here(path)) != checksum:
                    found.append(path)
        return found

    # The run that makes the scene

    @contextlib.contextmanager
    def working(self, keys: Mapping[str, str | None], outputs: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
        """For the process that holds the mirror's lock: clears away what is no longer so; then what it writes counts.

        Args:
            keys: of the scene's stages, as the store has them.
            outputs: files and folders of each stage.
        """
        self.store.tidy()
        begun = read_json(self.root / BEGUN) if (self.root / BEGUN).exists() else {}
        for stage, names in outputs.items():
            kept = begun.get(stage) is not None and begun.get(stage) == keys.get(stage)
            for path in files_of((self.root / name for name in names), databases=True):
                name = self.name(path)
                is_kept = self._is_current(name) if name in self.there else kept and not self._was_fetched(name)
                if not is_kept:
                    path.unlink()
        self.works = True
        try:
            yield
        finally:
            self.works = False

    def begin(self, stage: str, key: str) -> None:
        """Takes down that what is written of a stage from now on is of this key."""
        begun = read_json(self.root / BEGUN) if (self.root / BEGUN).exists() else {}
        write_json(self.root / BEGUN, begun | {stage: key})

    # What is here

    def _fetch(self, name: str) -> None:
        path = self.root / name
        with self._lock:
            lock = self._fetching.setdefault(name, threading.Lock())
        with lock:
            if self._is_current(name) or (self.works and path.is_file() and not self._was_fetched(name)):
                return
            before = _stamp(path)
            try:
                with replacing(path) as temporary:
                    held = self.store.fetch(name, temporary)
                    if _stamp(path) != before:  # another process has put it there, or is about to send something newer
                        raise _Overtaken
            except _Overtaken:
                return
            except FileNotFoundError as error:
                raise StageError(
                    f"{self.store.url}/{name}: gone from the store meanwhile; run the command again"
                ) from error
            with self._lock:
                assert self._there is not None
                self._there[name] = held
            self._take_down(name, held, path)

    def _is_current(self, name: str) -> bool:
        """Whether the file is here as it is in the store."""
        held, stamp = self.there.get(name), _stamp(self.root / name)
        if held is None or stamp is None:
            return False
        wanted = [held.version, *stamp]
        if self._here.get(name) != wanted:
            self._catch_up()
        return self._here.get(name) == wanted

    def _was_fetched(self, name: str) -> bool:
        """Whether the file is here as it was fetched or sent once."""
        self._catch_up()
        return self._here.get(name, [None])[1:] == list(_stamp(self.root / name) or [None])

    def _take_down(self, name: str, held: Held, path: Path) -> None:
        line = json.dumps([name, held.version, *(_stamp(path) or ())], ensure_ascii=True)
        with (self.root / RECORD).open("ab") as record:  # one write: lines of several processes don't mix
            record.write(f"{line}\n".encode())

    def _catch_up(self) -> None:
        """Reads what was taken down since, by whichever process."""
        with self._lock, contextlib.suppress(FileNotFoundError), (self.root / RECORD).open("rb") as record:
            record.seek(self._read)
            *lines, _ = record.read().split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    name, *rest = json.loads(line)
                    self._here[name] = rest
            self._read += sum(len(line) + 1 for line in lines)


class _Overtaken(Exception):
    """A file that was being fetched is there."""


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
