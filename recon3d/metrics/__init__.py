"""Metrics: errors of depth, trajectory and surface."""
