"""`--base-url local`: a chat-tuned base that answers requests in this process, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from .base import BackendRefusedError, ChatRequest, NoReplyError, Reply

if TYPE_CHECKING:
    from .chat_model import ChatModel, EncodedPrompt

# what stands for the address of a server, and the prefix of these models' names
LOCAL_URL, LOCAL_PREFIX = "local", "local:"
# limits of a batch: requests, and subwords with padding and replies
MAX_BATCH_SIZE = 32
MAX_BATCH_TOKENS = 16_384
# a batch is closed when no request has arrived for so many seconds
BATCH_WINDOW = 0.02


@dataclass
class _PendingRequest:
    prompt: EncodedPrompt
    reply: asyncio.Future[Reply]


class LocalBackend:
    """Answers requests that arrive at the same time as one batch, in a thread; later ones wait for the next batch.

    A reply depends on its request alone: it is the likeliest one or, with a temperature, sampled with the request's
    key and attempt as the seed. Schemas are ignored.
    """

    def __init__(self, model: str) -> None:
        """Load the base.

        Args:
            model: A base tuned for chats, by name as for `LlamaEncoder.v1`: `smollm2-135m`, a Hub id, a folder or a
                .gguf file.

        Raises:
            BaseModelError: If there is no such base, or it has no chat template.
            OSError: If its weights cannot be read.
        """
        from .chat_model import ChatModel

        self.model = f"{LOCAL_PREFIX}{model}"
        self._chat_model: ChatModel | None = ChatModel(model)
        self._pending: list[_PendingRequest] = []
        self._worker: asyncio.Task[None] | None = None

    async def complete(self, request: ChatRequest) -> Reply:
        """Get one reply, see `Backend.complete`; its `seconds` are the request's share of the batch's time."""
        prompt = self._encode(request)
        if prompt.max_new_tokens < 1:
            n, most = len(prompt.ids), self._loaded.max_positions
            raise NoReplyError(f"the prompt has {n} subwords, and {self.model} reads {most} with the reply")
        pending = _PendingRequest(prompt, asyncio.get_running_loop().create_future())
        self._pending.append(pending)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await pending.reply

    async def close(self) -> None:
        """Free the memory. Requests that still wait are cancelled."""
        if self._worker is not None:
            self._worker.cancel()
        for pending in self._pending:
            pending.reply.cancel()
        self._pending.clear()
        self._chat_model = None

    @property
    def _loaded(self) -> ChatModel:
        if self._chat_model is None:
            raise BackendRefusedError(f"{self.model} was closed and answers no more requests.")
        return self._chat_model

    def _encode(self, request: ChatRequest) -> EncodedPrompt:
        from .chat_model import EncodedPrompt

        ids = self._loaded.encode(request.messages)
        max_new_tokens = min(request.max_tokens, self._loaded.max_positions - len(ids))
        seed = f"{request.key(self.model)} {request.attempt}"
        return EncodedPrompt(ids, max_new_tokens, request.temperature, seed)

    async def _work(self) -> None:
        try:
            while self._pending:
                await self._wait_for_more()
                await self._run_batch(self._next_batch())
        finally:
            self._worker = None

    async def _wait_for_more(self) -> None:
        seen = 0
        while seen < len(self._pending) < MAX_BATCH_SIZE:
            seen = len(self._pending)
            await asyncio.sleep(BATCH_WINDOW)

    def _next_batch(self) -> list[_PendingRequest]:
        """Take the requests that have waited longest: at least one, and more as far as the limits allow."""
        batch: list[_PendingRequest] = []
        longest = 0
        for pending in self._pending[:MAX_BATCH_SIZE]:
            longest = max(longest, len(pending.prompt.ids) + pending.prompt.max_new_tokens)
            if batch and longest * (len(batch) + 1) > MAX_BATCH_TOKENS:
                break
            batch.append(pending)
        del self._pending[: len(batch)]
        return batch

    async def _run_batch(self, batch: Sequence[_PendingRequest]) -> None:
        start = perf_counter()
        try:
            completions = await asyncio.to_thread(self._loaded.generate, [pending.prompt for pending in batch])
        # no memory, a broken device: whatever it is, the next batch would meet it too
        except Exception as error:
            refused = BackendRefusedError(f"{self.model} cannot go on: {type(error).__name__}: {error}")
            for pending in batch:
                if not pending.reply.done():
                    pending.reply.set_exception(refused)
        else:
            seconds = round((perf_counter() - start) / len(batch), 3)
            for pending, (text, n_tokens, cut) in zip(batch, completions, strict=True):
                # a task that was cancelled in the meantime is done
                if not pending.reply.done():
                    pending.reply.set_result(Reply(text, len(pending.prompt.ids), n_tokens, seconds, cut))
        finally:
            for pending in batch:
                pending.reply.cancel()
