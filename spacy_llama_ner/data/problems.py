"""What was wrong with foreign data, where, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import srsly

from .files import atomic_write

Action = Literal["repaired", "rejected"]


@dataclass(frozen=True)
class Problem:
    """One problem: `at` is the number, from 1, of the line or record it was found in."""

    at: int
    problem: str
    action: Action
    detail: str


@dataclass
class ProblemReport:
    """All problems of one `source` (a file or data set), in the order they were found.

    `unit` says what `Problem.at` counts: "line" or "record".
    """

    source: str
    unit: Literal["line", "record"] = "record"
    problems: list[Problem] = field(default_factory=list)

    def repaired(self, at: int, problem: str, detail: str) -> None:
        """Note something that was put right and kept."""
        self.problems.append(Problem(at, problem, "repaired", detail))

    def rejected(self, at: int, problem: str, detail: str) -> None:
        """Note something that was left out."""
        self.problems.append(Problem(at, problem, "rejected", detail))

    def counts(self) -> dict[tuple[str, Action], int]:
        """How often each (problem, action) was noted, the most frequent first."""
        return dict(Counter((each.problem, each.action) for each in self.problems).most_common())

    def write(self, output: Path) -> Path | None:
        """Write the problems to `<output>.problems.jsonl`, one a line, and return that path.

        Without problems nothing is written, a file of an earlier run is removed, and the answer is None.
        """
        path = output.with_name(f"{output.name}.problems.jsonl")
        if not self.problems:
            path.unlink(missing_ok=True)
            return None
        rows = (
            {
                "source": self.source,
                self.unit: p.at,
                "problem": p.problem,
                "action": p.action,
                "detail": p.detail,
            }
            for p in self.problems
        )
        with atomic_write(path) as partial:
            srsly.write_jsonl(partial, rows)
        return path
