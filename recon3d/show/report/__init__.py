"""The report: one HTML page that holds all it shows, and says it in plain language."""
