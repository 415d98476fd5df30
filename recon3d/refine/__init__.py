"""Refine: depths moved to where the photos agree, and which of them are kept."""
