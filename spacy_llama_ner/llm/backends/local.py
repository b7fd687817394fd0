"""`--base-url local`: questions answered in this process, by a base that the package knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from .base import NoAnswer, Question, Refused, Reply

if TYPE_CHECKING:
    from .chat_model import ChatModel, EncodedPrompt

# what stands for the address of a server, and what the names of these models begin with
IN_PROCESS, LOCAL = "local", "local:"
# questions, and subwords with their replies, that are answered together at most
MOST_QUESTIONS = 32
MOST_SUBWORDS = 16_384
# seconds without another question after which those that wait are answered
PATIENCE = 0.02


@dataclass
class _Asked:
    prompt: EncodedPrompt
    reply: asyncio.Future[Reply]


class LocalBackend:
    """Answers questions that are asked at the same time as one batch, in a thread; the next ones wait meanwhile.

    A reply depends on its question alone: it is the likeliest one, or with a temperature drawn by the question's key
    and attempt. Schemas are passed over.
    model: a base tuned for chats, by name as for `LlamaEncoder.v1`: `smollm2-135m`, a Hub id, a folder, a .gguf file.

    Raises: ValueError where there is no such base or it has no chat template, OSError where it cannot be read.
    """

    def __init__(self, model: str) -> None:
        from .chat_model import ChatModel

        self.model = f"{LOCAL}{model}"
        self._chat: ChatModel | None = ChatModel(model)
        self._waiting: list[_Asked] = []
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Reply:
        """As `Backend.ask`, but that `seconds` is the question's share of the time that its batch took."""
        prompt = self._prompt(question)
        if prompt.limit < 1:
            n, most = len(prompt.ids), self._loaded.positions
            raise NoAnswer(f"the prompt has {n} subwords, and {self.model} reads {most} with the reply")
        asked = _Asked(prompt, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await asked.reply

    async def close(self) -> None:
        """Give the memory back. Questions that still wait get no reply."""
        if self._worker is not None:
            self._worker.cancel()
        for asked in self._waiting:
            asked.reply.cancel()
        self._waiting.clear()
        self._chat = None

    @property
    def _loaded(self) -> ChatModel:
        if self._chat is None:
            raise Refused(f"{self.model} was closed; it answers no more questions.")
        return self._chat

    def _prompt(self, question: Question) -> EncodedPrompt:
        from .chat_model import EncodedPrompt

        ids = self._loaded.encode(question.messages)
        limit = min(question.max_tokens, self._loaded.positions - len(ids))
        seed = f"{question.key(self.model)} {question.attempt}"
        return EncodedPrompt(ids, limit, question.temperature, seed)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                await self._answer(self._take())
        finally:
            self._worker = None

    async def _answer(self, batch: Sequence[_Asked]) -> None:
        start = perf_counter()
        try:
            replies = await asyncio.to_thread(self._loaded.reply, [asked.prompt for asked in batch])
        # no memory, a broken device: whatever it is, the next batch would meet it too
        except Exception as error:
            refused = Refused(f"{self.model} cannot go on: {type(error).__name__}: {error}")
            for asked in batch:
                if not asked.reply.done():
                    asked.reply.set_exception(refused)
        else:
            self._hand_out(batch, replies, (perf_counter() - start) / len(batch))
        finally:
            for asked in batch:
                asked.reply.cancel()

    async def _gather(self) -> None:
        seen = 0
        while seen < len(self._waiting) < MOST_QUESTIONS:
            seen = len(self._waiting)
            await asyncio.sleep(PATIENCE)

    def _take(self) -> list[_Asked]:
        """Those that have waited longest, at least one, as far as they may be answered together."""
        batch: list[_Asked] = []
        longest = 0
        for asked in self._waiting[:MOST_QUESTIONS]:
            longest = max(longest, len(asked.prompt.ids) + asked.prompt.limit)
            if batch and longest * (len(batch) + 1) > MOST_SUBWORDS:
                break
            batch.append(asked)
        del self._waiting[: len(batch)]
        return batch

    def _hand_out(self, batch: Sequence[_Asked], replies: Sequence[tuple[str, int, bool]], seconds: float) -> None:
        for asked, (text, n_tokens, cut) in zip(batch, replies, strict=True):
            # one that was given up in the meantime is done
            if not asked.reply.done():
                asked.reply.set_result(Reply(text, len(asked.prompt.ids), n_tokens, round(seconds, 3), cut))
