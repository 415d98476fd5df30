"""Engines: where the pieces of a stage's work are done; the same code does each piece wherever that is."""
