"""The error that every module about bases raises."""

from __future__ import annotations

from ..data.errors import LlamaNERError


class BaseModelError(LlamaNERError):
    """A base cannot be found, fetched, converted or used. The message says what to do."""
