"""Show: the viewer and pictures without a display."""
