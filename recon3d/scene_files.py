"""The files of a scene: what each is called, and how it comes and goes, in a folder or in a store."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from recon3d.files import read_json, remove, replacing, save_array, write_json
from recon3d.formats.scene_poses import poses_from_json
from recon3d.geometry import SE3, Calibration, Camera
from recon3d.geometry.arrays import Array
from recon3d.mirror import Mirror
from recon3d.place import placed, told


@dataclass(frozen=True)
class SceneFiles:
    """A scene directory.

    Attributes:
        root: the directory.
        mirror: of a scene in a store, whose working copy the directory is. Paths that the scene gives are for reading,
            and fetched before; those of `bare` are for all else.
    """

    root: Path
    mirror: Mirror | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A scene in a store has another working copy on another machine."""
        return (type(self), (self.root,)) if self.mirror is None else (type(self)._at, (self.mirror.store.url,))

    @classmethod
    def _at(cls, root: str | Path) -> Self:
        """The scene of a folder or a URL; nothing is looked at yet."""
        folder = placed(root)
        return cls(folder, Mirror.of(folder))

    @property
    def place(self) -> str:
        """Where it is, as people call it."""
        return told(self.root)

    @property
    def bare(self) -> Self:
        """The same where it stands here: gives paths of files whether or not they are fetched."""
        return type(self)(self.root)

    def has(self, path: Path) -> bool:
        """Whether a file is there, of which the path is `bare`."""
        return self.mirror.holds(path) if self.mirror else path.exists()

    def here(self, path: Path) -> Path:
        """The path, once its file is here; where there is none, that of nothing."""
        return self.mirror.here(path) if self.mirror else path

    def save(self, path: Path, array: Array) -> None:
        """Writes one .npy file, of which the path is `bare`."""
        save_array(path, array, via=self.replacing)

    def save_json(self, path: Path, data: Any) -> None:
        """Writes JSON to a file, of which the path is `bare`."""
        write_json(path, data, via=self.replacing)

    @contextlib.contextmanager
    def replacing(self, path: Path) -> Iterator[Path]:
        """As `recon3d.files.replacing`, where the path is `bare`; in a store the file is there before it is here."""
        with replacing(path) as temporary:
            yield temporary
            if self.mirror:
                self.mirror.send(temporary, path)
        if self.mirror:
            self.mirror.note(path)

    def drop(self, *names: str) -> None:
        """Removes files or folders at the top of the scene."""
        if self.mirror:
            self.mirror.remove(*names)
        for name in names:
            remove(self.root / name)

    def look(self) -> None:
        """Takes notice of what other processes have made, where that isn't seen on the disk."""
        if self.mirror:
            self.mirror.look()

    @contextlib.contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """For what changes a folder at the top of the scene that is no stage's: in a store it follows suit."""
        if self.mirror:
            self.mirror.fetch_under(name)
        yield
        if self.mirror:
            gone = (self.root / other for other in self.mirror.under(name) if not (self.root / other).exists())
            self.mirror.remove_files(gone)
            self.mirror.send_under(name)

    def file(self, name: str) -> Path:
        """A file or folder at the top of the scene; of folders, `sparse` alone is fetched with all that is in it."""
        if self.mirror and name == "sparse":
            self.mirror.fetch_under(name)
        return self.here(self.root / name)

    def photo_paths(self) -> dict[str, Path]:
        """The working photos as the lens drew them, in capture order."""
        if self.mirror:
            self.mirror.fetch_under("photos")
        return {name: self.here(self._picture("photos", name)) for name in self.calibrations()}

    def _picture(self, folder: str, name: str) -> Path:
        paths = [self.root / folder / f"{name}{suffix}" for suffix in (".jpg", ".png")]
        return next((path for path in paths if self.has(path)), paths[0])

    def calibrations(self) -> dict[str, Calibration]:
        """What is known of each photo's camera before structure from motion, in capture order."""
        from recon3d.formats.camera_file import calibration_from_json

        path = self.file("calibration.json")
        return {name: calibration_from_json(data, f"{path}: {name}") for name, data in read_json(path).items()}

    def names(self) -> list[str]:
        """Names of the registered photos, in capture order."""
        return list(self.cameras())

    def cameras(self) -> dict[str, Camera]:
        """The pinhole camera of each registered photo."""
        from recon3d.formats.camera_file import calibration_from_json

        path = self.file("cameras.json")
        return {name: calibration_from_json(data, f"{path}: {name}").camera for name, data in read_json(path).items()}

    def image_path(self, name: str) -> Path:
        """The undistorted photo."""
        return self.here(self._picture("images", name))

    def image(self, name: str) -> Array:
        """(H, W, 3) uint8 sRGB: the undistorted photo."""
        from recon3d.photos.working import load_working

        return load_working(self.image_path(name))

    def mask_path(self, name: str) -> Path:
        """Where the lens saw something; not there = everywhere."""
        return self.here(self.root / "masks" / f"{name}.png")

    def mask(self, name: str) -> Array | None:
        """(H, W) bool: where the lens saw something; None = everywhere."""
        from recon3d.photos.working import load_working

        path = self.mask_path(name)
        return load_working(path)[..., 0] > 0 if path.exists() else None

    def depth_path(self, name: str) -> Path:
        """Depth as predicted or recorded, (H, W) float32 [m]."""
        return self.here(self.root / "depth" / f"{name}.npy")

    def sigma_path(self, name: str) -> Path:
        """One standard deviation of the depth beside it, (H, W) float32 [m], where the model says it."""
        return self.here(self.root / "depth" / f"{name}.sigma.npy")

    def disparity_path(self, name: str) -> Path:
        """What a relative model gives instead of depth, (H, W) float32: 1/depth up to scale and shift; 0 = none."""
        return self.here(self.root / "disparity" / f"{name}.npy")

    def head_path(self, name: str) -> Path:
        """What the network said about the photo beside its depth, where it said something."""
        return self.here(self.root / "depth" / f"{name}.json")

    def matched_path(self, number: int, name: str) -> Path:
        """Result of a photometric pass while refine works: log depth [log m] and its sigma, (2, h, w) float32."""
        return self.here(self.root / "matched" / str(number) / f"{name}.npy")

    def misfit_path(self, name: str) -> Path:
        """How badly a photo matches the others at the depth of the last pass, 0 to 1, while refine works."""
        return self.here(self.root / "matched" / "misfit" / f"{name}.npy")

    def refined_path(self, name: str) -> Path:
        """Depth that is fused, (H, W) float32 [m]."""
        return self.here(self.root / "refined" / f"{name}.npy")

    def refined_sigma_path(self, name: str) -> Path:
        """One standard deviation of the refined depth, (H, W) float32 [m]."""
        return self.here(self.root / "refined" / f"{name}.sigma.npy")

    def world_from_cam(self) -> dict[str, SE3]:
        """The final poses: metric, levelled."""
        return poses_from_json(read_json(self.file("poses.json")))
