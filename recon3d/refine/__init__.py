"""Refine: which depths are kept."""
