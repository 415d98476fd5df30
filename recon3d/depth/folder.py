"""A depth network's folder in transformers' format: its files, found and checked without loading them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recon3d.errors import InputError

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder in transformers' format, shards included.

    Raises:
        InputError: there are none, only pickles, or a shard is missing; names the file.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = folder / WEIGHTS_INDEX
    if index.is_file():
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise InputError(f"{index}: got no weight_map, wanted the index of a model saved in shards")
        shards = sorted({str(shard) for shard in weight_map.values()})
        for shard in shards:
            if Path(shard).name != shard or not (folder / shard).is_file():
                raise InputError(f"{folder / shard}: this shard of the weights is missing; copy the whole model again")
        return [folder / shard for shard in shards]
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise InputError(
            f"{folder / pickles[0]}: got weights as a pickle, which can run code when it is opened; wanted {WEIGHTS}: "
            "save the model again with save_pretrained(), or take the safetensors file that its publisher offers"
        )
    raise InputError(f"{folder / WEIGHTS}: missing; wanted a model folder as transformers' save_pretrained() writes it")


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object from a file.

    Raises:
        InputError: the file is missing or holds something else; names it.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}; wanted a model folder's JSON file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: got a JSON {type(data).__name__}, wanted an object")
    return data


def weights_digest(folder: str | Path) -> str:
    """Sha256 (hex) of the names and contents of config, preprocessing and weights; read in pieces.

    Raises:
        InputError: a file is missing or can't be read; names it.
    """
    folder = Path(folder)
    total = hashlib.sha256()
    configs = [path for path in (folder / CONFIG, folder / PREPROCESSOR) if path.is_file()]
    for path in [*configs, *weight_files(folder)]:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{path}: can't be read: {error.strerror}") from error
        total.update(f"{path.name}\0{digest}\n".encode())
    return total.hexdigest()
