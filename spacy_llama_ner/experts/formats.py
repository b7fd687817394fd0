"""The tools that experts work in, by the files that go in and come out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from .doccano import Doccano
from .label_studio import LabelStudio
from .prodigy import Prodigy
from .records import Answer, AnswerError, Task


class TaskFormat(Protocol):
    """What a tool reads and writes.

    file: name of the file of tasks. advice: what to do with it, in one or two sentences.
    """

    name: str
    file: str
    advice: str

    def write(self, tasks: Iterable[Task], labels: Sequence[str], folder: Path) -> None:
        """Write the tasks, and whatever the tool needs besides, to `folder`."""

    def fits(self, record: dict[str, Any]) -> bool:
        """Whether a record looks like one that the tool exports."""

    def read(self, record: dict[str, Any]) -> list[Answer | AnswerError]:
        """What experts said in one record. Raises AnswerError where it cannot be used as a whole."""


FORMATS: dict[str, TaskFormat] = {each.name: each for each in (LabelStudio(), Prodigy(), Doccano())}


def guess_format(record: object) -> TaskFormat | None:
    """The tool that a record comes from; None where it looks like none or like several."""
    fitting = [each for each in FORMATS.values() if isinstance(record, dict) and each.fits(record)]
    return fitting[0] if len(fitting) == 1 else None
