"""When to give up on a backend that says nothing."""

from __future__ import annotations


class Silence:
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
