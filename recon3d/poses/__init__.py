"""Poses: where each photo stood."""
