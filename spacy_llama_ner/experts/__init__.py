"""People who label: texts with suggestions go out to their tools, and checked annotations come back."""

from .collect import (
    CollectedAnnotations,
    Export,
    ExportedTexts,
    collect,
    read_export,
    write_export,
)
from .file_oracle import FileOracle
from .formats import TASK_FORMATS, TaskFormat
from .label_studio_oracle import LabelStudioError, LabelStudioOracle
from .records import AnnotationRules, PendingAnnotationsError

__all__ = [
    "TASK_FORMATS",
    "AnnotationRules",
    "CollectedAnnotations",
    "Export",
    "ExportedTexts",
    "FileOracle",
    "LabelStudioError",
    "LabelStudioOracle",
    "PendingAnnotationsError",
    "TaskFormat",
    "collect",
    "read_export",
    "write_export",
]
