"""People who label: texts with suggestions go out to their tools, and checked annotations come back."""

from .check import Rules
from .collect import Collection, Texts, collect
from .folder import Given, open_tasks, write_tasks
from .formats import FORMATS, Format
from .oracle import LabelStudioOracle, OracleError

__all__ = [
    "FORMATS",
    "Collection",
    "Format",
    "Given",
    "LabelStudioOracle",
    "OracleError",
    "Rules",
    "Texts",
    "collect",
    "open_tasks",
    "write_tasks",
]
