"""recon3d: photos in, metric mesh out."""

import zlib  # noqa: F401  (first of all: pycolmap exports a zlib of its own that corrupts the heap of whoever binds to it)
