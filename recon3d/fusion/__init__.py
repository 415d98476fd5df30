"""Fusion: frames become a cloud and a mesh."""
