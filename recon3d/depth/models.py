"""The table of depth models, and how one is found, fetched and loaded."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from recon3d.depth.folder import CONFIG, read_json, weight_files, weights_digest
from recon3d.depth.hub import fetch, snapshot
from recon3d.depth.model import DepthModel
from recon3d.errors import InputError
from recon3d.progress import Report, silent


@dataclass(frozen=True)
class ModelSpec:
    """A depth model that can be asked for by name.

    Attributes:
        name: what `depth.model` says.
        repository: its id on the Hugging Face hub; empty for a model that ships with recon3d.
        revision: branch, tag or commit of the repository.
        family: which loader reads it; the `model_type` of its config.json.
        kind: what it predicts.
        range_m: depths it was trained on, nearest and farthest [m].
        licence: of the weights.
        download_bytes: size of the download [bytes]; 0 where there is none.
        note: what it is good for, in a few words.
    """

    name: str
    repository: str
    revision: str
    family: str
    kind: Literal["metric"]
    range_m: tuple[float, float]
    licence: str
    download_bytes: int
    note: str

    @property
    def size(self) -> str:
        """The download for people, such as "1.38 GB"."""
        return f"{self.download_bytes / 1e9:.2f} GB"


MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="zoedepth-nk",
            repository="Intel/zoedepth-nyu-kitti",
            revision="main",
            family="zoedepth",
            kind="metric",
            range_m=(1e-3, 80.0),
            licence="MIT",
            download_bytes=1_380_000_000,
            note="rooms and streets; picks its head (to 10 m or to 80 m) by itself",
        ),
        ModelSpec(
            name="zoedepth-n",
            repository="Intel/zoedepth-nyu",
            revision="main",
            family="zoedepth",
            kind="metric",
            range_m=(1e-3, 10.0),
            licence="MIT",
            download_bytes=1_380_000_000,
            note="rooms",
        ),
        ModelSpec(
            name="zoedepth-k",
            repository="Intel/zoedepth-kitti",
            revision="main",
            family="zoedepth",
            kind="metric",
            range_m=(1e-3, 80.0),
            licence="MIT",
            download_bytes=1_380_000_000,
            note="streets, seen from a car",
        ),
        ModelSpec(
            name="demo",
            repository="",
            revision="",
            family="demo",
            kind="metric",
            range_m=(0.2, 10.0),
            licence="Apache-2.0",
            download_bytes=0,
            note="small and coarse, ships with recon3d: to try it out without a download",
        ),
    )
}
"""Every model that has a name; a local folder needs no row."""


class _Loader(Protocol):
    """Loads a checked folder as a depth model."""

    def __call__(self, folder: Path, *, name: str, version: str, device: str, flip: bool) -> DepthModel: ...


def _zoedepth(folder: Path, *, name: str, version: str, device: str, flip: bool) -> DepthModel:
    from recon3d.depth.zoedepth import load_zoedepth

    return load_zoedepth(str(folder), name=name, version=version, device=device, flip=flip)


_LOADERS: dict[str, _Loader] = {"zoedepth": _zoedepth}
"""By `model_type` of config.json; torch and transformers are imported when one is called."""


def _demo(device: str) -> DepthModel:
    from recon3d.depth.demo import load_demo

    return load_demo(device)


_SHIPPED: dict[str, Callable[[str], DepthModel]] = {"demo": _demo}


def load_model(name_or_folder: str, *, device: str, flip: bool) -> DepthModel:
    """Loads a depth model from the disk; never from the network.

    Args:
        name_or_folder: a name in `MODELS`, or a local folder in transformers' format.
        device: as `pick_device` takes it.
        flip: average with the prediction of the mirrored photo, where the model's recipe has that.

    Raises:
        InputError: no such model, not fetched yet, or its files can't be used; says what to do.
    """
    from recon3d.depth.device import pick_device

    device = pick_device(device)
    spec = MODELS.get(name_or_folder)
    if spec is not None and not spec.repository:
        return _SHIPPED[spec.family](device)
    folder = _folder_of(name_or_folder)
    family = _family(folder)
    name = spec.name if spec else folder.resolve().name
    return _LOADERS[family](folder, name=name, version=_version(folder, spec), device=device, flip=flip)


def _folder_of(name_or_folder: str) -> Path:
    """The folder of the weights: the hub's cache for a name, else the folder itself."""
    spec = MODELS.get(name_or_folder)
    if spec is None:
        folder = Path(name_or_folder).expanduser()
        if not folder.is_dir():
            raise InputError(
                f"depth model: got {name_or_folder!r}, which is neither a folder nor one of {', '.join(MODELS)}; "
                "`recon3d models` lists them"
            )
        return folder
    fetched = snapshot(spec)
    if fetched is None:
        raise InputError(
            f"depth model {spec.name}: its weights ({spec.repository}, {spec.size}) are not on this machine; fetch "
            f"them once with `recon3d models fetch {spec.name}`, or copy the repository's files into a folder and "
            "give that with --model FOLDER"
        )
    return fetched


def fetch_model(name: str, report: Report = silent) -> Path:
    """Downloads a model that has a name into the hub's cache.

    Args:
        name: a name in `MODELS`.
        report: is told of the bytes that have arrived, of all.

    Returns:
        The folder that `load_model` reads.

    Raises:
        InputError: unknown name, or as `hub.fetch`.
    """
    spec = MODELS.get(name)
    if spec is None:
        raise InputError(f"depth model: got {name!r}, wanted one of {', '.join(MODELS)}")
    return fetch(spec, report) if spec.repository else Path(__file__).parent / "weights"


def _family(folder: Path) -> str:
    """The `model_type` of a folder that we can load."""
    config = folder / CONFIG
    if not config.is_file():
        raise InputError(f"{config}: missing; wanted a model folder as transformers' save_pretrained() writes it")
    family = read_json(config).get("model_type")
    if family not in _LOADERS:
        raise InputError(f"{config}: got model_type {family!r}, wanted one of {', '.join(sorted(_LOADERS))}")
    weight_files(folder)
    return str(family)


def model_version(name_or_folder: str) -> str:
    """What decides whether stored depth is still current; without loading the network.

    Returns:
        The commit of a fetched model, the digest of a local folder's files.

    Raises:
        InputError: as `load_model`.
    """
    spec = MODELS.get(name_or_folder)
    if spec is not None and not spec.repository:
        return _SHIPPED[spec.family]("cpu").version
    return _version(_folder_of(name_or_folder), spec)


def _version(folder: Path, spec: ModelSpec | None) -> str:
    """The commit where the folder is a snapshot of the hub's cache, else the digest of its files."""
    return folder.name if spec is not None else weights_digest(folder)
