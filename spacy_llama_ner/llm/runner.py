"""Sends requests concurrently, retries them, and skips those with a logged reply."""

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

from .backends.base import (
    Backend,
    BackendRefusedError,
    ChatRequest,
    NoReplyError,
    RejectedReplyError,
    Reply,
    RetryableError,
)
from .reply_log import ReplyLog

T = TypeVar("T")

EMPTY_REPLY = "empty reply"
# temperature after a reply that could not be used: at 0 the same would come once more
RETRY_TEMPERATURE = 0.7
# seconds, the longest pause that a server may ask for
MAX_RETRY_AFTER = 600.0


@dataclass(frozen=True)
class PromptJob(Generic[T]):
    """A request, and how to read the reply to it.

    Attributes:
        request: What to ask.
        parse: Makes a value of a reply, or raises RejectedReplyError.
    """

    request: ChatRequest
    parse: Callable[[Reply], T]


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """The result of a job.

    Attributes:
        value: What `PromptJob.parse` made of the last reply; None where no reply could be used.
        replies: All replies to the request, in order, those of earlier runs among them.
        rejections: Why replies could not be used. Where there is no value these are all replies, otherwise all but
            the last.
        failure: Why there is no value; None where there is one.
    """

    value: T | None
    replies: tuple[Reply, ...]
    rejections: tuple[RejectedReplyError, ...]
    failure: str | None = None


@dataclass(frozen=True)
class RetryPolicy:
    """How often to try, and how long to wait in between.

    Attributes:
        max_attempts: How many replies a job may use up before it fails.
        max_retries: How often a request that got no reply is sent again. The waits in between double from
            `initial_wait` to `max_wait`, less up to half of it at random. When a server says how long to wait, all
            requests wait as long, up to 10 minutes.
        initial_wait: Seconds before the first retry.
        max_wait: Seconds, the longest wait.
        seed: Of the random part; None for another one each time.
    """

    max_attempts: int = 3
    max_retries: int = 6
    initial_wait: float = 1.0
    max_wait: float = 60.0
    seed: int | None = None


class TokenPricing(Protocol):
    """What a model's tokens cost."""

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Return the price of so many tokens, in the currency of the prices."""


@dataclass
class RunStats:
    """Counts of a run.

    Attributes:
        finished: Jobs that are done.
        failed: Those of them without a usable reply.
        new_replies: Replies that this run got.
        logged_replies: Replies that it found in its log.
        rejections: Replies that could not be used, by reason.
        request_errors: Requests that got no reply, by reason.
        input_tokens: Of all replies, logged ones included, each counted once.
        output_tokens: Likewise.
    """

    finished: int = 0
    failed: int = 0
    new_replies: int = 0
    logged_replies: int = 0
    rejections: Counter[str] = field(default_factory=Counter)
    request_errors: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0


class Progress:
    """Counts what happens in a run and, where asked to, shows a progress bar with rate, tokens and cost so far.

    Attributes:
        stats: The counts.
        prices: Of the model's tokens; None where they are not known.
    """

    def __init__(
        self, *, total: int | None = None, unit: str | None = None, prices: TokenPricing | None = None
    ) -> None:
        """Start with all counts at 0.

        Args:
            total: How many jobs there will be, if known.
            unit: What a job is called in the progress bar; None for no bar.
            prices: Of the model's tokens; without them no cost is shown.
        """
        self.stats = RunStats()
        self.prices = prices
        self._total, self._unit = total, unit
        self._bar: Any = None

    def start(self) -> None:
        """Show the bar, if there is to be one."""
        if self._unit is not None:
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit=f" {self._unit}", desc="Asking", mininterval=0.5)

    @property
    def cost(self) -> float | None:
        """The price of all tokens so far; None without prices."""
        stats = self.stats
        return None if self.prices is None else self.prices.cost(stats.input_tokens, stats.output_tokens)

    def add_total(self, jobs: int) -> None:
        """Make the bar longer by this many jobs."""
        if self._bar is not None:
            self._bar.total = (self._bar.total or 0) + jobs
            self._bar.refresh()

    def add_reply(self, reply: Reply, *, logged: bool) -> None:
        """Count a reply and its tokens; `logged` if an earlier run got it."""
        self.stats.logged_replies += logged
        self.stats.new_replies += not logged
        self.stats.input_tokens += reply.input_tokens
        self.stats.output_tokens += reply.output_tokens

    def add_rejection(self, rejection: RejectedReplyError) -> None:
        """Count a reply that could not be used."""
        self.stats.rejections[rejection.reason] += 1

    def add_request_error(self, reason: str) -> None:
        """Count a request that got no reply."""
        self.stats.request_errors[reason] += 1

    def finish(self, *, failed: bool) -> None:
        """Count a job that is done, and move the bar."""
        self.stats.finished += 1
        self.stats.failed += failed
        if self._bar is not None:
            self._bar.set_postfix_str(self._postfix(), refresh=False)
            self._bar.update()

    def write(self, line: str) -> None:
        """Print a line above the bar, if there is one."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is; what is printed next goes below it."""
        if self._bar is not None:
            self._bar.close()

    def _postfix(self) -> str:
        stats = self.stats
        parts = [f"{stats.input_tokens:,}+{stats.output_tokens:,} tokens"]
        if self.cost is not None:
            parts.append(f"cost {self.cost:.2f}")
        if stats.failed:
            parts.append(f"{stats.failed:,} failed")
        if sum(stats.request_errors.values()):
            parts.append(f"{sum(stats.request_errors.values()):,} tried again")
        return ", ".join(parts)


