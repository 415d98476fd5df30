"""The scene on disk: what every file is called, what is done and what is current."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon3d.checksums import FILE as CHECKSUMS
from recon3d.checksums import are_siblings, damaged, noted, remove_with_siblings, write_checksums
from recon3d.errors import InputError, StageError
from recon3d.files import read_json, remove
from recon3d.lock import Lock, held, held_together
from recon3d.manifest import CHECKED, MANIFEST, MAYBE, ON_DEMAND, OUTPUTS, SCHEMA, UPSTREAM, check_place, is_manifest
from recon3d.place import told
from recon3d.scene_files import SceneFiles
from recon3d.signals import Signal

__all__ = ["MANIFEST", "ON_DEMAND", "OUTPUTS", "SCHEMA", "UPSTREAM", "Scene"]

_OUTPUTS = OUTPUTS | {"": (CHECKSUMS,)}


@dataclass(frozen=True)
class Scene(SceneFiles):
    """A scene: its files, and what of them is done and current. Values of it are handles: all they know is on disk."""

    @classmethod
    def is_at(cls, root: str | Path) -> bool:
        """Whether a scene is there, and not nothing, or something else."""
        scene = cls._at(root)
        return scene.mirror.store.holds(MANIFEST) if scene.mirror else (scene.root / MANIFEST).is_file()

    @classmethod
    def open(cls, root: str | Path) -> "Scene":
        """Opens a scene that is there: of a folder, or of a URL that fsspec knows.

        Raises:
            InputError: no such scene, or one of another schema version.
            StageError: the store can't be reached.
        """
        scene = cls._at(root)
        if not scene._is_begun():
            raise InputError(f"{scene.place}: no scene there; make one with: recon3d init PHOTOS -o {scene.place}")
        scene.manifest()
        return scene

    @classmethod
    def create(cls, root: str | Path) -> "Scene":
        """Opens a scene, or makes an empty one where there is nothing.

        Raises:
            InputError: the place holds something else than a scene, or can't be written.
            StageError: the store can't be reached.
        """
        scene = cls._at(root)
        if scene._is_begun():
            return cls.open(root)
        cls.check_place(root)
        try:
            scene.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{root}: can't be made: {error.strerror}; name another SCENE with -o") from error
        scene._write({"schema": SCHEMA, "stages": {}, "signals": []})
        return scene

    @classmethod
    def check_place(cls, root: str | Path) -> None:
        """Looks at where a scene is to be made.

        Raises:
            InputError: something else stands there.
        """
        scene = cls._at(root)
        if scene.mirror is None:
            check_place(scene.root)
        elif scene.mirror.there:
            raise InputError(f"{scene.place}: holds files that are not a scene's; name an empty or new folder with -o")

    def _is_begun(self) -> bool:
        return self.has(self.root / MANIFEST) if self.mirror else (self.root / MANIFEST).is_file()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the scene for this process; a second process is told so.

        Raises:
            StageError: another process works on it.
        """
        with held(self.root):
            self._tidy()
            if self.mirror is None:
                yield
                return
            self.mirror.look()
            stages = self.manifest()["stages"]
            with self.mirror.working({name: entry.get("key") for name, entry in stages.items()}, _OUTPUTS):
                yield

    @contextlib.contextmanager
    def shared(self) -> Iterator[Lock]:
        """Holds the scene for this process alone, or together with others that share its work.

        Raises:
            StageError: a process that shares nothing works on it.
        """
        with held_together(self.root) as lock:
            if lock.is_alone:
                self._tidy()
            yield lock

    def _tidy(self) -> None:
        """Removes what a killed process was writing."""
        for leftover in self.root.rglob(".tmp-*"):
            remove(leftover)

    # What is done

    def manifest(self) -> dict[str, Any]:
        """The manifest as it stands on disk.

        Raises:
            InputError: another schema version.
        """
        path = self.file(MANIFEST)
        data = read_json(path)
        if not is_manifest(data):
            raise InputError(f"{told(path)}: not a scene's manifest, or damaged; name another SCENE")
        if data.get("schema") != SCHEMA:
            raise InputError(
                f"{told(path)}: got a scene of schema {data.get('schema')!r}, this recon3d reads {SCHEMA}; "
                "make the scene again in a new folder"
            )
        return data

    def _write(self, manifest: Mapping[str, Any]) -> None:
        self.save_json(self.root / MANIFEST, manifest)

    def is_done(self, stage: str, key: str | None = None) -> bool:
        """Whether a stage is finished, with the given key where one is given."""
        entry = self.manifest()["stages"].get(stage, {})
        if not entry.get("done") or (key is not None and entry.get("key") != key):
            return False
        return all(map(self.has, self._promised(stage)))

    def says_done(self, stage: str, key: str) -> bool:
        """Whether a stage was finished with the given key, whatever became of its files."""
        entry = self.manifest()["stages"].get(stage, {})
        return bool(entry.get("done") and entry.get("key") == key)

    def is_claimed(self, stage: str, key: str) -> bool:
        """Whether a stage was begun with the given key."""
        return bool(self.manifest()["stages"].get(stage, {}).get("key") == key)

    def _promised(self, stage: str) -> Iterator[Path]:
        """The files that a finished stage has left, so that one that was deleted is made again."""
        yield from (self.root / name for name in OUTPUTS[stage] if name not in MAYBE)
        is_relative = self.facts("depth").get("kind") == "disparity"
        path_of = {
            "init": lambda name: self._picture("photos", name),
            "poses": lambda name: self._picture("images", name),
            "depth": self.bare.disparity_path if is_relative else self.bare.depth_path,
            "refine": self.bare.refined_path,
        }
        if stage in path_of:
            table = self.file("calibration.json" if stage == "init" else "cameras.json")
            yield from (path_of[stage](name) for name in (read_json(table) if table.exists() else ()))

    def state(self, stage: str) -> str:
        """How a stage stands: "done", "missing", "stale" (what it rests on changed since) or "damaged" (files gone)."""
        entries = self.manifest()["stages"]
        if not entries.get(stage, {}).get("done"):
            return "missing"
        if not self.is_done(stage):
            return "damaged"
        upstream = UPSTREAM.get(stage)
        if upstream and self.state(upstream) != "done":
            return "stale"
        made_from = entries[stage].get("upstream")
        return "stale" if upstream and made_from and made_from != entries[upstream]["key"] else "done"

    def facts(self, stage: str) -> dict[str, Any]:
        """What a finished stage said about its result."""
        facts: dict[str, Any] = self.manifest()["stages"].get(stage, {}).get("facts", {})
        return facts

    def settings_of(self, stage: str) -> dict[str, Any]:
        """The settings that a stage was last started with; empty where it never was."""
        settings: dict[str, Any] = self.manifest()["stages"].get(stage, {}).get("settings", {})
        return settings

    def upstream_key(self, stage: str) -> str:
        """The key of the stage before.

        Raises:
            StageError: that stage is not done.
        """
        upstream = UPSTREAM[stage]
        if not self.is_done(upstream):
            how = f"recon3d init PHOTOS -o {self.place}" if upstream == "init" else f"recon3d {upstream} {self.place}"
            raise StageError(f"{self.place}: stage {upstream} is not done; run: {how}")
        key: str = self.manifest()["stages"][upstream]["key"]
        return key

    def signals(self, stage: str | None = None) -> list[Signal]:
        """The signals raised, of one stage or of all in their order."""
        raised = self.manifest()["signals"]
        return [
            Signal(s["code"], s["message"], tuple(s["photos"])) for s in raised if stage is None or s["stage"] == stage
        ]

    def start(self, stage: str, key: str, settings: Mapping[str, Any]) -> None:
        """Claims a stage: files of another key are deleted first, then the new key is written."""
        manifest = self.manifest()
        old = manifest["stages"].get(stage, {})
        if old.get("key") != key:
            # not done before the deletion, so that a kill in it can't leave half the files under a key that says done
            manifest["stages"][stage] = {"key": None, "done": False}
            self._write(manifest)
            self.drop(*OUTPUTS[stage])
            if self.mirror:
                self.mirror.begin(stage, key)
        upstream = manifest["stages"].get(UPSTREAM.get(stage), {}).get("key")
        manifest["stages"][stage] = {"key": key, "upstream": upstream, "settings": dict(settings), "done": False}
        manifest["signals"] = [s for s in manifest["signals"] if s["stage"] != stage]
        self._write(manifest)

    def finish(self, stage: str, facts: Mapping[str, Any], signals: list[Signal]) -> None:
        """Marks a stage done, with what it found."""
        if self.mirror:
            self.mirror.fetch_under(*OUTPUTS[stage], CHECKSUMS)
        if stage in CHECKED:
            write_checksums(self.root, stage, (self.root / name for name in OUTPUTS[stage]))
        if self.mirror:
            self.mirror.send_under(*OUTPUTS[stage])
            self.mirror.send_under(CHECKSUMS)
        manifest = self.manifest()
        manifest["stages"][stage] |= {"done": True, "facts": dict(facts)}
        raised = [{"stage": stage, **signal.as_json()} for signal in signals]
        order = list(OUTPUTS)
        manifest["signals"] = sorted(manifest["signals"] + raised, key=lambda s: order.index(s["stage"]))
        manifest["stages"] = {name: manifest["stages"][name] for name in order if name in manifest["stages"]}
        self._write(manifest)

    def damaged(self, stage: str) -> list[Path]:
        """Files of a finished stage that are no longer what it wrote, or gone."""
        if stage not in CHECKED:
            return []
        if self.mirror:
            self.mirror.fetch_under(CHECKSUMS)
            return self.mirror.damaged(noted(self.root).get(stage, {}))
        return damaged(self.root, stage)

    def remove_damaged(self, path: Path) -> None:
        """Removes a damaged file and all that was made together with it: depth with its sigma, whichever is damaged."""
        if self.mirror:
            others = (self.root / name for name in self.mirror.under(path.relative_to(self.root).parts[0]))
            self.mirror.remove_files(other for other in others if are_siblings(other, path))
        remove_with_siblings(path)

    def forget(self, stage: str) -> None:
        """Makes a stage stale, and those that build on it, so that they are done again."""
        manifest = self.manifest()
        stale = {stage}
        for name, upstream in UPSTREAM.items():  # in the order of the stages
            stale |= {name} if upstream in stale else set()
        manifest["stages"] = {name: entry for name, entry in manifest["stages"].items() if name not in stale}
        self._write(manifest)
