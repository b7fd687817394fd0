"""What is said to a language model, what comes back, and who carries it: the types that every backend shares."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ...data.errors import LlamaNERError


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Question:
    """One request to a language model.

    messages: the prompt, rendered.
    schema: JSON schema of the reply, for backends that can hold a model to one; None where the reply is no JSON.
    max_tokens: how long the reply may get.
    text: the text that is asked about; of a prompt that makes texts, what tells it from the others.
    temperature: 0 for the likeliest reply; higher for variety.
    attempt: how many replies to it could not be used; what a reply is drawn by, where a backend has that in hand.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None
    max_tokens: int
    text: str
    temperature: float = 0.0
    attempt: int = 0

    def key(self, model: str) -> str:
        """SHA-256, in hex, over model, prompt and text: questions with the same key are asked once.

        The other fields are not part of it, so that a reply that was paid for is kept when they change.
        """
        said = [[message.role, message.content] for message in self.messages]
        return hashlib.sha256(json.dumps([model, said, self.text]).encode()).hexdigest()


@dataclass(frozen=True)
class Reply:
    """What a model said.

    input_tokens, output_tokens: as the backend counts them; 0 where it does not say.
    seconds: from the request to the whole reply.
    cut: whether it was ended by `Question.max_tokens`.
    """

    text: str
    input_tokens: int
    output_tokens: int
    seconds: float
    cut: bool = False


class TryAgain(Exception):  # noqa: N818
    """There was no reply this time (too many requests, server error, time-out, cut connection).

    reason: its kind, in words that are the same for all such requests, so that they can be counted.
    after: seconds that the server asks to wait, if it says.
    """

    def __init__(self, reason: str, detail: str = "", *, after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.after = after


class NoAnswer(Exception):  # noqa: N818
    """This question gets no reply however often it is asked (too long for the model, say); others may."""


class Refused(LlamaNERError):  # noqa: N818
    """No question will be answered (bad key, unknown model, no such server): the run stops; the message says why."""


class Reject(LlamaNERError):  # noqa: N818
    """A reply that cannot be used.

    reason: its kind, in words that are the same for all such replies, so that they can be counted.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Backend(Protocol):
    """Something that answers questions, many at a time.

    model: what names it in the log of replies; two backends that may answer differently have two names.
    """

    model: str

    async def ask(self, question: Question) -> Reply:
        """One reply, which may be empty.

        Called many times at once, by as many tasks as the run is allowed. A backend does not retry on its own.
        Raises: TryAgain, NoAnswer or Refused.
        """

    async def close(self) -> None:
        """Let go of connections or memory. Nothing is asked afterwards."""
