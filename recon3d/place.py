"""Where a scene is: in a folder, or behind a URL, with a working copy on this disk that stands for it."""

import hashlib
import json
import os
import re
from pathlib import Path

from recon3d.errors import InputError, StageError
from recon3d.store import Store

CACHE = "RECON3D_CACHE"
"""Environment variable that names the folder of all working copies; without it they are in the user's own cache."""
FOLDER, ADDRESS = "scenes", ".store.json"
"""Where they are in there, and the file in each that says of what it is one."""


def is_url(text: str) -> bool:
    """Whether a scene is called by a URL."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def placed(scene: str | Path) -> Path:
    """The folder of a scene as it is called, or where the working copy of a URL is; nothing is fetched.

    Raises:
        InputError: a URL that can't be one of a scene, or there is no place for working copies.
    """
    if isinstance(scene, Path) or not is_url(scene):
        return Path(scene)
    from recon3d.files import write_json  # numpy

    url = Store.at(scene).url
    root = _copies() / _name(url)
    try:
        root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.mkdir(exist_ok=True)
        if not (root / ADDRESS).is_file():
            write_json(root / ADDRESS, {"url": url})
    except (OSError, StageError) as error:
        raise InputError(f"{root}: the working copy of {url} can't be made there: {error}; set {CACHE}") from error
    return root


def url_of(root: Path) -> str | None:
    """Of what a folder is the working copy; None where it is a folder like any other."""
    root = Path(os.path.abspath(root))
    if root.parent.name != FOLDER or root.parent != _copies():
        return None
    try:
        url = str(json.loads((root / ADDRESS).read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if _name(url) == root.name else None  # whoever hands over a folder can't have it reach out


def told(path: Path) -> str:
    """What people are told of a path: where it is in the store, if it is of a working copy."""
    for folder in (path, *path.parents):
        if url := url_of(folder):
            rest = Path(os.path.abspath(path)).relative_to(os.path.abspath(folder)).as_posix()
            return url if rest == "." else f"{url}/{rest}"
    return str(path)


def _copies() -> Path:
    try:
        cache = os.environ.get(CACHE) or Path.home() / ".cache" / "recon3d"
    except RuntimeError as error:
        raise InputError(f"no home folder for the working copy of the scene; set {CACHE}") from error
    return Path(os.path.abspath(cache)) / FOLDER


def _name(url: str) -> str:
    return hashlib.sha256(url.encode(errors="surrogateescape")).hexdigest()[:32]
