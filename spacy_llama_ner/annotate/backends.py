"""From what a command is given to the backend that it asks."""

from __future__ import annotations

from .chat import Backend
from .openai_backend import KEY_VARIABLE, OpenAIBackend


def open_backend(
    model: str, *, base_url: str | None = None, key_variable: str = KEY_VARIABLE, timeout: float = 120.0
) -> Backend:
    """The model at `base_url`; None is OpenAI's own server.

    key_variable, timeout: see `OpenAIBackend`. Raises: Refused; ImportError where a package is missing.
    """
    return OpenAIBackend(model=model, base_url=base_url, key_variable=key_variable, timeout=timeout)