class CircuitBreaker:
    """Ends a run that gets no replies any more, and lets single requests fail.

    Attributes:
        failures: Requests in a row that got no reply.
    """

    def __init__(self, max_failures: int) -> None:
        """Start with a closed circuit; it opens after `max_failures` failures in a row."""
        self.failures = 0
        self._max_failures = max_failures
        self._has_worked = False

    def record_success(self) -> None:
        """Note a reply, of this run or an earlier one."""
        self._has_worked, self.failures = True, 0

    def record_failure(self, *, request_at_fault: bool) -> bool:
        """Note a request that got no reply.

        Args:
            request_at_fault: Whether the request itself is the reason. As soon as another request has got a reply,
                such failures do not count.

        Returns:
            Whether the circuit is open, so that the run has to end.
        """
        if request_at_fault and self._has_worked:
            return False
        self.failures += 1
        return self.failures >= self._max_failures


class Runner:
    """Sends the requests of jobs to a backend. A context manager that closes the backend.

    Requests with the same key are sent once: one after the other, at the same time, or in an earlier run with the
    same log. Memory does not grow with the number of jobs, but for some 300 bytes each.

    Attributes:
        progress: The counts of this run.
    """

    def __init__(
        self,
        backend: Backend,
        log: ReplyLog,
        *,
        concurrency: int = 8,
        retry_policy: RetryPolicy | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            backend: Answers the requests.
            log: Gets each reply before it is used, and has those of earlier runs.
            concurrency: How many requests are under way at a time.
            retry_policy: How often to try; the default policy if not given.
            progress: Counts what happens, and may show a bar.
        """
        self.progress = progress or Progress()
        self._backend = backend
        self._log = log
        self._retry_policy = retry_policy or RetryPolicy()
        self._rng = random.Random(self._retry_policy.seed)
        self._slots = asyncio.Semaphore(concurrency)
        # a job that waits long holds up only those so far behind it
        self._max_pending = 16 * concurrency
        self._breaker = CircuitBreaker(max(10, 2 * concurrency))
        self._paused_until = 0.0
        self._stop = asyncio.Event()
        self._refusal: BackendRefusedError | None = None
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

    def run(self, jobs: Iterable[PromptJob[T]]) -> Iterator[Outcome[T]]:
        """Run jobs, which are taken from the iterable as they are needed.

        When it is left early, by an error or Ctrl-C, replies under way are still waited for and logged.

        Args:
            jobs: What to ask.

        Yields:
            One outcome for each job, in the order of the jobs.

        Raises:
            BackendRefusedError: If the backend refuses, or nothing has been answered for long.
            OSError: If the log cannot be written.
        """
        pending: deque[asyncio.Task[Outcome[T]]] = deque()
        try:
            for job in jobs:
                pending.append(self._loop.create_task(self._run_job(job)))
                while pending and (len(pending) >= self._max_pending or pending[0].done()):
                    yield self._loop.run_until_complete(pending[0])
                    pending.popleft()
            while pending:
                yield self._loop.run_until_complete(pending[0])
                pending.popleft()
        finally:
            self._drain(pending)

    def _drain(self, pending: Iterable[asyncio.Task[Outcome[T]]]) -> None:
        """Start nothing new, and wait for what is under way."""
        unfinished = [task for task in pending if not task.done()]
        if unfinished:
            self.progress.write("Waiting for the replies that are under way, since they are paid for.")
            self._stop.set()
            self._loop.run_until_complete(asyncio.wait(unfinished))
            self._stop.clear()
        # mark the errors of tasks that nobody awaits any more as seen
        for task in pending:
            if not task.cancelled():
                task.exception()

    async def _close(self) -> None:
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._backend.close()
        await self._loop.shutdown_default_executor()

    async def _run_job(self, job: PromptJob[T]) -> Outcome[T]:
        key = job.request.key(self._backend.model)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            outcome = await self._get_outcome(job, key)
        self.progress.finish(failed=outcome.failure is not None)
        return outcome

    async def _get_outcome(self, job: PromptJob[T], key: str) -> Outcome[T]:
        replies = self._log.replies(key)
        if replies:
            self._breaker.record_success()
        is_first = bytes.fromhex(key) not in self._counted
        if is_first:
            self._counted.add(bytes.fromhex(key))
            for reply in replies:
                self.progress.add_reply(reply, logged=True)
        rejections: list[RejectedReplyError] = []
        while len(rejections) < max(len(replies), self._retry_policy.max_attempts):
            if len(rejections) == len(replies):
                request = job.request
                if rejections:
                    request = replace(request, temperature=RETRY_TEMPERATURE, attempt=len(rejections))
                try:
                    replies.append(await self._send(request, key))
                except NoReplyError as error:
                    return Outcome(None, tuple(replies), tuple(rejections), str(error))
            reply = replies[len(rejections)]
            try:
                if not reply.text.strip():
                    raise RejectedReplyError(EMPTY_REPLY)
                value = job.parse(reply)
            except RejectedReplyError as error:
                rejections.append(error.with_traceback(None))
                if is_first:
                    self.progress.add_rejection(error)
            else:
                return Outcome(value, tuple(replies), tuple(rejections))
        return Outcome(None, tuple(replies), tuple(rejections), str(rejections[-1]))

    async def _send(self, request: ChatRequest, key: str) -> Reply:
        """Send a request until there is a reply, and log the reply."""
        max_retries = self._retry_policy.max_retries
        async with self._slots:
            for retry in range(max_retries + 1):
                await self._sleep(self._paused_until - self._loop.time())
                try:
                    reply = await self._backend.complete(request)
                except RetryableError as error:
                    failure = str(error)
                    self.progress.add_request_error(error.reason)
                    if retry < max_retries:
                        await self._back_off(retry, error.retry_after)
                    continue
                except BackendRefusedError as error:
                    self._refuse(error)
                    raise
                except NoReplyError as error:
                    self._record_failure(str(error), request_at_fault=True)
                    raise
                self._breaker.record_success()
                await self._log.add(key, reply)
                self.progress.add_reply(reply, logged=False)
                return reply
        self._record_failure(failure, request_at_fault=False)
        raise NoReplyError(f"{failure} ({max_retries + 1} requests)")

    def _record_failure(self, reason: str, *, request_at_fault: bool) -> None:
        if self._breaker.record_failure(request_at_fault=request_at_fault):
            self._refuse(
                BackendRefusedError(f"The last {self._breaker.failures} requests got no reply at all: {reason}")
            )

    async def _back_off(self, retry: int, retry_after: float | None) -> None:
        policy = self._retry_policy
        wait = min(policy.max_wait, policy.initial_wait * 2**retry) * self._rng.uniform(0.5, 1)
        if retry_after is not None:
            self._paused_until = max(self._paused_until, self._loop.time() + min(retry_after, MAX_RETRY_AFTER))
        await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        """Wait; go no further where the run has ended in the meantime."""
        if seconds > 0:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)
        if self._refusal is not None:
            raise self._refusal
        if self._stop.is_set():
            raise asyncio.CancelledError

    def _refuse(self, error: BackendRefusedError) -> None:
        self._refusal = self._refusal or error
        self._stop.set()
