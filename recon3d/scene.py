"""The scene on disk: what every file is called, what is done and what is current."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.checksums import damaged, write_checksums
from recon3d.errors import InputError, StageError
from recon3d.files import read_json, remove, write_json
from recon3d.geometry import SE3, Calibration, Camera
from recon3d.geometry.arrays import Array
from recon3d.lock import Lock, held, held_together
from recon3d.manifest import CHECKED, MANIFEST, MAYBE, ON_DEMAND, OUTPUTS, SCHEMA, UPSTREAM, check_place, is_manifest
from recon3d.signals import Signal

__all__ = ["MANIFEST", "ON_DEMAND", "OUTPUTS", "SCHEMA", "UPSTREAM", "Scene", "poses_as_json", "poses_from_json"]


@dataclass(frozen=True)
class Scene:
    """A scene directory. Values of it are handles: everything they know stands on disk.

    Attributes:
        root: the directory.
    """

    root: Path

    @classmethod
    def open(cls, root: str | Path) -> "Scene":
        """Opens a scene that is there.

        Raises:
            InputError: no such scene, or one of another schema version.
        """
        scene = cls(Path(root))
        if not scene.root.is_dir() or not scene._manifest_path.is_file():
            raise InputError(f"{root}: no scene there; make one with: recon3d init PHOTOS -o {root}")
        scene.manifest()
        return scene

    @classmethod
    def create(cls, root: str | Path) -> "Scene":
        """Opens a scene, or makes an empty one where there is nothing.

        Raises:
            InputError: the place holds something else than a scene, or can't be written.
        """
        scene = cls(Path(root))
        if scene._manifest_path.is_file():
            return cls.open(root)
        check_place(scene.root)
        try:
            scene.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{root}: can't be made: {error.strerror}; name another SCENE with -o") from error
        write_json(scene._manifest_path, {"schema": SCHEMA, "stages": {}, "signals": []})
        return scene

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the scene for this process; a second process is told so.

        Raises:
            StageError: another process works on it.
        """
        with held(self.root):
            self._tidy()
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

    @property
    def _manifest_path(self) -> Path:
        return self.root / MANIFEST

    def manifest(self) -> dict[str, Any]:
        """The manifest as it stands on disk.

        Raises:
            InputError: another schema version.
        """
        data = read_json(self._manifest_path)
        if not is_manifest(data):
            raise InputError(f"{self._manifest_path}: not a scene's manifest, or damaged; name another SCENE")
        if data.get("schema") != SCHEMA:
            raise InputError(
                f"{self._manifest_path}: got a scene of schema {data.get('schema')!r}, this recon3d reads {SCHEMA}; "
                "make the scene again in a new folder"
            )
        return data

    def is_done(self, stage: str, key: str | None = None) -> bool:
        """Whether a stage is finished, with the given key where one is given."""
        entry = self.manifest()["stages"].get(stage, {})
        if not entry.get("done") or (key is not None and entry.get("key") != key):
            return False
        return all(path.exists() for path in self._promised(stage))

    def is_claimed(self, stage: str, key: str) -> bool:
        """Whether a stage was begun with the given key."""
        return bool(self.manifest()["stages"].get(stage, {}).get("key") == key)

    def _promised(self, stage: str) -> Iterator[Path]:
        """The files that a finished stage has left, so that one that was deleted is made again."""
        yield from (self.root / name for name in OUTPUTS[stage] if name not in MAYBE)
        path_of = {
            "init": lambda name: self._picture("photos", name),
            "poses": self.image_path,
            "depth": self.disparity_path if self.facts("depth").get("kind") == "disparity" else self.depth_path,
            "refine": self.refined_path,
        }
        if stage in path_of:
            table = self.root / ("calibration.json" if stage == "init" else "cameras.json")
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
            how = f"recon3d init PHOTOS -o {self.root}" if upstream == "init" else f"recon3d {upstream} {self.root}"
            raise StageError(f"{self.root}: stage {upstream} is not done; run: {how}")
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
            write_json(self._manifest_path, manifest)
            for name in OUTPUTS[stage]:
                remove(self.root / name)
        upstream = manifest["stages"].get(UPSTREAM.get(stage), {}).get("key")
        manifest["stages"][stage] = {"key": key, "upstream": upstream, "settings": dict(settings), "done": False}
        manifest["signals"] = [s for s in manifest["signals"] if s["stage"] != stage]
        write_json(self._manifest_path, manifest)

    def finish(self, stage: str, facts: Mapping[str, Any], signals: list[Signal]) -> None:
        """Marks a stage done, with what it found."""
        if stage in CHECKED:
            write_checksums(self.root, stage, (self.root / name for name in OUTPUTS[stage]))
        manifest = self.manifest()
        manifest["stages"][stage] |= {"done": True, "facts": dict(facts)}
        raised = [{"stage": stage, **signal.as_json()} for signal in signals]
        order = list(OUTPUTS)
        manifest["signals"] = sorted(manifest["signals"] + raised, key=lambda s: order.index(s["stage"]))
        manifest["stages"] = {name: manifest["stages"][name] for name in order if name in manifest["stages"]}
        write_json(self._manifest_path, manifest)

    def damaged(self, stage: str) -> list[Path]:
        """Files of a finished stage that are no longer what it wrote, or gone."""
        return damaged(self.root, stage) if stage in CHECKED else []

    def forget(self, stage: str) -> None:
        """Makes a stage stale, and those that build on it, so that they are done again."""
        manifest = self.manifest()
        stale = {stage}
        for name, upstream in UPSTREAM.items():  # in the order of the stages
            stale |= {name} if upstream in stale else set()
        manifest["stages"] = {name: entry for name, entry in manifest["stages"].items() if name not in stale}
        write_json(self._manifest_path, manifest)

    # What it holds

    def file(self, name: str) -> Path:
        """A file or folder at the top of the scene."""
        return self.root / name

    def photo_paths(self) -> dict[str, Path]:
        """The working photos as the lens drew them, in capture order."""
        return {name: self._picture("photos", name) for name in self.calibrations()}

    def _picture(self, folder: str, name: str) -> Path:
        paths = [self.root / folder / f"{name}{suffix}" for suffix in (".jpg", ".png")]
        return next((path for path in paths if path.exists()), paths[0])

    def calibrations(self) -> dict[str, Calibration]:
        """What is known of each photo's camera before structure from motion, in capture order."""
        from recon3d.formats.camera_file import calibration_from_json

        path = self.root / "calibration.json"
        return {name: calibration_from_json(data, f"{path}: {name}") for name, data in read_json(path).items()}

    def names(self) -> list[str]:
        """Names of the registered photos, in capture order."""
        return list(self.cameras())

    def cameras(self) -> dict[str, Camera]:
        """The pinhole camera of each registered photo."""
        from recon3d.formats.camera_file import calibration_from_json

        path = self.root / "cameras.json"
        return {name: calibration_from_json(data, f"{path}: {name}").camera for name, data in read_json(path).items()}

    def image_path(self, name: str) -> Path:
        """The undistorted photo."""
        return self._picture("images", name)

    def image(self, name: str) -> Array:
        """(H, W, 3) uint8 sRGB: the undistorted photo."""
        from recon3d.photos.working import load_working

        return load_working(self.image_path(name))

    def mask(self, name: str) -> Array | None:
        """(H, W) bool: where the lens saw something; None = everywhere."""
        from recon3d.photos.working import load_working

        path = self.root / "masks" / f"{name}.png"
        return load_working(path)[..., 0] > 0 if path.exists() else None

    def depth_path(self, name: str) -> Path:
        """Depth as predicted or recorded, (H, W) float32 [m]."""
        return self.root / "depth" / f"{name}.npy"

    def sigma_path(self, name: str) -> Path:
        """One standard deviation of the depth beside it, (H, W) float32 [m], where the model says it."""
        return self.root / "depth" / f"{name}.sigma.npy"

    def disparity_path(self, name: str) -> Path:
        """What a relative model gives instead of depth, (H, W) float32: 1/depth up to scale and shift; 0 = none."""
        return self.root / "disparity" / f"{name}.npy"

    def head_path(self, name: str) -> Path:
        """What the network said about the photo beside its depth, where it said something."""
        return self.root / "depth" / f"{name}.json"

    def matched_path(self, number: int, name: str) -> Path:
        """Result of a photometric pass while refine works: log depth [log m] and its sigma, (2, h, w) float32."""
        return self.root / "matched" / str(number) / f"{name}.npy"

    def misfit_path(self, name: str) -> Path:
        """How badly a photo matches the others at the depth of the last pass, 0 to 1, while refine works."""
        return self.root / "matched" / "misfit" / f"{name}.npy"

    def refined_path(self, name: str) -> Path:
        """Depth that is fused, (H, W) float32 [m]."""
        return self.root / "refined" / f"{name}.npy"

    def refined_sigma_path(self, name: str) -> Path:
        """One standard deviation of the refined depth, (H, W) float32 [m]."""
        return self.root / "refined" / f"{name}.sigma.npy"

    def world_from_cam(self) -> dict[str, SE3]:
        """The final poses: metric, levelled."""
        return poses_from_json(read_json(self.root / "poses.json"))


def poses_as_json(world_from_cam: Mapping[str, SE3], unit: str = "m") -> dict[str, Any]:
    """The poses of a scene as they stand in its files."""
    poses = {name: pose.matrix.tolist() for name, pose in world_from_cam.items()}
    return {"schema": SCHEMA, "frame": "world_from_cam", "unit": unit, "poses": poses}


def poses_from_json(data: dict[str, Any]) -> dict[str, SE3]:
    """The other way of `poses_as_json`."""
    poses = {}
    for name, matrix in data["poses"].items():
        try:
            poses[name] = SE3.from_matrix(np.array(matrix))
        except (InputError, ValueError) as error:
            raise InputError(f"pose of {name}: {error}; make it again with recon3d poses SCENE --force") from error
    return poses
