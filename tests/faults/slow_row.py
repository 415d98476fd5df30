"""Stands for the process of a row: notes who it is in SCENE.json, and works until it is let go of."""

import json
import os
import sys
import threading
import time
from pathlib import Path

from recon3d.cli.row import end_with_batch
from recon3d.stages.batch_row import THREADS

if __name__ == "__main__":
    threading.Thread(target=end_with_batch, daemon=True).start()
    (scene,) = (word.removeprefix("--out=") for word in sys.argv if word.startswith("--out="))
    begun = time.monotonic()
    try:
        Path(f"{scene}.tmp").write_text(
            json.dumps({"process": os.getpid(), "begun": begun, "threads": [os.environ.get(name) for name in THREADS]})
        )
        os.replace(f"{scene}.tmp", f"{scene}.json")
        time.sleep(float(os.environ.get("SLOW_ROW_S", "60")))
    except KeyboardInterrupt:
        Path(f"{scene}.end").write_text("in good order")
        sys.exit(130)
    sys.exit(f"recon3d: ended after {begun} {time.monotonic()}")
