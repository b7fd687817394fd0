"""People who label: texts with suggestions go out to their tools, and checked annotations come back."""

from .check import Rules
from .collect import Collection, Texts, collect
from .file_oracle import FileOracle, WaitingError
from .folder import Given, open_tasks, write_tasks
from .formats import FORMATS, Format
from .oracle import LabelStudioOracle, OracleError

__all__ = [
    "FORMATS",
    "CollectedAnnotations",
    "FileOracle",
    "Format",
    "Given",
    "LabelStudioOracle",
    "OracleError",
    "Rules",
    "Texts",
    "WaitingError",
    "collect",
    "open_tasks",
    "write_tasks",
]
