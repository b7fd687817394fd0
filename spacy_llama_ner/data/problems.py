"""Reports of what was wrong in data from elsewhere, in which line or record, and what was done about it."""

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
    """One problem.

    Attributes:
        at: Number of the line or record it was found in, from 1.
        problem: What kind of problem it is, the same words for all of its kind.
        action: Whether the thing was put right and kept, or left out.
        detail: What stood there, and what became of it.
    """

    at: int
    problem: str
    action: Action
    detail: str


@dataclass
class ProblemReport:
    """All problems of one source, in the order in which they were found.

    Attributes:
        source: Name of a file or data set.
        unit: What `Problem.at` counts.
        problems: The problems.
    """

    source: str
    unit: Literal["line", "record"] = "record"
    problems: list[Problem] = field(default_factory=list)

    def repaired(self, at: int, problem: str, detail: str) -> None:
        """Add a problem that was put right; see `Problem` for the arguments."""
        self.problems.append(Problem(at, problem, "repaired", detail))

    def rejected(self, at: int, problem: str, detail: str) -> None:
        """Add a problem whose line, record or piece was left out; see `Problem` for the arguments."""
        self.problems.append(Problem(at, problem, "rejected", detail))

    def counts(self) -> dict[tuple[str, Action], int]:
        """Count each pair of problem and action, the most frequent first."""
        return dict(Counter((each.problem, each.action) for each in self.problems).most_common())

    def write(self, output: Path) -> Path | None:
        """Write the problems beside an output file, one a line.

        Args:
            output: The file that was made of the data. The problems go to `<output>.problems.jsonl`.

        Returns:
            The path of the problems. None if there are none: then nothing is written, and the file of an earlier run
            is removed.
        """
        path = output.with_name(f"{output.name}.problems.jsonl")
        if not self.problems:
            path.unlink(missing_ok=True)
            return None
        rows = (
            {
                "source": self.source,
                self.unit: each.at,
                "problem": each.problem,
                "action": each.action,
                "detail": each.detail,
            }
            for each in self.problems
        )
        with atomic_write(path) as partial:
            srsly.write_jsonl(partial, rows)
        return path
