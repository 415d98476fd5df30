"""Makes rooms with exact depth, and trains the demo model on them; see docs/demo-model.md."""
