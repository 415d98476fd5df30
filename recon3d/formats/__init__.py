"""Formats: files of neighbours; the only place where frames are flipped."""
