"""From what a command is given to the backend that it asks."""

from __future__ import annotations

from .base import Backend
from .local import IN_PROCESS, LOCAL, LocalBackend
from .openai import KEY_VARIABLE, OpenAIBackend


def open_backend(
    model: str, *, base_url: str | None = None, key_variable: str = KEY_VARIABLE, timeout: float = 120.0
) -> Backend:
    """The model at `base_url`: "local" is this process, None is OpenAI's own server.

    key_variable, timeout: see `OpenAIBackend`. Raises: Refused; ImportError where a package is missing; in process
    what `LocalBackend` raises.
    """
    name = backend_name(model, base_url)
    if name.startswith(LOCAL):
        return LocalBackend(name.removeprefix(LOCAL))
    return OpenAIBackend(model=model, base_url=base_url, key_variable=key_variable, timeout=timeout)


def backend_name(model: str, base_url: str | None) -> str:
    """What names a model in logs and price lists. One that begins with "local:" is in this process in any case."""
    return f"{LOCAL}{model}" if base_url == IN_PROCESS and not model.startswith(LOCAL) else model
