"""People who label: texts with suggestions go out to their tools, and checked annotations come back."""

from .collect import CollectedAnnotations, Given, Rules, Texts, collect, open_tasks, write_tasks
from .file_oracle import FileOracle, WaitingError
from .formats import FORMATS, TaskFormat
from .label_studio_oracle import LabelStudioOracle, LabelStudioOracleError

__all__ = [
    "FORMATS",
    "CollectedAnnotations",
    "FileOracle",
    "Given",
    "LabelStudioOracle",
    "LabelStudioOracleError",
    "Rules",
    "TaskFormat",
    "Texts",
    "WaitingError",
    "collect",
    "open_tasks",
    "write_tasks",
]
