"""What the fault tests share: tiny photos, a good one beside the bad, and what a refusal looks like."""

import os
import signal
import subprocess
from io import BytesIO

import numpy as np
from commands import command
from PIL import Image

from recon3d.scene import Scene

WIDTH, HEIGHT = 64, 48


def picture(seed=0, width=WIDTH, height=HEIGHT):
    """(H, W, 3) uint8: smooth, so that lossy formats keep it, and different for each seed."""
    u, v = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    waves = [np.sin(3 * u + seed), np.cos(4 * v + 2 * seed), np.sin(2 * (u + v) + seed)]
    return np.rint(127.5 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def encoded(image, **options):
    """The bytes of an image file; `image` an array or of Pillow."""
    buffer = BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, **options)
    return buffer.getvalue()


def good_folder(folder):
    """A folder with one good photo."""
    folder.mkdir()
    (folder / "good.png").write_bytes(encoded(picture(), format="PNG"))
    return folder


def said(done, code):
    """What a command said, which is never a traceback, on lines of bounded length."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert max(map(len, (done.stdout + done.stderr).splitlines()), default=0) < 2500
    return done.stderr


def refused(done, *words):
    """The command ended with exit code 1 and a line of its own that holds the words."""
    line = said(done, 1).strip().splitlines()[-1]
    assert line.startswith("recon3d: "), done.stderr
    assert all(word in line for word in words), line


_START = subprocess.Popen


def killed_at_birth(*args, **options):
    """Starts a process as `subprocess.Popen` does, and ends it as the kernel does for lack of memory."""
    process = _START(*args, **options)
    os.kill(process.pid, signal.SIGKILL)
    return process


def only_the_good_one_is_in(photos, root, name, *words):
    """The bad photo is named with the reason, the good one goes on, nothing is left half done."""
    done = command("init", photos, "-o", root)
    lines = [line for line in said(done, 0).splitlines() if "SKIPPED" in line]
    assert len(lines) == 1 and name in lines[0], done.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert list(Scene.open(root).calibrations()) == ["good"]
    whole(root)


def whole(root):
    """No leftover of a write stands anywhere in the scene."""
    assert not list(root.rglob(".tmp-*"))
