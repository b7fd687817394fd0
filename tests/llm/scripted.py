"""A backend that gives scripted replies, without a server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from spacy_llama_ner.llm.backends.base import ChatRequest, Message, Reply
from spacy_llama_ner.llm.runner import PromptJob, RetryPolicy

NO_WAITING = RetryPolicy(initial_wait=0.001, max_wait=0.002, seed=0)


@dataclass
class ScriptedBackend:
    """Replies with `answer`, or with what `script` has for the text, one after the other; errors are raised."""

    answer: Callable[[str], str] = str.upper
    script: Mapping[str, Sequence[str | Exception]] = field(default_factory=dict)
    seconds: float = 0.0
    model: str = "scripted"
    requests: list[ChatRequest] = field(default_factory=list)
    max_concurrent: int = 0
    is_closed: bool = False
    _concurrent: int = 0
    _count: Counter[str] = field(default_factory=Counter)

    async def complete(self, request: ChatRequest) -> Reply:
        self.requests.append(request)
        self._concurrent += 1
        self.max_concurrent = max(self.max_concurrent, self._concurrent)
        await asyncio.sleep(self.seconds)
        self._concurrent -= 1
        scripted = self.script.get(request.text, ())
        n = self._count[request.text]
        self._count[request.text] += 1
        text = scripted[n] if n < len(scripted) else self.answer(request.text)
        if isinstance(text, Exception):
            raise text
        return Reply(text, input_tokens=10, output_tokens=len(text.split()), seconds=0.5)

    async def close(self) -> None:
        self.is_closed = True

    @property
    def texts(self) -> list[str]:
        """The texts of all requests, in order."""
        return [request.text for request in self.requests]


def request_for(text: str) -> ChatRequest:
    """A request about a text."""
    return ChatRequest((Message("user", text),), None, 100, text)


def job(text: str) -> PromptJob[str]:
    """A job whose value is the text of the reply."""
    return PromptJob(request_for(text), lambda reply: reply.text)
