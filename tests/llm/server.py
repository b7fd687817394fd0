"""A server with OpenAI's chat completions whose faults are scripted.

`python -m tests.llm.server` runs it alone: it prints its address and answers until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

Fault = int | str
"""What comes instead of the right reply: an HTTP status, one of those below, or another reply."""

HANG = "<no answer at all>"
CUT = "<the connection ends half way>"
GARBAGE = "<a page that is no JSON>"


def mark_capitals(text: str) -> str:
    """The reply of the prompt `brackets`, for which every word with a capital is a NAME."""
    return re.sub(r"\b[A-Z]\w*", r"[\g<0>](NAME)", text)


@dataclass
class ScriptedServer:
    """Listens on a free port of this machine, in a thread of its own, while the context is open.

    answer: makes the reply from what the user said last.
    faults: by a part of what the user said last, what the first requests get instead.
    refuse: sees the body of a request, and may give a status, a message and a code to refuse it with.
    raw: what every body of an answer is, instead of a completion.
    delay: seconds that each reply takes.
    """

    answer: Callable[[str], str] = mark_capitals
    faults: Mapping[str, Sequence[Fault]] = field(default_factory=dict)
    refuse: Callable[[dict[str, Any]], tuple[Any, ...] | None] = lambda body: None
    raw: Any = None
    delay: float = 0.0
    retry_after: str = "0.05"
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list, repr=False)
    request_counts: Counter[str] = field(default_factory=Counter)
    max_concurrent: int = 0

    def __enter__(self) -> ScriptedServer:
        self._concurrent = 0
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        size = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = json.loads(await reader.readexactly(int(size[1]) if size else 0) or b"{}")
        self.headers.append(head)
        self.bodies.append(body)
        self._concurrent += 1
        self.max_concurrent = max(self.max_concurrent, self._concurrent)
        try:
            return await self._respond(body, writer)
        finally:
            self._concurrent -= 1

    async def _respond(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        text = body["messages"][-1]["content"]
        self.request_counts[text] += 1
        await asyncio.sleep(self.delay)
        if refusal := self.refuse(body):
            status, message, code = (*refusal, None)[:3]
            writer.write(_http(status, {"error": {"message": message, "code": code}}))
            return True
        if self.raw is not None:
            writer.write(_http(200, self.raw))
            return True
        fault = next((self._fault(part, text) for part in self.faults if part in text), None)
        if fault == HANG:
            await asyncio.sleep(3600)
        if isinstance(fault, int):
            error = {"error": {"message": f"scripted {fault}", "code": None}}
            writer.write(_http(fault, error, {"Retry-After": self.retry_after} if fault == 429 else {}))
        elif fault == GARBAGE:
            writer.write(_http(200, "<html>busy</html>"))
        else:
            whole = _http(200, _completion(body, self.answer(text) if fault in (None, CUT) else str(fault)))
            writer.write(whole[: len(whole) // 2] if fault == CUT else whole)
        return fault != CUT

    def _fault(self, part: str, text: str) -> Fault | None:
        count = self.request_counts[text]
        return self.faults[part][count - 1] if count <= len(self.faults[part]) else None


def _completion(body: dict[str, Any], reply: str) -> dict[str, Any]:
    said = sum(len(message["content"].split()) for message in body["messages"])
    usage = {"prompt_tokens": said, "completion_tokens": len(reply.split()), "total_tokens": said}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]} | {
        "usage": usage
    }


def _http(status: int, content: object, headers: Mapping[str, str] | None = None) -> bytes:
    body = (content if isinstance(content, str) else json.dumps(content)).encode()
    lines = [f"HTTP/1.1 {status} scripted", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


if __name__ == "__main__":
    with ScriptedServer() as alone:
        print(alone.url, flush=True)
        threading.Event().wait()
