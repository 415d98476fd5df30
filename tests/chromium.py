"""Pages of ours in headless Chromium: opened from the disk, driven through the debugging pipe: no port, no driver."""

import atexit
import base64
import contextlib
import fcntl
import functools
import io
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FLAGS = [
    "--headless",
    "--no-sandbox",  # as root, in a container
    "--use-angle=swiftshader",  # WebGL without a GPU
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
PATIENCE_S = 240
"""No answer for so long fails a test; far beyond what a busy machine needs."""


@contextlib.contextmanager
def page(path, width=1280, height=900):
    """A `Page` of the HTML file, loaded; the test is skipped where there is no Chromium."""
    opened = Page(_browser(), width, height)
    try:
        opened.open(Path(path))
        yield opened
    finally:
        opened.close()


@functools.cache
def _browser():
    """The one browser of all tests: our ends of its pipes."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("Chromium: not on this machine; make browser installs it")
    profile = tempfile.mkdtemp(prefix="recon3d-chromium-")
    process, to_browser, from_browser = _started([program, *FLAGS, f"--user-data-dir={profile}", "about:blank"])

    def end():
        os.close(to_browser)
        os.close(from_browser)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(profile, ignore_errors=True)

    atexit.register(end)
    return Pipes(to_browser, from_browser)


def _started(arguments):
    """The browser, and our ends of the pipes that it reads as its file 3 and writes as its file 4."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]  # out of the way of 3 and 4
    # bash: some plain shells know files 0 to 9 only
    shell = f'exec "$@" 3<&{high[0]} 4>&{high[1]} {high[0]}<&- {high[1]}>&-'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *arguments],
        pass_fds=high,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for end in (theirs_in, theirs_out, *high):
        os.close(end)
    return process, ours_out, ours_in


class Pipes:
    """What is said to the browser and heard from it: JSON, a zero byte after each message."""

    def __init__(self, to_browser, from_browser):
        self._to, self._from, self._rest, self._last = to_browser, from_browser, b"", 0

    def say(self, method, session, params):
        """Sends a command; its number."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params} | ({"sessionId": session} if session else {})
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        return self._last

    def hear(self, deadline):
        """The next message."""
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            assert ready, "Chromium: no answer"
            data = os.read(self._from, 2**20)
            assert data, "Chromium: ended on its own"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)


class Page:
    """One open page.

    Attributes:
        errors: what the console complained of, and exceptions that nobody caught.
        requests: addresses that the page asked for, data: and blob: aside; its own is the first.
    """

    def __init__(self, pipes, width, height):
        self.errors, self.requests = [], []
        self._pipes, self._session, self._loaded = pipes, None, False
        self._target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def close(self):
        """Closes the page."""
        self._session = None
        self._call("Target.closeTarget", targetId=self._target)

    def open(self, path):
        """Goes to an HTML file and waits until it and its scripts are loaded."""
        self._loaded = False
        self._call("Page.navigate", url=path.resolve().as_uri())
        deadline = time.monotonic() + PATIENCE_S
        while not self._loaded:
            self._hear(deadline)

    def evaluate(self, expression):
        """What a JavaScript expression gives, as JSON does; a promise is awaited; an exception fails the test."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(_told(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait_for(self, expression):
        """Waits until an expression is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, f"never true: {expression}; the console says {self.errors}"
            time.sleep(0.05)

    def screenshot(self, path=None):
        """(H, W, 3) uint8: what is seen; also written to a PNG file where one is named."""
        data = base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            Path(path).write_bytes(data)
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def pdf(self):
        """The page as it prints, bytes of a PDF file."""
        return base64.b64decode(self._call("Page.printToPDF", printBackground=True)["data"])

    def key(self, key, code=None):
        """Presses and releases a key, such as "m" or "Escape"."""
        text = {"text": key} if len(key) == 1 else {}
        named = {"key": key, "code": code or (f"Key{key.upper()}" if key.isalpha() and len(key) == 1 else key)}
        self._call("Input.dispatchKeyEvent", type="keyDown", **named, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **named)

    def click(self, x, y, button="left", modifiers=0):
        """Clicks at a place of the page [px]; modifiers: 1 alt, 2 control, 4 meta, 8 shift."""
        at = {"x": x, "y": y, "button": button, "clickCount": 1, "modifiers": modifiers}
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self._call("Input.dispatchMouseEvent", type="mousePressed", **at)
        self._call("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def drag(self, start, end):
        """Drags with the left button from one (x, y) to another [px]."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=start[0], y=start[1])
        self._call("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], button="left", clickCount=1)
        for share in np.linspace(0, 1, 6)[1:]:
            x, y = (float(a + share * (b - a)) for a, b in zip(start, end, strict=True))
            self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self._call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], button="left", clickCount=1)

    def _call(self, method, **params):
        """One command of the DevTools protocol, and its result."""
        number = self._pipes.say(method, self._session, params)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            heard = self._hear(deadline)
            if heard.get("id") == number:
                assert "error" not in heard, f"{method}: {heard['error']}"
                return heard["result"]

    def _hear(self, deadline):
        """The next message; events are kept."""
        message = self._pipes.hear(deadline)
        if self._session is None or message.get("sessionId") != self._session:
            return message
        event, params = message.get("method"), message.get("params", {})
        if event == "Runtime.exceptionThrown":
            self.errors.append(_told(params["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            address = params["request"]["url"]
            self.requests += [] if address.startswith(("data:", "blob:")) else [address]
        elif event == "Page.loadEventFired":
            self._loaded = True
        return message


def _told(details):
    """What an exception says."""
    return details.get("exception", {}).get("description", details.get("text", "an exception"))
