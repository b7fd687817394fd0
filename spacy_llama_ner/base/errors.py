"""What goes wrong with a base."""

from __future__ import annotations


class BaseModelError(ValueError):
    """A base cannot be found, fetched, converted or used. The message says what to do."""
