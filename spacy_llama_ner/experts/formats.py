"""The tools that experts work in, by the files that go in and come out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from .doccano import DoccanoFormat
from .label_studio import LabelStudioFormat
from .prodigy import ProdigyFormat
from .records import Annotation, AnnotationError, Task


class TaskFormat(Protocol):
    """What a tool reads and writes.

    Attributes:
        name: Of the tool, as the option `--format` has it.
        filename: Of the tasks.
        instructions: What to do with that file, in one or two sentences.
    """

    name: str
    filename: str
    instructions: str

    def write(self, tasks: Iterable[Task], labels: Sequence[str], folder: Path) -> None:
        """Write tasks, and whatever the tool needs besides.

        Args:
            tasks: To be written.
            labels: Those that experts choose from.
            folder: Gets the files.

        Raises:
            OSError: If a file cannot be written.
        """

    def matches(self, record: dict[str, Any]) -> bool:
        """Return whether a record looks like one that the tool exports."""

    def read(self, record: dict[str, Any]) -> list[Annotation | AnnotationError]:
        """Read a record that the tool has exported.

        Args:
            record: JSON.

        Returns:
            The annotations in it; errors in place of those that cannot be used.

        Raises:
            AnnotationError: If the record as a whole cannot be used.
        """


TASK_FORMATS: dict[str, TaskFormat] = {
    each.name: each for each in (LabelStudioFormat(), ProdigyFormat(), DoccanoFormat())
}


def guess_task_format(record: object) -> TaskFormat | None:
    """Return the tool that a record comes from; None where it looks like none or like several."""
    matching = [each for each in TASK_FORMATS.values() if isinstance(record, dict) and each.matches(record)]
    return matching[0] if len(matching) == 1 else None
