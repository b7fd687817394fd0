"""Asking many questions: some at a time, again where need be, and none that was answered before."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from .backends.base import Backend, NoAnswer, Question, Refused, Reject, Reply, TryAgain
from .reply_log import ReplyLog

T = TypeVar("T")

EMPTY = "empty reply"


@dataclass(frozen=True)
class PromptJob(Generic[T]):
    """A question, and what makes something of its reply; `read` raises Reject where it cannot."""

    question: Question
    read: Callable[[Reply], T]

    def take(self, reply: Reply) -> T:
        """What `read` makes of a reply. Raises Reject where it cannot, or there is nothing to read."""
        if not reply.text.strip():
            raise Reject(EMPTY)
        return self.read(reply)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of a job.

    value: what `read` made of the last reply; None where no reply could be used.
    replies: all replies to the question, in order, those of earlier runs among them.
    rejects: why replies could not be used; in a failure those of all, otherwise of all but the last.
    failure: why there is no value; None where there is one.
    """

    value: T | None
    replies: tuple[Reply, ...]
    rejects: tuple[Reject, ...]
    failure: str | None = None


@dataclass(frozen=True)
class RetryPolicy:
    """How often to try, and how long to wait in between.

    attempts: replies that a question may cost before it is given up.
    retries: how often a request that brought no reply is made again, with waits that double from `first` to `longest`
        seconds, less up to half of it by chance. A server that says how long to wait is obeyed, up to 10 minutes.
    seed: of the chance; None for another one each time.
    """

    attempts: int = 3
    retries: int = 6
    first: float = 1.0
    longest: float = 60.0
    seed: int | None = None


class Prices(Protocol):
    """What a model takes for its tokens."""

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """The price of so many tokens, in whatever money the prices are."""


@dataclass
class Tally:
    """Counts of a run.

    settled, failed: questions that are done, and those of them that got no usable reply.
    asked, logged: replies that this run got, and replies that it found in its log.
    rejected: replies that could not be used, by reason.
    trouble: requests that brought no reply, by reason.
    input_tokens, output_tokens: of all replies, logged ones included, each counted once.
    """

    settled: int = 0
    failed: int = 0
    asked: int = 0
    logged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    trouble: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0


class Progress:
    """A tally and, where `unit` names what is counted, a progress bar with rate, tokens and cost so far.

    total: how many questions there will be, if known.
    prices: without them, no cost is shown.
    """

    def __init__(self, *, total: int | None = None, unit: str | None = None, prices: Prices | None = None) -> None:
        self.tally = Tally()
        self.prices = prices
        self._total, self._unit = total, unit
        self._bar: Any = None

    def start(self) -> None:
        """Show the bar, where there is to be one."""
        if self._unit is not None:
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit=f" {self._unit}", desc="Asking", mininterval=0.5)

    @property
    def cost(self) -> float | None:
        """The price of all tokens so far; None without prices."""
        tally = self.tally
        return None if self.prices is None else self.prices.cost(tally.input_tokens, tally.output_tokens)

    def expect(self, more: int) -> None:
        """`more` questions are to come."""
        if self._bar is not None:
            self._bar.total = (self._bar.total or 0) + more
            self._bar.refresh()

    def got(self, reply: Reply, *, logged: bool) -> None:
        """Count a reply and its tokens."""
        self.tally.logged += logged
        self.tally.asked += not logged
        self.tally.input_tokens += reply.input_tokens
        self.tally.output_tokens += reply.output_tokens

    def rejected(self, reject: Reject) -> None:
        """Count a reply that could not be used."""
        self.tally.rejected[reject.reason] += 1

    def troubled(self, reason: str) -> None:
        """Count a request without a reply."""
        self.tally.trouble[reason] += 1

    def settled(self, *, failed: bool) -> None:
        """Count a question that is done, and move the bar."""
        self.tally.settled += 1
        self.tally.failed += failed
        if self._bar is not None:
            self._bar.set_postfix_str(self._so_far(), refresh=False)
            self._bar.update()

    def say(self, text: str) -> None:
        """Print a line, above the bar where there is one."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is, and go on below."""
        if self._bar is not None:
            self._bar.close()

    def _so_far(self) -> str:
        tally = self.tally
        parts = [f"{tally.input_tokens:,}+{tally.output_tokens:,} tokens"]
        if self.cost is not None:
            parts.append(f"cost {self.cost:.2f}")
        if tally.failed:
            parts.append(f"{tally.failed:,} failed")
        if sum(tally.trouble.values()):
            parts.append(f"{sum(tally.trouble.values()):,} tried again")
        return ", ".join(parts)


class CircuitBreaker:
    """Counts questions without any reply; single ones that cannot be answered are no reason to give up.

    most: so many in a row are too many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._unanswered = 0
        self._works = False

    def broken(self) -> None:
        """A question was answered, now or in an earlier run."""
        self._works, self._unanswered = True, 0

    def goes_on(self, *, by_question: bool) -> bool:
        """One more has no reply; whether it is one too many. by_question: the question itself is at fault.

        Where other questions are answered, those that are at fault themselves do not count.
        """
        if by_question and self._works:
            return False
        self._unanswered += 1
        return self._unanswered >= self._most

    def __len__(self) -> int:
        """How many questions in a row had no reply."""
        return self._unanswered


# temperature for a question whose reply could not be used: at 0 the same would come once more
AGAIN = 0.7
LONGEST_HOLD = 600.0


class Runner:
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
        patience: RetryPolicy | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.progress = progress or Progress()
        self._backend = backend
        self._log = log
        self._patience = patience or RetryPolicy()
        self._chance = random.Random(self._patience.seed)
        self._slots = asyncio.Semaphore(concurrency)
        # a question that waits long holds up only those so far behind it
        self._ahead = 16 * concurrency
        self._silence = CircuitBreaker(max(10, 2 * concurrency))
        self._hold_until = 0.0
        self._stop = asyncio.Event()
        self._refused: Refused | None = None
        self._counted: set[bytes] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __enter__(self) -> Runner:
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

    def answers(self, jobs: Iterable[PromptJob[T]]) -> Iterator[Outcome[T]]:
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

    async def _settle(self, job: PromptJob[T]) -> Outcome[T]:
        key = job.question.key(self._backend.model)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            outcome = await self._outcome(job, key)
        self.progress.settled(failed=outcome.failure is not None)
        return outcome

    async def _outcome(self, job: PromptJob[T], key: str) -> Outcome[T]:
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
