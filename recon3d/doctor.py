"""Doctor: what this machine has and lacks, with the fix for each."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from recon3d.settings import DepthSettings

PACKAGES = ("numpy", "torch", "transformers", "open3d", "pycolmap", "cv2", "PIL", "pi_heif", "trimesh", "safetensors")
DISTRIBUTIONS = {"cv2": "opencv-python", "PIL": "pillow", "pi_heif": "pi-heif"}
SYSTEM_LIBRARIES = "libusb-1.0-0 libgl1 libegl1 libgomp1 libx11-6"
GIB = 2**30
TIMEOUT_S = 300
"""By then even a slow disk has given all of a package."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        good: nothing is to be done.
        what: what was found.
        fix: what to do, empty where there is nothing.
    """

    good: bool
    what: str
    fix: str = ""


def findings() -> Iterator[Finding]:
    """Looks at Python, packages, devices, memory, disk, display and cached weights."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding(sys.version_info >= (3, 11), f"Python {version}", "" if sys.version_info >= (3, 11) else "use 3.11")
    missing = False
    for package in PACKAGES:
        finding = _package(package)
        missing |= not finding.good
        yield finding
    if not missing:
        yield _device()
        yield _weights()
    yield _memory()
    free = shutil.disk_usage(".").free / GIB
    yield Finding(free > 5, f"{free:.0f} GiB free on this disk", "" if free > 5 else "free some")
    display = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    text = "a display for recon3d view" if display else "no display: recon3d view SCENE --screenshot OUT.png works"
    yield Finding(True, text)
    if not missing:
        yield _page()
        yield _blender()
        yield _ray()


def _package(package: str) -> Finding:
    """Imports a package in a process of its own: a missing library can end the interpreter."""
    name = DISTRIBUTIONS.get(package, package)
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(False, f"{name}: not installed", f"pip install -c constraints.txt {name}")
    command = [sys.executable, "-c", f"import recon3d, {package}"]
    try:
        check = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Finding(False, f"{name} {version}: not imported after {TIMEOUT_S} s", "see that its disk answers")
    if check.returncode == 0:
        return Finding(True, f"{name} {version}")
    last = (check.stderr.strip().splitlines() or [f"exit code {check.returncode}"])[-1]
    fix = f"sudo apt-get install {SYSTEM_LIBRARIES}" if ".so" in last else f"pip install {name}=={version}"
    return Finding(False, f"{name} {version}: can't be imported: {last}", fix)


def _device() -> Finding:
    import torch

    from recon3d.depth.device import pick_device

    device = pick_device("auto")
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return Finding(True, f"{torch.cuda.get_device_name()}: {free / GIB:.0f} of {total / GIB:.0f} GiB free")
    name = "an Apple GPU" if device == "mps" else f"no GPU: networks run on {torch.get_num_threads()} CPU threads"
    return Finding(True, name)


def _page() -> Finding:
    from recon3d.show.web_page import missing_scripts

    if missing_scripts():
        return Finding(True, "no three.js for view --web; the window needs none", "make three (needs npm)")
    return Finding(True, "three.js for view --web")


def _blender() -> Finding:
    from recon3d.errors import StageError
    from recon3d.formats.blend import blender_python

    try:
        return Finding(True, f"Blender for export --to blend: {blender_python()}")
    except StageError:
        return Finding(True, "no Blender for export --to blend; --to glb needs none", "make blender")


def _ray() -> Finding:
    try:
        return Finding(True, f"Ray {importlib.metadata.version('ray')} for --engine ray")
    except importlib.metadata.PackageNotFoundError:
        return Finding(True, "no Ray for --engine ray; one process needs none", "pip install 'recon3d-pipeline[ray]'")


def _weights() -> Finding:
    from recon3d.depth.hub import is_cached
    from recon3d.depth.models import MODELS

    default = DepthSettings.model
    ready = [spec.name for spec in MODELS.values() if is_cached(spec)]
    text = f"depth models ready: {', '.join(ready)}"
    if default in ready:
        return Finding(True, text)
    return Finding(True, f"{text}; the default, {default}, is not fetched", f"recon3d models fetch {default}")


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    good = total > 7
    return Finding(good, f"{total:.0f} GiB of memory", "" if good else "use --set photos.max_side=640")
