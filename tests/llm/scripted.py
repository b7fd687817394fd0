"""A backend that says what it is told to, without a server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from spacy_llama_ner.llm.backends.base import Message, Question, Reply
from spacy_llama_ner.llm.runner import PromptJob, RetryPolicy

QUICK = RetryPolicy(first=0.001, longest=0.002, seed=0)


@dataclass
class ScriptedBackend:
    """Answers with `answer`, or with what `script` has for the text, one after the other; errors are raised."""

    answer: Callable[[str], str] = str.upper
    script: Mapping[str, Sequence[str | Exception]] = field(default_factory=dict)
    seconds: float = 0.0
    model: str = "scripted"
    questions: list[Question] = field(default_factory=list)
    most_at_once: int = 0
    is_closed: bool = False
    _at_once: int = 0
    _asked: Counter[str] = field(default_factory=Counter)

    async def ask(self, question: Question) -> Reply:
        self.questions.append(question)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(self.seconds)
        self._at_once -= 1
        turns = self.script.get(question.text, ())
        n = self._asked[question.text]
        self._asked[question.text] += 1
        said = turns[n] if n < len(turns) else self.answer(question.text)
        if isinstance(said, Exception):
            raise said
        return Reply(said, input_tokens=10, output_tokens=len(said.split()), seconds=0.5)

    async def close(self) -> None:
        self.is_closed = True

    @property
    def texts(self) -> list[str]:
        """What was asked about, in order."""
        return [question.text for question in self.questions]


def ask_for(text: str) -> Question:
    """A question about a text."""
    return Question((Message("user", text),), None, 100, text)


def job(text: str) -> PromptJob[str]:
    """A job whose value is what the model said."""
    return PromptJob(ask_for(text), lambda reply: reply.text)
