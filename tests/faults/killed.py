"""Runs recon3d and ends it by a signal at the first write of a stage: `killed.py STAGE MOMENT SIGNALS ARGUMENTS…`."""

import os
import signal
import sys
import time
from pathlib import Path

import recon3d.files
from recon3d.cli import main
from recon3d.scene import OUTPUTS


def end_at_the_first_write(stage, moment, signals, root):
    """Patches the rename that every whole file goes through."""
    real = os.replace

    def replace(source, target):
        target = Path(target).absolute()
        if root not in target.parents or target.relative_to(root).parts[0] not in OUTPUTS[stage]:
            real(source, target)
            return
        if moment == "during":
            os.truncate(source, Path(source).stat().st_size // 2)
        else:
            real(source, target)
        recon3d.files.os.replace = real
        for name in signals.split(","):
            os.kill(os.getpid(), getattr(signal, name))
            time.sleep(0.05)
        if moment == "during":  # a signal that is waited out: the write goes on
            raise KeyboardInterrupt

    recon3d.files.os.replace = replace


if __name__ == "__main__":
    stage, moment, signals, *arguments = sys.argv[1:]
    # a job in the background of a script is born deaf to Ctrl-C, and its children with it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_at_the_first_write(stage, moment, signals, Path(arguments[arguments.index("-o") + 1]).absolute())
    sys.argv = ["recon3d", *arguments]
    main()
