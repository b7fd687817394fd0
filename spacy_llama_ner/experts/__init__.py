"""People who label: texts with suggestions go out to their tools, and checked annotations come back."""

from .collect import CollectedAnnotations, Given, Rules, Texts, collect, open_tasks, write_tasks
from .file_oracle import FileOracle, WaitingError
from .formats import FORMATS, Format
from .label_studio_oracle import LabelStudioOracle, OracleError

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
