"""The process of structure from motion, which photo number 2 crashes when it is read."""

import os
import signal

import pycolmap

from recon3d.poses import sfm_worker

extract = pycolmap.extract_features


def extract_or_die(database, folder, files, **options):
    """As a decoder does that a photo breaks."""
    if "000002.png" in files:
        os.kill(os.getpid(), signal.SIGSEGV)
    extract(database, folder, files, **options)


if __name__ == "__main__":
    pycolmap.extract_features = extract_or_die
    sfm_worker.main()
