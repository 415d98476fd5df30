"""Stages: one module a command; each reads the scene, computes, and writes the scene."""
