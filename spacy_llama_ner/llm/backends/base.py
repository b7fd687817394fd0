"""What all backends share: the request to a model, its reply, the errors in between, and the backend's protocol."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ...data.errors import LlamaNERError


@dataclass(frozen=True)
class Message:
    """One turn of a chat.

    Attributes:
        role: Who speaks.
        content: What is said.
    """

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """One request to a language model.

    Attributes:
        messages: The rendered prompt.
        schema: JSON schema of the reply, for backends that can enforce one; None where the reply is not JSON.
        max_tokens: Maximum length of the reply.
        text: The text that the request is about; where texts are to be written, a name that tells the request from
            others with the same messages.
        temperature: 0 for the likeliest reply, more for variety.
        attempt: How many replies to this request could not be used. A backend that samples by itself uses it as part
            of the seed.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None
    max_tokens: int
    text: str
    temperature: float = 0.0
    attempt: int = 0

    def key(self, model: str) -> str:
        """Return the key under which replies to this request are logged.

        Requests with the same key are sent once. Schema, length, temperature and attempt are not part of the key, so
        that a reply that was paid for is kept when they change.

        Args:
            model: Name of the model, as `Backend.model`.

        Returns:
            SHA-256 over model, messages and text, in hex.
        """
        turns = [[message.role, message.content] for message in self.messages]
        return hashlib.sha256(json.dumps([model, turns, self.text]).encode()).hexdigest()


@dataclass(frozen=True)
class Reply:
    """A model's reply to a request.

    Attributes:
        text: What the model wrote.
        input_tokens: Tokens of the prompt, as the backend counts them; 0 where it does not say.
        output_tokens: Tokens of the reply, likewise.
        seconds: From the request to the complete reply.
        cut: Whether `ChatRequest.max_tokens` ended it.
    """

    text: str
    input_tokens: int
    output_tokens: int
    seconds: float
    cut: bool = False


class RetryableError(LlamaNERError):
    """A request that got no reply this time: rate limit, server error, time-out, lost connection.

    Attributes:
        reason: Kind of failure, worded the same for all failures of the kind so that they can be counted.
        retry_after: Seconds that the server asks to wait; None where it does not say.
    """

    def __init__(self, reason: str, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.retry_after = retry_after


class NoReplyError(LlamaNERError):
    """A request that will never get a reply, because it is too long for the model for example; others may."""


class BackendRefusedError(LlamaNERError):
    """A backend that will answer no request: bad key, unknown model, no such server. It ends the run."""


class RejectedReplyError(LlamaNERError):
    """A reply that cannot be used.

    Attributes:
        reason: Kind of fault, worded the same for all faults of the kind so that they can be counted.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Backend(Protocol):
    """A model that answers many requests at a time.

    Attributes:
        model: The model's name in the log of replies. Two backends that may answer differently have two names.
    """

    model: str

    async def complete(self, request: ChatRequest) -> Reply:
        """Get one reply, which may be empty.

        It is called concurrently, by as many tasks as the run allows. A backend does not retry.

        Args:
            request: What to ask.

        Returns:
            The reply.

        Raises:
            RetryableError: If there was no reply, but may be one later.
            NoReplyError: If this request will never get one.
            BackendRefusedError: If no request will get one.
        """

    async def close(self) -> None:
        """Close connections and free memory; no request follows."""
