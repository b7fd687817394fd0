"""Tests of several modules together, and of this package within spaCy."""
