"""What a run is given, what it gives back, and how often it tries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .chat import Question, Reject, Reply

T = TypeVar("T")

EMPTY = "empty reply"


@dataclass(frozen=True)
class Job(Generic[T]):
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
class Patience:
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
