"""A row of a batch in a process of its own: `recon3d ARGUMENTS…`, which ends when the batch lets go of it."""

import os
import signal
import threading
import time

from recon3d.cli import main
from recon3d.cli.app import INTERRUPTED
from recon3d.stages.batch_row import GRACE_S


def end_with_batch() -> None:
    """Waits for the end of standard input, which the batch closes or leaves behind; then as Ctrl-C."""
    while os.read(0, 1024):  # not sys.stdin, whose lock a waiting thread would hold when the program ends
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_S)
    os._exit(INTERRUPTED)  # deep in a library that doesn't answer: every file is whole or not there


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's job in the background is born deaf to it
    threading.Thread(target=end_with_batch, daemon=True).start()
    main()
