"""Depth models by name or by folder: how one is found, fetched and loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from recon3d.depth.folder import CONFIG, read_json, weight_files, weights_digest
from recon3d.depth.hub import fetch, snapshot
from recon3d.depth.model import DepthModel
from recon3d.depth.table import MODELS, ModelSpec, licence_notice
from recon3d.errors import InputError
from recon3d.progress import Report, silent

__all__ = ["MODELS", "ModelSpec", "Precision", "fetch_model", "licence_notice", "load_model", "model_version"]

Precision = Literal["float32", "float16", "bfloat16"]

_FAMILIES = ("zoedepth", "depth_anything", "dpt", "glpn", "depth_pro")


def _demo(spec: ModelSpec, device: str) -> DepthModel:
    from recon3d.depth.demo import load_demo

    return load_demo(device, sigma_factor=spec.sigma_factor)


_SHIPPED: dict[str, Callable[[ModelSpec, str], DepthModel]] = {"demo": _demo}


def load_model(name_or_folder: str, *, device: str, flip: bool, precision: Precision = "float32") -> DepthModel:
    """Loads a depth model from the disk; never from the network.

    Args:
        name_or_folder: a name in `MODELS`, or a local folder in transformers' format.
        device: as `pick_device` takes it.
        flip: average with the prediction of the mirrored photo: published for ZoeDepth (and always on in the demo
            model); for the others it makes sigma, and costs a second pass.
        precision: what networks of transformers compute with; the demo model always with float32.

    Raises:
        InputError: no such model, not fetched yet, or its files can't be used; says what to do.
    """
    from recon3d.depth.device import pick_device

    device = pick_device(device)
    spec = MODELS.get(name_or_folder)
    if spec is not None and not spec.repository:
        return _SHIPPED[spec.family](spec, device)
    folder = _folder_of(name_or_folder)
    family = _family(folder)
    name = spec.name if spec else folder.resolve().name
    version = _version(folder, spec)
    sigma_factor = spec.sigma_factor if spec else 1.0
    if family == "zoedepth":
        from recon3d.depth.zoedepth import load_zoedepth

        return load_zoedepth(
            str(folder),
            name=name,
            version=version,
            device=device,
            flip=flip,
            precision=precision,
            sigma_factor=sigma_factor,
        )
    from recon3d.depth.families import load_dense

    return load_dense(
        folder,
        family,
        kind=spec.kind if spec else None,
        name=name,
        version=version,
        device=device,
        flip=flip,
        precision=precision,
        sigma_factor=sigma_factor,
    )


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
    if family not in _FAMILIES:
        raise InputError(f"{config}: got model_type {family!r}, wanted one of {', '.join(_FAMILIES)}")
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
        return _SHIPPED[spec.family](spec, "cpu").version
    return _version(_folder_of(name_or_folder), spec)


def _version(folder: Path, spec: ModelSpec | None) -> str:
    """The commit where the folder is a snapshot of the hub's cache, else the digest of its files."""
    return folder.name if spec is not None else weights_digest(folder)
