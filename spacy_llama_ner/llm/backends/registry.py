"""From the options of a command to the backend that they name."""

from __future__ import annotations

from .base import Backend
from .local import LOCAL_PREFIX, LOCAL_URL, LocalBackend
from .openai import KEY_VARIABLE, OpenAIBackend


def open_backend(
    model: str, *, base_url: str | None = None, key_variable: str = KEY_VARIABLE, timeout: float = 120.0
) -> Backend:
    """Open the backend for a model.

    Args:
        model: Name of the model. One that begins with "local:" runs in this process, whatever `base_url` says.
        base_url: Address of an OpenAI-compatible server, or "local" for this process; None for OpenAI's own server.
        key_variable: Environment variable with the server's key.
        timeout: Seconds to wait for a reply of a server.

    Returns:
        The backend.

    Raises:
        LlamaNERError: If a key, an address, a base or a package is missing or does not fit.
        OSError: If the weights of a local base cannot be read.
    """
    name = backend_name(model, base_url)
    if name.startswith(LOCAL_PREFIX):
        return LocalBackend(name.removeprefix(LOCAL_PREFIX))
    return OpenAIBackend(model=model, base_url=base_url, key_variable=key_variable, timeout=timeout)


def backend_name(model: str, base_url: str | None) -> str:
    """Return the name of a model in logs and price lists: with the prefix "local:" when it runs in this process."""
    return f"{LOCAL_PREFIX}{model}" if base_url == LOCAL_URL and not model.startswith(LOCAL_PREFIX) else model
