"""Asking many questions: some at a time, again where need be, and none that was answered before."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TypeVar
from weakref import WeakValueDictionary

from .chat import Backend, NoAnswer, Question, Refused, Reject, Reply, TryAgain
from .jobs import Job, Outcome, Patience
from .progress import Progress
from .replies import ReplyLog
from .silence import Silence

T = TypeVar("T")

# temperature for a question whose reply could not be used: at 0 the same would come once more
AGAIN = 0.7
LONGEST_HOLD = 600.0


class Run:
    """Asks a backend, with up to `concurrency` requests under way. A context manager that closes the backend.

    Questions with the same key are asked once, be it one after the other, at the same time, or in an earlier run
    with the same log. Memory does not grow with the number of jobs, but for some 300 bytes each.
    """

    def __init__(
        self,
        backend: Backend,
        log: ReplyLog,
        *,
        concurrency: int = 8,
        patience: Patience | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.progress = progress or Progress()
        self._backend = backend
        self._log = log
        self._patience = patience or Patience()
        self._chance = random.Random(self._patience.seed)
        self._slots = asyncio.Semaphore(concurrency)
        # a question that waits long holds up only those so far behind it
        self._ahead = 16 * concurrency
        self._silence = Silence(max(10, 2 * concurrency))
        self._hold_until = 0.0
        self._stop = asyncio.Event()
        self._refused: Refused | None = None
        self._counted: set[bytes] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __enter__(self) -> Run:
        self._loop = asyncio.new_event_loop()
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._loop.run_until_complete(self._close())
        finally:
            self._loop.close()

    def answers(self, jobs: Iterable[Job[T]]) -> Iterator[Outcome[T]]:
        """One outcome for each job, in the order of the jobs, which are taken up as they are needed.

        When it is left early, be it by an error or Ctrl-C, replies under way are still waited for and logged.
        Raises: Refused where the backend refuses, or nothing has been answered for a long while; OSError where the
        log cannot be written.
        """
        pending: deque[asyncio.Task[Outcome[T]]] = deque()
        try:
            for job in jobs:
                pending.append(self._loop.create_task(self._settle(job)))
                while pending and (len(pending) >= self._ahead or pending[0].done()):
                    yield self._loop.run_until_complete(pending[0])
                    pending.popleft()
            while pending:
                yield self._loop.run_until_complete(pending[0])
                pending.popleft()
        finally:
            self._wind_up(pending)

    def _wind_up(self, pending: Iterable[asyncio.Task[Outcome[T]]]) -> None:
        left = [task for task in pending if not task.done()]
        if left:
            self.progress.say("Waiting for the replies that are under way, since they are paid for.")
            self._stop.set()
            self._loop.run_until_complete(asyncio.wait(left))
            self._stop.clear()
        # errors of tasks that nobody waits for any more
        for task in pending:
            if not task.cancelled():
                task.exception()

    async def _close(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._backend.close()
        await self._loop.shutdown_default_executor()

    async def _settle(self, job: Job[T]) -> Outcome[T]:
        key = job.question.key(self._backend.model)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            outcome = await self._outcome(job, key)
        self.progress.settled(failed=outcome.failure is not None)
        return outcome

    async def _outcome(self, job: Job[T], key: str) -> Outcome[T]:
        replies = self._log.replies(key)
        if replies:
            self._silence.broken()
        is_first = bytes.fromhex(key) not in self._counted
        if is_first:
            self._counted.add(bytes.fromhex(key))
            for reply in replies:
                self.progress.got(reply, logged=True)
        rejects: list[Reject] = []
        while len(rejects) < max(len(replies), self._patience.attempts):
            if len(rejects) == len(replies):
                question = job.question
                if rejects:
                    question = replace(question, temperature=AGAIN, attempt=len(rejects))
                try:
                    replies.append(await self._ask(question, key))
                except NoAnswer as error:
                    return Outcome(None, tuple(replies), tuple(rejects), str(error))
            try:
                value = job.take(replies[len(rejects)])
            except Reject as reject:
                rejects.append(reject.with_traceback(None))
                if is_first:
                    self.progress.rejected(reject)
            else:
                return Outcome(value, tuple(replies), tuple(rejects))
        return Outcome(None, tuple(replies), tuple(rejects), str(rejects[-1]))

    async def _ask(self, question: Question, key: str) -> Reply:
        async with self._slots:
            for retry in range(self._patience.retries + 1):
                await self._pause(self._hold_until - self._loop.time())
                try:
                    reply = await self._backend.ask(question)
                except TryAgain as error:
                    trouble = str(error)
                    self.progress.troubled(error.reason)
                    if retry < self._patience.retries:
                        await self._wait(retry, error.after)
                    continue
                except Refused as error:
                    self._refuse(error)
                    raise
                except NoAnswer as error:
                    self._missed(str(error), by_question=True)
                    raise
                self._silence.broken()
                await self._log.add(key, reply)
                self.progress.got(reply, logged=False)
                return reply
        self._missed(trouble, by_question=False)
        raise NoAnswer(f"{trouble} ({self._patience.retries + 1} requests)")

    def _missed(self, reason: str, *, by_question: bool) -> None:
        if self._silence.goes_on(by_question=by_question):
            self._refuse(Refused(f"The last {len(self._silence)} questions got no reply at all: {reason}"))

    async def _wait(self, retry: int, after: float | None) -> None:
        own = min(self._patience.longest, self._patience.first * 2**retry) * self._chance.uniform(0.5, 1)
        if after is not None:
            self._hold_until = max(self._hold_until, self._loop.time() + min(after, LONGEST_HOLD))
        await self._pause(own)

    async def _pause(self, seconds: float) -> None:
        """Wait, and go no further where the run has ended in the meantime."""
        if seconds > 0:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)
        if self._refused is not None:
            raise self._refused
        if self._stop.is_set():
            raise asyncio.CancelledError

    def _refuse(self, error: Refused) -> None:
        self._refused = self._refused or error
        self._stop.set()
