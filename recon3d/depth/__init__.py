"""Depth: models that predict it and maps that were recorded."""
